#!/usr/bin/env python3
"""Events so small that more of them are in a datagram than a turn takes, in more datagrams than the smallest buffers hold,
to a dataplane that is killed meanwhile: each is acknowledged and there once. And the same at a rate that is less than a datagram.

Needs root, for network namespaces.
"""

import collections
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

checks = cli.Checks()
check = checks.check
folder = cli.scratch()
rng = cli.seeded("small events")
EVENTS = 60000  # of each sender
SLOW_EVENTS = 900
USERS = 300
KILLS = 4
CONTRACT = """contract: acme/small/1.0.0
key: u
undeclared: pass
fields:
  u: {type: string, personal: 0, required: true}
  n: number
"""
STREAMS = {
    "small": {
        "contract": "acme/small/1.0.0",
        "listen": {"port": 7001, "mode": "sealed"},
        "sealed": {"files": "small"},
        "dead_letters": {"files": "dead"},
    },
    # A burst is 64 events and a tenth of the rate; a datagram has more.
    "slow": {
        "contract": "acme/small/1.0.0",
        "listen": {"port": 7002, "mode": "sealed", "rate": 100},
        "sealed": {"files": "slow"},
        "dead_letters": {"files": "dead"},
    },
}


def event(number):
    return json.dumps({"u": f"{number % USERS}", "n": number}, separators=(",", ":"))


def write_events(name, first, count):
    path = os.path.join(folder, name)
    cli.write(path, "".join(event(n) + "\n" for n in range(first, first + count)))
    return path


def send(a, file, port, stream, *words):
    key = os.path.join(folder, "definitions/driver.key")
    command = [cli.SEALANE, "send", file, "--to", f"{box.OWN}:{port}", "--key", key, "--stream", stream, "--quiet", *words]
    return subprocess.Popen(
        ["ip", "netns", "exec", a.neighbour, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def numbers(name):
    """Of the events in a stream's files, opened with the vault's keys."""
    found = collections.Counter()
    directory = os.path.join(folder, "data", name)
    for file in sorted(os.listdir(directory)):
        if file.startswith("."):
            continue
        result = cli.run("open", os.path.join(directory, file), "--vault", os.path.join(folder, "vault"))
        check(f"{file} opens", result.code == cli.DONE, result.text)
        found.update(json.loads(line)["n"] for line in result.out.splitlines())
    return found


def check_exact(name, count):
    found = numbers(name)
    wrong = [n for n in range(count) if found[n] != 1]
    check(f"{name}: each event is there once", not wrong and len(found) == count, f"{len(wrong)} are not: {wrong[:5]}")


def check_killed(a):
    files = [write_events(f"part-{n}.ndjson", n * EVENTS, EVENTS) for n in range(2)]
    senders = [send(a, file, 7001, "small") for file in files]
    kills = 0
    while kills < KILLS and any(sender.poll() is None for sender in senders):
        time.sleep(0.1 + 0.3 * rng.random())
        a.stop(a.dataplane, signal.SIGKILL)
        a.start_dataplane()
        a.wait_for_policy()
        kills += 1
    for sender in senders:
        said, _ = sender.communicate(timeout=60)
        check("a sender comes to its end", sender.returncode == 0, said)
    check(f"the dataplane was killed {kills} times", kills > 0)


def check_slow(a):
    file = write_events("slow.ndjson", 0, SLOW_EVENTS)
    started = time.monotonic()
    sender = send(a, file, 7002, "slow", "--timeout", "20")
    said, _ = sender.communicate(timeout=60)
    check("at a rate below a datagram's events all go", sender.returncode == 0, said)
    check("and no faster", time.monotonic() - started > (SLOW_EVENTS - 400) / 100, time.monotonic() - started)


def main():
    definitions = os.path.join(folder, "definitions")
    settings = {"parcels": 2, "parcel_bytes": 65536}
    a = box.Appliance(folder, STREAMS, settings=settings, files={"contracts/small.yaml": CONTRACT})
    made = cli.run("create", "client", "driver", "--streams", "small,slow", "-f", definitions)
    check("a client is made", made.code == cli.DONE, made.text)
    check("control and dataplane start", a.start(), a.text_of_logs())
    check_killed(a)
    check_slow(a)
    check("the dataplane drains and ends", a.stop(a.dataplane) == 0, a.text_of_logs())
    check("control ends", a.stop(a.control) == 0, a.text_of_logs())
    check_exact("small", 2 * EVENTS)
    check_exact("slow", SLOW_EVENTS)
    check("no dead letters", not os.path.isdir(os.path.join(folder, "data/dead")) or not numbers("dead"))
    checks.end()


if __name__ == "__main__":
    main()
