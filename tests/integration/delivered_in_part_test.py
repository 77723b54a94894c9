#!/usr/bin/env python3
"""A stop while the disk of the dead letters is full, the sealed events' not: a client's datagrams that were delivered in part
come again to the next dataplane, and no event of theirs is there twice. Needs root, for network namespaces and a small file
system.
"""

import atexit
import collections
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

EVENTS = 40000
CONTRACT = """contract: test/numbers/1.0.0
key: user
subject: user
undeclared: pass
fields:
  user: {type: string, personal: 0, required: true}
  n: {type: integer, required: true}
"""
STREAMS = {
    "numbers": {
        "contract": "test/numbers/1.0.0",
        "listen": {"port": 7002, "mode": "sealed"},
        "sealed": {"files": "numbers"},
        "dead_letters": {"files": "dead"},
    },
}

checks = cli.Checks()
check = checks.check
folder = cli.scratch()
dead = os.path.join(folder, "data/dead")


def event(n):
    """Each fourth goes to the dead letters."""
    body = {"n": n, "user": f"user-{n % 300}"} if n % 4 else {"n": n}
    return json.dumps(body, separators=(",", ":")).encode()


def room(mebibytes, how="remount,"):
    box.command("mount", "-t", "tmpfs", "-o", f"{how}size={mebibytes}m,mode=777", "tmpfs", dead)


def is_down(a):
    return any(s["sink"]["is_down"] for s in a.report().get("streams", []) if "sink" in s)


def send(a):
    events = os.path.join(folder, "events.ndjson")
    cli.write(events, b"\n".join(event(n) for n in range(EVENTS)) + b"\n")
    key = os.path.join(folder, "definitions/driver.key")
    words = [cli.SEALANE, "send", events, "--to", f"{box.OWN}:7002", "--key", key, "--timeout", "60", "--quiet"]
    return subprocess.Popen(["ip", "netns", "exec", a.neighbour, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


os.makedirs(dead)
room(1, how="")
atexit.register(subprocess.run, ["umount", "--lazy", dead], capture_output=True)
a = box.Appliance(folder, STREAMS, {"parcels": 8, "parcel_bytes": 1 << 16}, {"contracts/numbers.yaml": CONTRACT})
made = cli.run("create", "client", "driver", "--streams", "numbers", "-f", os.path.join(folder, "definitions"))
check("a client is made", made.code == cli.DONE, made.text)
check("the appliance is up", a.start(), a.text_of_logs()[-3000:])
sender = send(a)
check("the disk of the dead letters is full", box.wait_until(lambda: is_down(a)), a.report())
check("the dataplane ends, and has not delivered all", a.stop(a.dataplane) == box.UNDELIVERED, a.text_of_logs()[-2000:])
room(64)
a.start_dataplane()
text, _ = sender.communicate(timeout=90)
check("the client's events are acknowledged in the end", sender.returncode == 0, text.decode(errors="replace"))
check("the dataplane drains and ends", a.stop(a.dataplane) == 0, a.text_of_logs()[-3000:])
check("control ends", a.stop(a.control) == 0, a.text_of_logs()[-3000:])
counts = collections.Counter(json.loads(line)["n"] for line in a.opened("numbers"))
expected = {n for n in range(EVENTS) if n % 4}
twice = sorted(n for n, count in counts.items() if count > 1)
check("no event is lost", set(counts) == expected, f"{len(expected - set(counts))} of {len(expected)}")
check("none is there twice", not twice, f"{len(twice)}: {twice[:5]}")
checks.end()
