#!/usr/bin/env python3
"""The disk of a sink is full: the operator is told so, everything goes on when there is room, and a stop in between says what
was not delivered. Needs root, for network namespaces and a small file system.
"""

import atexit
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

checks = cli.Checks()
check = checks.check
folder = cli.scratch()
data = os.path.join(folder, "data")
example = os.path.join(cli.ROOT, "docs/examples/wikipedia")
STREAMS = {
    "edits": {
        "contract": "wikimedia/edit/1.0.0",
        "listen": {"port": 7001, "mode": "plain"},
        "sealed": {"files": "edits"},
        "dead_letters": {"files": "dead"},
    },
}
FILES = {
    "contracts/edit.yaml": cli.read(os.path.join(example, "contract.yaml")),
    "purposes.yaml": cli.read(os.path.join(example, "purposes.yaml")),
}
edits = cli.edits()


def room(mebibytes, how="remount,"):
    box.command("mount", "-t", "tmpfs", "-o", f"{how}size={mebibytes}m", "tmpfs", data)


def is_down(a):
    return any(s["sink"]["is_down"] for s in a.report().get("streams", []) if "sink" in s)


def fill(a):
    """Events until the disk is full."""
    for n in range(0, len(edits), 2000):
        a.send(7001, edits[n:n + 2000])
        if is_down(a):
            return True
    return box.wait_until(lambda: is_down(a))


os.makedirs(data)
room(4, how="")
atexit.register(subprocess.run, ["umount", "--lazy", data], capture_output=True)
a = box.Appliance(folder, STREAMS, {"parcels": 4, "parcel_bytes": 1 << 20}, FILES)
check("the appliance is up", a.start(), a.text_of_logs()[-3000:])
check("the disk is full", fill(a), a.report())
text = a.cli("status").text
check("status says which stream's sink is down", "edits: a sink is down" in text, text)
check("the log says why, and where", data + "/edits" in a.text_of_logs() and "No space left on device" in a.text_of_logs(), a.text_of_logs()[-2000:])
before = a.delivered()
room(64)
check("with room it goes on", box.wait_until(lambda: not is_down(a) and a.delivered() > before), a.report())
check("and the log says so", box.wait_until(lambda: "edits: all sinks work again" in a.text_of_logs()), a.text_of_logs()[-500:])
a.send(7001, edits[:100])
check("and takes new events", box.wait_until(lambda: a.delivered() >= before + 100), a.report())
with open(os.path.join(data, "filler"), "wb") as filler:
    for _ in range(48):
        filler.write(bytes(1 << 20))
check("the disk is full again", fill(a), a.report())
result = a.cli("stop")
print(result.text)
check("stop tells what was not delivered", result.code == cli.ENVIRONMENT and "events were not delivered within 10 s" in result.text, result.text)
check("and both have ended", "control has ended" in result.text and a.dataplane.wait(1) == box.UNDELIVERED and a.control.wait(1) == 0, result.text)
checks.end()
