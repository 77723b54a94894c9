#!/usr/bin/env python3
"""The dataplane as a host on a wire: an ordinary neighbour pings it and sends it events; files hold them, sealed.

Needs root, for network namespaces.
"""

import json
import os
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

checks = cli.Checks()
check = checks.check
folder = cli.scratch()
example = os.path.join(cli.ROOT, "docs/examples/wikipedia")
edits = cli.edits()
RELAY = os.path.join(cli.ROOT, "tests/support/relay.py")

STREAMS = {
    "edits": {
        "contract": "wikimedia/edit/1.0.0",
        "listen": {"port": 7001, "mode": "plain"},
        "sealed": {"files": "edits"},
        "dead_letters": {"files": "dead"},
    },
    "sealed": {
        "contract": "wikimedia/edit/1.0.0",
        "listen": {"port": 7002, "mode": "sealed"},
        "sealed": {"files": "sealed"},
        "dead_letters": {"files": "dead"},
    },
}
FILES = {
    "contracts/edit.yaml": cli.read(os.path.join(example, "contract.yaml")),
    "purposes.yaml": cli.read(os.path.join(example, "purposes.yaml")),
}


def long_event(size):
    event = json.loads(edits[0])
    event["note"] = "x" * (size - len(json.dumps(event, separators=(",", ":"))) - len(',"note":""'))
    return json.dumps(event, separators=(",", ":")).encode()


def files_of(name):
    directory = os.path.join(folder, "data", name)
    return [os.path.join(directory, file) for file in sorted(os.listdir(directory)) if not file.startswith(".")]


def opened(name):
    """Events of a stream's files, opened with the vault's keys."""
    lines = []
    for file in files_of(name):
        result = cli.run("open", file, "--vault", os.path.join(folder, "vault"))
        if result.code != cli.DONE:
            check(f"{file} opens", False, result.text)
        lines += result.out.splitlines()
    return lines


def check_pings(a):
    for address in (box.OWN, box.OWN6):
        for size in (56, 4000):
            done = subprocess.run(
                ["ip", "netns", "exec", a.neighbour, "ping", "-c", "3", "-i", "0.1", "-W", "2", "-s", str(size), address],
                capture_output=True,
                text=True,
            )
            check(f"{address} answers pings of {size} bytes", " 0% packet loss" in done.stdout, done.stdout + done.stderr)


def check_status(a):
    report = a.report()
    stream = next(s for s in report["streams"] if s["stream"] == "edits")
    check("status counts the events", stream["counts"]["events_in"] == len(edits) + 4, stream["counts"])
    check("and no drop", stream["frame_drops"] == {} and stream["event_drops"] == {}, stream)
    check("and their latency", stream["latency_ns"]["count"] == len(edits) + 4, stream["latency_ns"])


def apply_again_and_again(a, results):
    """The same definitions as a new policy, and broken ones, while events flow."""
    definitions = os.path.join(folder, "definitions")
    broken = os.path.join(folder, "broken")
    shutil.copytree(definitions, broken)
    cli.write(os.path.join(broken, "streams/edits.yaml"), "stream: edits\ncontract: nobody/knows/1.0.0\n")
    for _ in range(10):
        results.append(("good", a.cli("apply", "-f", definitions)))
        results.append(("broken", a.cli("apply", "-f", broken)))


def check_plain(a):
    results = []
    applying = threading.Thread(target=apply_again_and_again, args=(a, results))
    applying.start()
    a.send_by_socat(7001, edits)
    applying.join()
    check("policies change while events flow", all(r.code == 0 for kind, r in results if kind == "good"), results[0][1].text)
    check("broken ones are refused", all(r.code == cli.DEFINITION for kind, r in results if kind == "broken"), results[1][1].text)
    check("and change nothing", a.report()["dataplane"]["epoch"] == 11, a.report()["dataplane"])
    # Fragments: IPv4's are joined by the port's driver, IPv6's by the kernel.
    for address in (box.OWN, box.OWN6):
        a.send(7001, [long_event(8000), long_event(12000)], address=address)
    box.wait_until(lambda: a.delivered() >= len(edits) + 4)
    check_status(a)


def check_sealed(a, seed):
    """The edits through a link that loses, doubles and delays datagrams, beside hostile ones."""
    key = os.path.join(folder, "definitions/driver.key")
    events = os.path.join(folder, "events.ndjson")
    cli.write(events, b"\n".join(edits) + b"\n")
    inside = ["ip", "netns", "exec", a.neighbour]
    bad_link = ["--lose", "5", "--repeat", "5", "--late", "20", "--late-ms", "8", "--hostile", "20"]
    relay = subprocess.Popen(
        [*inside, sys.executable, RELAY, "7002", "--host", box.OWN, "--seed", str(seed), *bad_link],
        stdout=subprocess.PIPE,
        text=True,
    )
    port = int(relay.stdout.readline())
    done = subprocess.run(
        [*inside, cli.SEALANE, "send", events, "--to", f"127.0.0.1:{port}", "--key", key, "--stream", "sealed", "--quiet"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    relay.kill()
    relay.wait()
    check("sealed datagrams over a bad link are acknowledged", done.returncode == 0, done.stdout + done.stderr)


def main():
    definitions = os.path.join(folder, "definitions")
    a = box.Appliance(folder, STREAMS, files=FILES)
    made = cli.run("create", "client", "driver", "--streams", "sealed", "-f", definitions)
    check("a client is made", made.code == cli.DONE, made.text)
    check("control and dataplane start", a.start(), a.text_of_logs())
    check_pings(a)
    check_plain(a)
    check_sealed(a, 7)
    check("the dataplane drains and ends", a.stop(a.dataplane) == 0, a.text_of_logs())
    check("control ends", a.stop(a.control) == 0, a.text_of_logs())
    everything = edits + [long_event(8000), long_event(12000)] * 2
    check("the files hold exactly the events, sealed; opened they are the same", sorted(opened("edits")) == sorted(everything))
    check("no name is open in them", not any(b"GELongstreet" in cli.read(file) for file in files_of("edits")))
    check("the same by sealed datagrams", sorted(opened("sealed")) == sorted(edits))
    checks.end()


main()
