#include "control/cli/details.h"

#include <string.h>

static const char batch[] =
	"\n"
	"  JOB is a YAML file (job.yaml), or a JSON configuration of the reference service. "
	"Relative names in it start\n"
	"  from its own folder. Nothing is seen under a target's name before the whole job has "
	"finished; a job that\n"
	"  is killed leaves nothing behind and may be run again: it finds the same keys.\n"
	"\n"
	"  --input FILE       read this instead of the job's input; - is standard input\n"
	"  --output-dir DIR   relative names of targets start here instead\n"
	"  --vault DIR        where keys live (default: the job's, $SEALANE_VAULT, or "
	"~/.local/share/sealane/vault)\n"
	"  --root-key FILE    the key of the vault (default: root.key in the vault; made, mode "
	"0600, on first use)\n"
	"  --max-bad N|P%     give up when more rows than this are bad (default: the job's, or 0)\n"
	"  -j N               worker threads (default: processors - 1, at least 1)\n"
	"  -o text|json       how states are told; json is one object a line\n"
	"\n"
	"  Endings .gz and .zst of any file name compress and decompress.\n"
	"\n"
	"  Exit codes: 0 done, 1 the machine failed, 2 usage, 3 a definition is wrong, 4 the input "
	"is bad, 5 keys do not\n"
	"  fit, 128+N stopped by signal N.\n";

static const char open[] =
	"\n"
	"  FILE is a sealed file, a derived file or a dead-letter file, as `sealane batch run` "
	"wrote "
	"it: JSON or CSV,\n"
	"  compressed or not; - is standard input. Events come out as they went in, without "
	"strmMeta.\n"
	"\n"
	"  --keys KEYS.csv    a keys file; no vault is needed, so this works on any machine\n"
	"  --vault DIR        or the vault that made the keys; dead letters open only so\n"
	"  --root-key FILE    the key of that vault (default: root.key in it)\n"
	"  --purposes 1,2     open no more than the fields of these purposes (numbers)\n"
	"  --contract FILE    what a field becomes that can not be opened (`unreadable`); with "
	"--vault "
	"it is known.\n"
	"                     Without a contract such a field stays as it is: its sealed text\n"
	"  --purposes-file F  purposes of that contract (default: purposes.yaml beside it)\n"
	"  --output FILE      default: standard output; a file is there only when all went well\n"
	"  --quiet            say nothing of how many fields were opened\n"
	"\n"
	"  Exit codes: 4 the file is damaged or no sealed file, 5 the keys do not fit: not a "
	"single "
	"field was opened.\n";

static const char validate[] =
	"\n"
	"  FILE is a data contract (contract.yaml). Names of purposes are looked up in "
	"purposes.yaml beside it.\n"
	"\n"
	"  --purposes-file F  look them up there\n"
	"  --sample FILE      read these events: warn of fields of the contract that none of them "
	"has, count bad events,\n"
	"                     and list names that the contract does not declare\n"
	"  --sample-rows N    events to read (default: 10000)\n"
	"  --strict           a warning is an error: exit code 3\n"
	"\n"
	"  DIR is a directory of definitions: contracts/*.yaml, purposes.yaml, streams/*.yaml, "
	"clients.yaml. No daemon is\n"
	"  asked, and no vault is needed.\n";

static const char explain[] =
	"\n"
	"  FILE is a data contract (contract.yaml). Names of purposes are looked up in "
	"purposes.yaml beside it.\n"
	"\n"
	"  --purposes-file F  look them up there\n"
	"  --event FILE|-     show what the first 10 events of this file become: sealed, and for "
	"consumers with each\n"
	"                     purpose and with all of them; under keys that are forgotten at "
	"once\n";

static const char create[] =
	"\n"
	"  Writes DIR/NAME.key (mode 0600) and adds the client to DIR/clients.yaml. The key file "
	"is "
	"what the client sends\n"
	"  with: give it a copy by a way that nobody else reads.\n"
	"\n"
	"  --streams S,S      streams that it may send to; they take sealed datagrams\n"
	"  -f DIR             the directory of definitions\n";

static const char apply[] =
	"\n"
	"  Reads the directory, compiles it, and changes the dataplane over to it without a lost "
	"event. When anything in\n"
	"  it is wrong, all problems are told with file, line and column, and nothing changes. The "
	"directory holds after\n"
	"  a restart, too.\n"
	"\n"
	"  -f DIR             contracts/*.yaml, purposes.yaml, streams/*.yaml, clients.yaml\n"
	"  -c FILE            the appliance's configuration (default: $SEALANE_CONFIG, or "
	"/etc/sealane/sealane.yaml)\n"
	"\n"
	"  Exit codes: 1 the machine failed (control can not be reached, the vault's disk is full, "
	"a sink can not be\n"
	"  opened), another change is on its way, or the dataplane has not answered for 30 s and "
	"may take the change\n"
	"  later; 3 a definition is wrong.\n";

static const char status[] =
	"\n"
	"  Rates are of the last second, latencies of the last second in which events came.\n"
	"\n"
	"  -o text|json       json has all counters, and drops by reason\n"
	"  -c FILE            the appliance's configuration (default: $SEALANE_CONFIG, or "
	"/etc/sealane/sealane.yaml)\n";

static const char top[] =
	"\n"
	"  Ends by q or ^C. Into a file or pipe it prints one picture, or as many as --count "
	"says.\n"
	"\n"
	"  --interval SECONDS between two pictures (default: 1)\n"
	"  --count N          pictures, then end; the last one stays on the terminal\n"
	"  -c FILE            the appliance's configuration (default: $SEALANE_CONFIG, or "
	"/etc/sealane/sealane.yaml)\n";

static const char stop[] =
	"\n"
	"  The dataplane takes no more events, writes what it has, and ends; nothing is lost. The "
	"command returns when the\n"
	"  processes have ended: vault, files and sockets are free.\n"
	"\n"
	"  --dataplane        the dataplane only\n"
	"  --all              the dataplane, then control (default)\n"
	"  --timeout S        say who has not ended after so many seconds, exit code 1 (default: "
	"60)\n"
	"  -c FILE            the appliance's configuration (default: $SEALANE_CONFIG, or "
	"/etc/sealane/sealane.yaml)\n";

static const char send[] =
	"\n"
	"  FILE is NDJSON, one event a line, compressed or not; - is standard input. Events go as "
	"sealed datagrams and are\n"
	"  sent again until the appliance has acknowledged them, which it does when they are "
	"durable in their sink.\n"
	"\n"
	"  --to HOST:PORT     the appliance and the UDP port of the stream; [ADDRESS]:PORT for "
	"IPv6 addresses\n"
	"  --key FILE         the client's key file\n"
	"  --stream NAME      send only if this stream is behind the port\n"
	"  --timeout S        give up when nothing is acknowledged for so many seconds (default: "
	"30)\n"
	"  --datagram-bytes N size of a datagram, 256 to 9000 (default: 1400); no event may be "
	"longer than this and 37\n"
	"                     bytes around it\n"
	"  --quiet            say nothing of how far it is\n"
	"\n"
	"  Exit codes: 0 all events are stored, 1 no answer in time, 4 an event does not fit, 5 "
	"the "
	"key file is none or\n"
	"  the appliance refuses the client.\n";

const char *details_of(const char *verb)
{
	if (strcmp(verb, "batch") == 0)
		return batch;
	if (strcmp(verb, "open") == 0)
		return open;
	if (strcmp(verb, "validate") == 0)
		return validate;
	if (strcmp(verb, "explain") == 0)
		return explain;
	if (strcmp(verb, "create") == 0)
		return create;
	if (strcmp(verb, "apply") == 0)
		return apply;
	if (strcmp(verb, "status") == 0)
		return status;
	if (strcmp(verb, "top") == 0)
		return top;
	if (strcmp(verb, "stop") == 0)
		return stop;
	if (strcmp(verb, "send") == 0)
		return send;
	return "";
}
