#!/usr/bin/env python3
"""A million hostile frames beside a valid client: nothing changes for the client, strangers hear nothing, all is counted.

Frames: SEALANE_HOSTILE (1000000; less for builds with sanitizers). Seed: SEALANE_SEED. Needs root, for network namespaces.
"""

import collections
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import client_driver
import sealane_cli as cli
from client_driver import event

FRAMES = int(os.environ.get("SEALANE_HOSTILE", "1000000"))
SEED = os.environ.get("SEALANE_SEED", "1")
CHUNK = 4000  # frames at once: the port's ring has room for them
RATE = 1000  # valid events a second
STALL_S = 0.3  # without a frame: those that are missing do not come
COMING = 0.95  # of the frames; some that are cut short the kernel keeps
GROWTH_MAX = 12 << 20  # bytes: huge pages that the kernel puts together later
LOOKS = (0.2, 0.6, 1)  # at memory, after that part of the frames

CONTRACT = """contract: test/hostile/1.0.0
key: user
subject: user
undeclared: seal
undeclared_purpose: 0
fields:
  n: {type: integer, required: true}
  user: {type: string, personal: 0, required: true}
"""
STREAMS = {
    "plain": {
        "contract": "test/hostile/1.0.0",
        "listen": {"port": 7001, "mode": "plain"},
        "sealed": {"null": True},
        "dead_letters": {"null": True},
    },
    "sealed": {
        "contract": "test/hostile/1.0.0",
        "listen": {"port": 7002, "mode": "sealed"},
        "sealed": {"files": "sealed"},
        "dead_letters": {"files": "dead"},
    },
}
# Reasons that must come up, whatever the seed.
REASONS = {"ip-header", "ip-length", "udp-length", "udp-checksum", "stranger", "session"}

checks = cli.Checks()
check = checks.check
folder = cli.scratch()


class Hostile:
    """The sender, a burst at a time; what it has seen is in self.seen."""

    def __init__(self, a):
        binary = os.path.join(box.BUILD, "tests/hostile_frames")
        words = ["ip", "netns", "exec", a.neighbour, binary, "wire", f"/run/netns/{a.box}", "port", SEED]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seen = self.send(0)

    def send(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        self.seen = json.loads(self.process.stdout.readline())
        return self.seen

    def end(self):
        self.process.stdin.close()
        return self.process.wait(10)


def sums(status):
    """Counters over all streams, and frame drops; drops of streams whose datagrams were counted as taken before."""
    total, drops, again = collections.Counter(), collections.Counter(), 0
    for part in status["streams"] + [status["other"]]:
        total.update(part["counts"])
        drops.update(part["frame_drops"])
        if "stream" in part:
            again += part["frame_drops"].get("busy", 0) + part["frame_drops"].get("empty", 0)
    return total, drops, again


def resident(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))


def wait_taken(requests, frames):
    """Until the appliance has taken so many frames, or takes no more."""
    last, since = -1, time.monotonic()
    while time.monotonic() < since + STALL_S:
        taken = sums(requests.ask(request="status"))[0]["frames_in"]
        if taken >= frames:
            return
        if taken != last:
            last, since = taken, time.monotonic()
        time.sleep(0.001)


def attack(a, hostile, requests):
    pid = requests.dataplane()["pid"]
    sizes = []
    sent = 0
    while sent < FRAMES:
        before = sums(requests.ask(request="status"))[0]["frames_in"] - hostile.seen["to_appliance"]
        already = hostile.seen["to_appliance"]
        seen = hostile.send(min(CHUNK, FRAMES - sent))
        sent = seen["to_appliance"] + seen["to_client"]
        wait_taken(requests, before + already + (seen["to_appliance"] - already) * COMING)
        if a.dataplane.poll() is not None or a.control.poll() is not None:
            check("both processes live", False, a.text_of_logs()[-3000:])
            checks.end()
        while len(sizes) < len(LOOKS) and sent >= FRAMES * LOOKS[len(sizes)]:
            sizes.append(resident(pid))
    # What leaks does so all the time; a page that is touched for the first time, in whatever standstill, is so once.
    growth = [after - before for before, after in zip(sizes, sizes[1:])]
    check(f"{sent} frames later the dataplane's memory is what it was", min(growth) < GROWTH_MAX, growth)


def check_answers(seen):
    print(f"      {seen}")
    check("the ear heard all", seen["missed"] == 0, seen)
    check("the client's frames were repeated", seen["client_heard"] > 100 and seen["hello_replays"] > 0, seen)
    check("no stranger is answered", seen["answers_astray"] == 0, seen)
    check("but one who repeats a client's HELLO, once each", seen["welcomes_astray"] <= seen["hello_replays"], seen)


def balance(total, drops, again):
    """Frames that came, and what became of them."""
    went = sum(total[c] for c in ("frames_kernel", "datagrams_in", "duplicates", "controls_in")) + sum(drops.values()) - again
    return total["frames_in"] + total["rows_kernel"], went


def check_counts(requests, seen):
    box.wait_until(lambda: False, 0.2)  # the last frames
    box.wait_until(lambda: len(set(balance(*sums(requests.ask(request="status"))))) == 1, 5)
    total, drops, again = sums(requests.ask(request="status"))
    came, went = balance(total, drops, again)
    print(f"      {dict(total)}\n      {dict(drops)}")
    check("most frames were taken from the port", total["frames_in"] >= seen["to_appliance"] * 0.75, (total, seen))
    check("each frame is counted once: taken, the kernel's, or dropped for a reason", came == went, (came, went, dict(drops)))
    check("the reasons are those that were asked for", REASONS <= drops.keys(), REASONS - drops.keys())


def opened():
    lines = []
    directory = os.path.join(folder, "data/sealed")
    for file in sorted(os.listdir(directory)):
        if not file.startswith("."):
            done = cli.run("open", os.path.join(directory, file), "--vault", os.path.join(folder, "vault"))
            check(f"{file} opens", done.code == cli.DONE, done.text[:500])
            lines += done.out.splitlines()
    return lines


def main():
    definitions = os.path.join(folder, "definitions")
    a = box.Appliance(folder, STREAMS, files={"contracts/hostile.yaml": CONTRACT, "purposes.yaml": "purposes: {0: all}\n"})
    made = cli.run("create", "client", "driver", "--streams", "sealed", "-f", definitions)
    check("a client is made", made.code == cli.DONE, made.text)
    check("control and dataplane start", a.start(), a.text_of_logs())
    requests = box.Requests(folder)
    hostile = Hostile(a)
    load = client_driver.Load(a, 7002, os.path.join(definitions, "driver.key"), RATE)
    check("events flow", box.wait_until(lambda: a.delivered() > RATE // 10), a.text_of_logs()[-2000:])
    attack(a, hostile, requests)
    ended = load.end()
    check("all events of the client are acknowledged", ended, load.text)
    check("in one session", ended and load.sessions == 1, load.text)
    check_answers(hostile.send(0))
    check("the hostile sender ends", hostile.end() == 0)
    check_counts(requests, hostile.seen)
    check("the dataplane drains and ends", a.stop(a.dataplane) == 0, a.text_of_logs()[-3000:])
    check("control ends", a.stop(a.control) == 0, a.text_of_logs()[-3000:])
    check("each event of the client is stored once, and nothing else", sorted(opened()) == sorted(map(event, range(load.count))))
    checks.end()


main()
