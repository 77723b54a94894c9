#!/usr/bin/env python3
"""kill -9 of dataplane and control at random moments under load: what was acknowledged is there exactly once, and has its key.

Rounds of each: SEALANE_KILLS (20). Seed: SEALANE_SEED. Needs root, for network namespaces.
"""

import collections
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

ROUNDS = int(os.environ.get("SEALANE_KILLS", "20"))
SEED = int(os.environ.get("SEALANE_SEED", "5"))
EVENTS = 4000  # of a round
USERS = 300    # new ones each round, so that keys are under way too

CONTRACT = """contract: test/numbers/1.0.0
key: user
subject: user
undeclared: pass
fields:
  user: {type: string, personal: 0, required: true}
  text: {type: string, personal: 0}
"""
STREAMS = {
    "numbers": {
        "contract": "test/numbers/1.0.0",
        "listen": {"port": 7002, "mode": "sealed"},
        "sealed": {"files": "numbers", "roll": {"size": "1 MiB"}},
        "dead_letters": {"files": "numbers"},
    },
}

checks = cli.Checks()
check = checks.check
folder = cli.scratch()
chance = random.Random(SEED)


def event(number):
    user = f"user-{number // EVENTS}-{number % USERS}"
    return json.dumps({"n": number, "user": user, "text": f"the text of event {number}"}, separators=(",", ":")).encode()


def send(a, number):
    """Begin to send the events of a round."""
    events = os.path.join(folder, f"events-{number}.ndjson")
    cli.write(events, b"\n".join(event(n) for n in range(number * EVENTS, (number + 1) * EVENTS)) + b"\n")
    key = os.path.join(folder, "definitions/driver.key")
    words = [cli.SEALANE, "send", events, "--to", f"{box.OWN}:7002", "--key", key, "--timeout", "30", "--quiet"]
    return subprocess.Popen(
        ["ip", "netns", "exec", a.neighbour, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def kill(process):
    process.kill()
    process.wait()


def run_rounds(a, first, what, restart):
    good = 0
    for number in range(first, first + ROUNDS):
        sender = send(a, number)
        time.sleep(chance.uniform(0.0, 0.3))
        restart()
        try:
            text, _ = sender.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            sender.kill()
            text = b"no end"
        good += sender.returncode == 0
        if sender.returncode != 0:
            print(f"round {number}: {text.decode(errors='replace')}", flush=True)
    check(f"{ROUNDS} times {what}: every event is acknowledged in the end", good == ROUNDS, f"{good}\n{a.text_of_logs()[-3000:]}")


def kill_dataplane(a):
    kill(a.dataplane)
    a.start_dataplane()


def kill_control(a):
    kill(a.control)
    a.start_control()


def opened():
    directory = os.path.join(folder, "data/numbers")
    lines = []
    for file in sorted(os.listdir(directory)):
        if file.startswith("."):
            continue
        result = cli.run("open", os.path.join(directory, file), "--vault", os.path.join(folder, "vault"))
        if result.code != cli.DONE:
            check(f"{file} opens", False, result.text)
        lines += result.out.splitlines()
    return lines


def main():
    a = box.Appliance(folder, STREAMS, files={"contracts/numbers.yaml": CONTRACT})
    made = cli.run("create", "client", "driver", "--streams", "numbers", "-f", os.path.join(folder, "definitions"))
    check("a client is made", made.code == cli.DONE, made.text)
    check("control and dataplane start", a.start(), a.text_of_logs())
    run_rounds(a, 0, "kill -9 of the dataplane", lambda: kill_dataplane(a))
    run_rounds(a, ROUNDS, "kill -9 of control", lambda: kill_control(a))
    check("the dataplane drains and ends", a.stop(a.dataplane) == 0, a.text_of_logs()[-3000:])
    check("control ends", a.stop(a.control) == 0, a.text_of_logs()[-3000:])
    counts = collections.Counter(opened())
    expected = {event(n) for n in range(2 * ROUNDS * EVENTS)}
    lost = [line for line in expected if line not in counts]
    twice = [line for line, count in counts.items() if count > 1]
    strange = [line for line in counts if line not in expected]
    check("no event is lost", not lost, f"{len(lost)}: {sorted(lost)[:5]}")
    check("none is there twice", not twice, f"{len(twice)}: {sorted(twice)[:5]}")
    check("each opens with the vault's keys", not strange, f"{len(strange)}: {strange[:5]}")
    checks.end()


main()
