#!/usr/bin/env python3
"""docs/guides/appliance.md, word for word: its commands, in one shell in an empty directory, with what is installed. Needs root.

Names of namespaces in the guide are fixed ones: they are this test's own by a mount namespace.
"""
import os
import re
import subprocess
import sys

from sealane_cli import ROOT, SEALANE, Checks, read, scratch

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(SEALANE)))
LIMIT_S = 150
GUIDE = "docs/guides/appliance.md"

checks = Checks()
check = checks.check
work = scratch()
installed = os.path.join(work, "installed")
# What it starts goes with it, whatever happens.
PRIVATE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", "mount -t tmpfs tmpfs /run && exec bash -e -x -o pipefail guide.sh"]

if os.geteuid() != 0:
    print("needs root, for network namespaces")
    sys.exit(1)
text = read(os.path.join(ROOT, GUIDE)).decode()
blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", text)
check("the guide has commands", len(blocks) >= 10, len(blocks))
subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env=dict(os.environ, DESTDIR=installed), check=True)
empty = os.path.join(work, "empty")
os.makedirs(empty)
# bash -e would not see a comparison in the middle of a pipeline that fails: pipefail does. `head` ends its input early: no fault.
script = "\n".join(blocks).replace("| head -1000 |", "| (head -1000; cat >/dev/null) |")
with open(os.path.join(empty, "guide.sh"), "w") as file:
    file.write(script)
programs = os.path.join(installed, "usr/local")
done = subprocess.run(
    PRIVATE,
    cwd=empty,
    stdin=subprocess.DEVNULL,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    timeout=LIMIT_S,
    env={**{k: v for k, v in os.environ.items() if not k.startswith("SEALANE")}, "SOURCE": ROOT, "PATH": f"{programs}/bin:{programs}/sbin:" + os.environ["PATH"]},
)
said = done.stdout.decode(errors="replace")
logs = "".join(read(os.path.join(empty, n)).decode() for n in ("control.log", "dataplane.log") if os.path.exists(os.path.join(empty, n)))
check("every command ends well", done.returncode == 0, said[-2500:] + logs[-1500:])
for title, wanted in (
    ("the configuration is good", ": ok: port af_packet veth-sealane, 1 worker"),
    ("the appliance answers pings", "4008 bytes from 2001:db8::1: icmp_seq=2"),
    ("sealed events are stored", "39244 events sent, 39244 stored"),
    ("a change is at work", "appliance: at work on every core as epoch 2: 2 streams"),
    ("a wrong one is refused", "streams/edits.yaml:4:11: there is no contract wikimedai/edit/1.0.0"),
    ("all ends", "the dataplane has drained and ended; control has ended"),
    ("all opens", "39244 events, 132047 fields opened"),
):
    check(title, wanted in said, said[-2500:])
check("plain events arrive", re.search(r"(?m)^edits +(1k|9\d\d) ", said), said[-2500:])
# What the guide shows as output is what comes out, but for numbers and the ends that it leaves out.
shown = re.search(r"(?ms)^```text\nappliance: ok.*?^```", text)[0].splitlines()[1:-1]
check("the guide shows what comes out", all(line in said for line in shown), shown)
checks.end()
