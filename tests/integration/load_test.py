#!/usr/bin/env python3
"""sealane-load against plain sockets of the kernel: what it says it sent is what arrives, each event whole and once.

Needs root, for a network namespace.
"""

import collections
import json
import os
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sealane_cli as cli

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(cli.SEALANE)))
LOAD = os.path.abspath(os.environ.get("SEALANE_LOAD", os.path.join(BUILD, "bench/load/sealane-load")))
SO_RCVBUFFORCE = 33  # of Linux
SECONDS = 2  # of a trial: so long that a short standstill at its end is little of it
DUE = 4000  # events of it
LEAST = 0.9 * DUE
RUNS = 5
INSIDE = "--inside"  # this program again, in a namespace of its own

checks = cli.Checks()
check = checks.check


def load(*words, before=()):
    done = subprocess.run([*before, LOAD, *words, "--events", cli.EDITS], capture_output=True, text=True, timeout=60)
    return done


def alone():
    """Words of a command before whom nobody else gets its core; none where that may not be."""
    words = ["chrt", "--rr", "1"]
    return words if subprocess.run([*words, "true"], capture_output=True).returncode == 0 else []


class Receiver:
    """A socket that keeps all that comes until nothing has come for half a second."""

    def __init__(self, family, address):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((address, 0))
        self.socket.settimeout(0.5)
        self.port = self.socket.getsockname()[1]
        self.datagrams = []
        self.sources = set()
        self.is_over = False
        self.thread = threading.Thread(target=self.receive)
        self.thread.start()

    def receive(self):
        while True:
            try:
                datagram, source = self.socket.recvfrom(65536)
            except TimeoutError:
                if self.is_over:
                    return
                continue
            self.datagrams.append(datagram)
            self.sources.add(source[1])

    def take(self):
        self.is_over = True
        self.thread.join()
        self.socket.close()
        return self.datagrams


def is_late(done):
    """Whether much was not sent, as when others had its core at the end of the trial's time."""
    return done.returncode == 0 and json.loads(done.stdout)["trials"][0]["offered"] < LEAST


def check_arrived(what, run, family, address, flows, subjects):
    for _ in range(RUNS):  # others do not have its core at the end of each
        receiver = Receiver(family, address)
        done = run(receiver.port)
        datagrams = receiver.take()
        if not is_late(done):
            break
    if not check(f"{what}: done", done.returncode == 0, done.stderr):
        return
    report = json.loads(done.stdout)
    trial = report["trials"][0]
    events = [json.loads(datagram) for datagram in datagrams]
    numbers = collections.Counter(event["n"] for event in events)
    check(f"{what}: the report has its form", report["version"] == 1 and report["program"] == "sealane-load", report)
    # It does not send late for ever what was due while others had its core.
    check(f"{what}: what was due was sent", trial["due"] == DUE and LEAST <= trial["offered"] <= DUE, trial)
    rate = trial["offered"] / trial["seconds"]
    check(f"{what}: a second is one of those it took", trial["seconds"] >= SECONDS and abs(trial["offered_per_second"] - rate) < 1, trial)
    check(f"{what}: all that was sent arrived", len(events) == trial["offered"], f"{len(events)} of {trial['offered']}")
    check(f"{what}: each once", len(numbers) == len(events) and max(numbers) == f"{trial['offered']:016}")
    check(f"{what}: bytes add up", sum(map(len, datagrams)) == trial["bytes"])
    check(f"{what}: from all ports", len(receiver.sources) == flows, len(receiver.sources))
    people = {event["user"] for event in events}
    check(f"{what}: of many people", len(people) > subjects * 0.9 and all(p.startswith("user-") for p in people), len(people))
    check(f"{what}: lengths vary about 512", 440 < min(map(len, datagrams)) and 520 < max(map(len, datagrams)) < 584)


OPTIONS = ["--rate", "2k", "--duration", str(SECONDS), "--warm-up", "0", "--size", "512", "--number", "n", "--subjects", "1k", "-o", "json"]


def test_udp():
    check_arrived("udp", lambda port: load("udp", f"127.0.0.1:{port}", *OPTIONS, "--flows", "5"), socket.AF_INET, "127.0.0.1", 5, 1000)


def test_frames():
    """Frames that we write are taken by the kernel's own stack: lengths and checksums are right."""
    for command in (
        "ip link add wire type veth peer name host",
        "ip link set wire address 02:00:00:00:00:01",
        "ip link set host address 02:00:00:00:00:02",
        "ip address add 192.0.2.2/24 dev host",
        "ip address add 2001:db8::2/64 dev host nodad",
        "ip link set wire up",
        "ip link set host up",
        "ip neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev host",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    for family, address, written in ((socket.AF_INET, "192.0.2.2", "192.0.2.2"), (socket.AF_INET6, "2001:db8::2", "[2001:db8::2]")):
        def run(port, written=written):
            return load("af_packet", "wire", "--to", f"{written}:{port}", *OPTIONS, "--flows", "7", "--distinct", "4k")

        check_arrived(f"af_packet to {address}", run, family, address, 7, 1000)


def test_refusals():
    for what, words, text in (
        ("no transport", ["pigeon", "x"], "no transport"),
        ("a search without counters", ["udp", "127.0.0.1:9", "--search"], "--counters"),
        ("a rate of nothing", ["udp", "127.0.0.1:9", "--rate", "0"], "--rate"),
        ("frames to nowhere", ["memif", "/nowhere/sock"], "--to"),
    ):
        done = load(*words)
        check(f"refused: {what}", done.returncode == cli.USAGE and text in done.stderr, done.stderr)
    done = load("udp", "127.0.0.1:9", "--counters", str(os.getpid()))
    check("refused: a process without counters", done.returncode == cli.ENVIRONMENT and "no counters" in done.stderr, done.stderr)
    done = load("udp", "127.0.0.1:9", "--subject", "nobody")
    check("refused: events without the member", done.returncode == cli.ENVIRONMENT and '"nobody"' in done.stderr, done.stderr)


def test_signals():
    for number in (signal.SIGINT, signal.SIGTERM):
        words = [LOAD, "null", "--events", cli.EDITS, "--duration", "60"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()  # by now it listens to them
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        check(f"stopped by {number.name}", process.returncode == 128 + number and "signal" in err, (process.returncode, err))


def test_self_test():
    rates = []
    for _ in range(3):  # the best of them is with the least that others took of its core
        done = load("null", "--self-test", "--duration", "0.2", "-o", "json", before=alone())
        rates.append(json.loads(done.stdout)["loss_free"]["rate"] if done.returncode == 0 else 0)
    check("the generator itself makes more than 1.5 M events/s", max(rates) > 1500000, f"{rates} {done.stderr}")


if INSIDE in sys.argv:
    test_frames()
    checks.end()
test_udp()
test_refusals()
test_signals()
test_self_test()
inside = subprocess.run(["unshare", "-n", sys.executable, os.path.abspath(__file__), INSIDE], timeout=120)
check("frames by af_packet, in a namespace", inside.returncode == 0)
checks.end()
