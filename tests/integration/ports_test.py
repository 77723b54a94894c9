#!/usr/bin/env python3
"""The kinds of port beside af_packet: af_xdp, memif, pcap. Events go in by each and are sealed; opened they are as they were.
What a killed dataplane leaves behind is no obstacle to the next, and what can not work is refused with a reason.

Needs root, for network namespaces.
"""

import collections
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

LOAD = os.path.abspath(os.environ.get("SEALANE_LOAD", os.path.join(box.BUILD, "bench/load/sealane-load")))
EXAMPLE = os.path.join(cli.ROOT, "docs/examples/wikipedia")
FILES = {
    "contracts/edit.yaml": cli.read(os.path.join(EXAMPLE, "contract.yaml")),
    "purposes.yaml": cli.read(os.path.join(EXAMPLE, "purposes.yaml")),
}
STREAMS = {
    "edits": {
        "contract": "wikimedia/edit/1.0.0",
        "listen": {"port": 7001, "mode": "plain"},
        "sealed": {"files": "edits"},
        "dead_letters": {"files": "dead"},
    },
}
NUMBERS = {"contracts/numbers.yaml": """contract: test/numbers/1.0.0
key: user
subject: user
undeclared: pass
fields:
  user: {type: string, personal: 0, required: true}
"""}
ETHERNET = 1
COOKED = 113
DUE = 8000  # in a whole run over memif: so long that a short standstill at its end is little of it
RUNS = 5

checks = cli.Checks()
check = checks.check
edits = cli.edits()


def appliance(settings, files=FILES, contract="wikimedia/edit/1.0.0"):
    streams = {"edits": {**STREAMS["edits"], "contract": contract}}
    return box.Appliance(cli.scratch(), streams, settings=settings, files=files)


def stream(a):
    return (a.report().get("streams") or [{}])[0]


def events_in(a):
    return stream(a).get("counts", {}).get("events_in", 0)


def end(a, what):
    check(f"{what}: the dataplane drains and ends", a.stop(a.dataplane) == 0, a.text_of_logs()[-3000:])
    check(f"{what}: control ends", a.stop(a.control) == 0, a.text_of_logs()[-3000:])


def last_words(a):
    """Exit code and log of a dataplane that must not start."""
    log = os.path.join(a.folder, "dataplane.log")
    before = len(cli.read(log)) if os.path.exists(log) else 0
    a.start_dataplane()
    try:
        code = a.dataplane.wait(15)
    except subprocess.TimeoutExpired:
        a.dataplane.kill()
        code = None
    return code, cli.read(log)[before:].decode(errors="replace")


# af_xdp


def check_pings(a, what):
    for address, other in ((box.OWN, "10.77.0.1"), (box.OWN6, "fd77::1")):
        for size in (56, 4000):
            said = a.ping(address, size)
            check(f"{what}: {address} answers pings of {size} bytes", said is None, said)
            said = a.ping(other, size, a.box)
            check(f"{what}: and reaches {other}", said is None, said)


def long_event(size):
    event = json.loads(edits[0])
    event["note"] = "x" * (size - len(json.dumps(event, separators=(",", ":"))) - len(',"note":""'))
    return json.dumps(event, separators=(",", ":")).encode()


def has_addresses(a):
    shown = a.in_box("ip", "-o", "address", "show", "dev", box.HOST_INTERFACE).decode()
    return box.OWN in shown and box.OWN6 in shown


def has_program(a):
    return "xdp" in a.in_box("ip", "link", "show", "dev", "port").decode()


def send_all(a, lines):
    before = a.delivered()
    a.send(7001, lines[: len(lines) // 2])
    a.send(7001, lines[len(lines) // 2 :], address=box.OWN6)
    return box.wait_until(lambda: a.delivered() - before >= len(lines), 10)


# What a dataplane holds as long as it lives.
CLAIM = """
import socket, sys
held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
held.bind("\\0sealane-dataplane/port")
print("held", flush=True)
sys.stdin.read()
"""


def af_xdp():
    few, more = edits[:2000] + [long_event(8000)], edits[2000:3000] + [long_event(3000)]
    own = box.CAPABILITIES
    a = appliance({"port": "af_xdp"})
    a.start_control()
    code, text = last_words(a)
    check("af_xdp: without its capability it says which one", code == 1 and "CAP_BPF" in text, (code, text))
    box.CAPABILITIES = own + ",+bpf"
    a.start_dataplane()
    check("af_xdp: it starts with CAP_BPF, NET_RAW and NET_ADMIN", a.wait_for_policy(), a.text_of_logs())
    check("af_xdp: frames come by XDP", has_program(a))
    check_pings(a, "af_xdp")
    check("af_xdp: events arrive, fragments too", send_all(a, few), (a.report(), a.text_of_logs()))
    a.stop(a.dataplane, signal.SIGKILL)
    check("af_xdp: the killed one leaves its program", has_program(a))
    a.start_dataplane()
    check("af_xdp: another comes up over it", a.wait_for_epoch(), a.text_of_logs()[-3000:])
    said = a.ping(box.OWN, 56)
    check("af_xdp: which answers pings by itself", said is None, said)
    check("af_xdp: and takes events", send_all(a, more), (a.report(), a.text_of_logs()))
    end(a, "af_xdp")
    check("af_xdp: no program is left", not has_program(a))
    a.in_box("ip", "link", "set", "port", "mtu", "9000")
    a.start_control()
    code, text = last_words(a)
    check("af_xdp: an MTU beyond a page is refused", code == 1 and "MTU of 9000" in text and "mtu 1500" in text, (code, text))
    a.in_box("ip", "link", "set", "port", "mtu", "1500")
    words = ["ip", "netns", "exec", a.box, sys.executable, "-c", CLAIM]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        code, text = last_words(a)
        other.stdin.close()
    check("af_xdp: another dataplane's interface is left to it", code == 1 and "port of another dataplane" in text, (code, text))
    a.stop(a.control)
    cli.write_definition(a.config, {**json.loads(cli.read(a.config)), "worker_cores": ["any", "any"]})
    a.start_control()
    code, text = last_words(a)
    check("af_xdp: a port of fewer queues than workers is refused", code == 1 and "2 workers want one each" in text, (code, text))
    a.remove()
    box.CAPABILITIES = own
    check("af_xdp: opened, all is as it was", sorted(a.opened("edits")) == sorted(few + more))


# The interface of the exception path


def restarts():
    a = appliance({})
    check("restart: control and dataplane start", a.start(), a.text_of_logs())
    for what, number in (("kill -9", signal.SIGKILL), ("SIGTERM", signal.SIGTERM)):
        a.stop(a.dataplane, number)
        check(f"restart: {what} leaves the interface its addresses", has_addresses(a))
        if number == signal.SIGTERM:  # long frames, too, find their way to the kernel
            a.in_neighbour("ip", "link", "set", "wire", "mtu", "9000")
            a.in_box("ip", "link", "set", "port", "mtu", "9000")
        a.start_dataplane()
        check(f"restart: after {what} it comes up", a.wait_for_epoch(), a.text_of_logs()[-3000:])
        for address in (box.OWN, box.OWN6):
            said = a.ping(address, 8000)
            check(f"restart: after {what} {address} answers pings by itself", said is None, said)
    log = cli.read(os.path.join(a.folder, "dataplane.log")).decode()
    strange = [line for line in log.splitlines() if not line.startswith("sealane-dataplane: ")]
    check("restart: the log has our lines and no driver's", not strange, strange)
    end(a, "restart")
    a.in_box("ip", "link", "delete", box.HOST_INTERFACE)
    a.in_box("ip", "tuntap", "add", "dev", box.HOST_INTERFACE, "mode", "tap")
    a.start_control()
    code, text = last_words(a)
    check("restart: another interface of that name is told", code == 1 and "is no TAP" in text and "ip link delete" in text, (code, text))
    a.remove()


# memif


class Peer:
    """sealane-load at the other side of the memif."""

    def __init__(self, a, path, seconds, rate):
        words = [LOAD, "memif", path, "--to", f"{box.OWN}:7001", "--events", cli.EDITS, "--rate", rate, "--number", "n"]
        words += ["--duration", str(seconds), "--warm-up", "0", "--distinct", "1k", "--memory", "64", "-o", "json"]
        words += ["--counters", str(a.dataplane.pid)]  # it waits for what it sent: at its end the shared memory is gone
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def offered(self):
        out, err = self.process.communicate(timeout=30)
        check("memif: the peer comes to its end", self.process.returncode == 0, err)
        return json.loads(out)["trials"][0]["offered"] if self.process.returncode == 0 else -1

    def kill(self):
        self.process.kill()
        self.process.communicate()


def run_peer(a, path):
    for _ in range(RUNS):
        before = events_in(a)
        offered = Peer(a, path, 2, "4k").offered()
        arrived = box.wait_until(lambda: events_in(a) - before == offered, 5)
        # It does not send late for ever what was due while others had its core, but not at the end of every run.
        if not arrived or not 0 <= offered < 0.9 * DUE:
            break
    check("memif: all that is offered arrives", 0.9 * DUE <= offered <= DUE and arrived, (offered, stream(a)))
    return offered


def memif():
    a = appliance({"port": "memif", "host_interface": ""}, NUMBERS, "test/numbers/1.0.0")
    path = os.path.join(a.folder, "wire/memif.sock")
    os.mkdir(os.path.dirname(path))
    os.chown(os.path.dirname(path), int(box.USER), int(box.USER))
    cli.write_definition(a.config, {**json.loads(cli.read(a.config)), "device": path})
    a.start_control()
    a.start_dataplane()
    check("memif: control and dataplane start", a.wait_for_epoch(), a.text_of_logs())
    offered = [run_peer(a, path)]
    for _ in range(2):
        before = events_in(a)
        other = Peer(a, path, 20, "50k")
        box.wait_until(lambda: events_in(a) > before, 5)
        other.kill()
        check("memif: a peer that dies does no harm", events_in(a) > before and a.dataplane.poll() is None, a.text_of_logs()[-3000:])
    offered.append(run_peer(a, path))
    box.wait_until(lambda: a.delivered() == events_in(a), 5)
    taken = events_in(a)
    a.stop(a.dataplane, signal.SIGKILL)
    check("memif: the killed dataplane leaves its socket", os.path.exists(path))
    a.start_dataplane()
    check("memif: another comes up over it", a.wait_for_epoch(), a.text_of_logs()[-3000:])
    offered.append(run_peer(a, path))
    taken += events_in(a)
    check("memif: the dataplane drains and ends", a.stop(a.dataplane) == 0, a.text_of_logs()[-3000:])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(path)
        server.listen()
        os.chmod(path, 0o777)
        code, text = last_words(a)
    check("memif: another's socket is left alone", code == 1 and "is served by another process" in text, (code, text))
    check("memif: control ends", a.stop(a.control) == 0, a.text_of_logs()[-3000:])
    a.remove()
    numbers = collections.Counter(int(json.loads(line)["n"]) for line in a.opened("edits"))
    check("memif: all that was taken is there, opened", numbers.total() == taken, (numbers.total(), taken))
    check("memif: the three whole runs among it", all(numbers[n] >= 3 for n in range(1, min(offered) + 1)), (offered, min(numbers.values())))


# pcap


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def frame(payload, number):
    """An event as some other host once got it."""
    source, target = socket.inet_aton("198.51.100.7"), socket.inet_aton(box.OWN)
    udp = struct.pack(">HHHH", 40000 + number % 1000, 7001, 8 + len(payload), 0) + payload
    udp = udp[:6] + struct.pack(">H", checksum(source + target + struct.pack(">BBH", 0, 17, len(udp)) + udp) or 0xFFFF) + udp[8:]
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0, source, target)
    ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    return bytes.fromhex("a4bb6d001122" "00155d334455" "0800") + ip + udp


def capture(path, frames, order="<", link=ETHERNET, cut=0):
    text = [struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)]
    for number, one in enumerate(frames):
        text.append(struct.pack(order + "IIII", 1700000000 + number, 0, len(one), len(one)) + one)
    whole = b"".join(text)
    cli.write(path, whole[: len(whole) - cut])
    os.chmod(path, 0o644)


def play(path, wanted, what, settings=None, **contract):
    """A dataplane that plays the capture."""
    settings = {"port": "pcap", "device": path, "host_interface": "", "addresses": [], **(settings or {})}
    a = appliance(settings, **contract)
    a.start_control()
    a.start_dataplane()
    check(f"{what}: control and dataplane start", a.wait_for_epoch(), a.text_of_logs())
    done = box.wait_until(lambda: a.delivered() >= len(wanted), 20)
    check(f"{what}: all of it is taken, none dropped", done and stream(a)["frame_drops"] == {}, (a.report(), a.text_of_logs()))
    time.sleep(0.3)
    check(f"{what}: it is played once, then nothing comes", events_in(a) == len(wanted), events_in(a))
    check(f"{what}: the dataplane waits for its end", a.dataplane.poll() is None)
    end(a, what)
    check(f"{what}: opened, all is as it was, in its order", a.opened("edits") == wanted)
    a.remove()


def pcap():
    folder = cli.scratch()
    os.chmod(folder, 0o755)
    path = os.path.join(folder, "events.pcap")
    arp = bytes.fromhex("ffffffffffff00155d334455080600010800060400010015") + bytes(20)
    frames = [frame(event, number) for number, event in enumerate(edits)]
    capture(path, [arp, *frames, arp])
    play(path, edits, "pcap")
    capture(path, frames[:1000], ">", cut=7)
    play(path, edits[:999], "pcap, cut and of the other byte order")
    # One burst of the port makes a third of the journal's keys.
    strangers = [b'{"user":"nobody %d"}' % n for n in range(60000)]
    capture(path, [frame(b"\n".join(strangers[n:n + 40]), n) for n in range(0, len(strangers), 40)])
    small = {"journal_records": 8192, "parcels": 2, "parcel_bytes": 1 << 16}
    play(path, strangers, "pcap, each event a new key", small, files=NUMBERS, contract="test/numbers/1.0.0")
    a = appliance({"port": "pcap", "device": path, "host_interface": "", "addresses": []})
    a.start_control()
    for what, make, words in (
        ("no file", lambda: None, "No such file"),
        ("an empty file", lambda: cli.write(path, b""), "no capture file"),
        ("text", lambda: cli.write(path, cli.read(cli.EDITS)), "no capture file"),
        ("a header cut short", lambda: capture(path, [], cut=3), "ends within its header"),
        ("frames of no Ethernet", lambda: capture(path, frames[:1], link=COOKED), "not Ethernet"),
        ("a file of root's", lambda: (capture(path, frames[:1]), os.chmod(path, 0o600)), "Permission denied"),
    ):
        if os.path.exists(path):
            os.unlink(path)
        make()
        code, text = last_words(a)
        good = code == 1 and f"capture {path}: " in text and words in text and "    " in text
        check(f"pcap: {what} is refused by its name, with a remedy", good, (code, text))
    a.remove()


parts = {"af_xdp": af_xdp, "restarts": restarts, "memif": memif, "pcap": pcap}
for name in sys.argv[1:] or parts:
    parts[name]()
checks.end()
