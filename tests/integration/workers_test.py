#!/usr/bin/env python3
"""Two workers over af_packet: the kernel spreads senders over them, a session's datagrams come to both, and each event is
there once, sealed under the one key of its person.

Needs root, for network namespaces. Seed: SEED.
"""

import base64
import collections
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import datagram_peer as peer
import sealane_cli as cli

INSIDE = "--inside"  # this program again, as a sender in the neighbour's namespace
WORKERS = 2
USERS = 200          # few people and many senders, so that both workers meet the same new ones
PLAIN = 6000
PLAIN_RATE = 8000
SOCKETS = 16
DATAGRAMS = 400      # of the session that goes by many sockets
EVENTS_EACH = 8      # of a datagram
CLIENT = 2000        # events of each sealane send

CONTRACT = """contract: test/numbers/1.0.0
key: user
subject: user
undeclared: pass
fields:
  user: {type: string, personal: 0, required: true}
  text: {type: string, personal: 0}
"""
STREAMS = {
    "plain": {
        "contract": "test/numbers/1.0.0",
        "listen": {"port": 7001, "mode": "plain"},
        "sealed": {"files": "plain"},
        "dead_letters": {"files": "dead"},
    },
    "sealed": {
        "contract": "test/numbers/1.0.0",
        "listen": {"port": 7002, "mode": "sealed"},
        "sealed": {"files": "sealed"},
        "dead_letters": {"files": "dead"},
    },
}

checks = cli.Checks()
check = checks.check


def event(number):
    return json.dumps(
        {"n": number, "user": f"user-{number * 7 % USERS}", "text": f"the text of event {number}"}, separators=(",", ":")
    ).encode()


def plain_sender():
    """All events, one a datagram, from one socket after the other: neighbouring events go to different workers."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
    started = time.monotonic()
    for n in range(PLAIN):
        while n > (time.monotonic() - started) * PLAIN_RATE:
            time.sleep(0.001)
        if time.monotonic() - started > n / PLAIN_RATE + 0.05:  # as in appliance.SENDER
            started = time.monotonic() - n / PLAIN_RATE
        sockets[n % SOCKETS].sendto(event(n), (box.OWN, 7001))


class Wanderer:
    """One session over many sockets; each datagram goes by two of them, at once."""

    def __init__(self, key_file):
        text = open(key_file, encoding="utf-8").read()
        name = uuid.UUID(re.search(r"^id (\S+)", text, re.M)[1]).bytes
        key = base64.b64decode(re.search(r"^key (\S+)", text, re.M)[1])
        self.random = cli.seeded("workers")
        self.client = peer.Client(name, key)
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
        for one in self.sockets:
            one.connect((box.OWN, 7002))
        self.stored = set()

    def ask(self, datagram, take):
        """Until an answer is taken; a late one to what was asked before, and again, is none."""
        for _ in range(40):
            self.sockets[0].send(datagram)
            while select.select([self.sockets[0]], [], [], 0.25)[0]:
                try:
                    return take(self.sockets[0].recv(65536))
                except ValueError:
                    pass
        raise TimeoutError("no answer")

    def listen(self, seconds):
        for one in select.select(self.sockets, [], [], seconds)[0]:
            try:
                _, _, _, following, found = self.client.take_ack(one.recv(65536))
            except ValueError:
                continue
            self.stored |= found | set(range(following))

    def run(self):
        self.ask(self.client.hello(b"sealed"), self.client.take_welcome)
        self.ask(self.client.ping(), self.client.take_ack)
        lines = [
            b"\n".join(event(first + i) for i in range(EVENTS_EACH)) + b"\n"
            for first in range(0, DATAGRAMS * EVENTS_EACH, EVENTS_EACH)
        ]
        end = time.monotonic() + 20
        while len(self.stored) < DATAGRAMS:
            if time.monotonic() > end:
                sys.exit(f"{len(self.stored)} of {DATAGRAMS} stored")
            for sequence in [s for s in range(DATAGRAMS) if s not in self.stored][:64]:
                datagram = self.client.data(sequence, lines[sequence])
                for one in self.random.sample(self.sockets, 2):
                    one.send(datagram)
            for _ in range(8):
                self.listen(0.02)


class Test:
    def __init__(self):
        self.folder = cli.scratch()
        definitions = os.path.join(self.folder, "definitions")
        self.box = box.Appliance(
            self.folder, STREAMS, settings={"worker_cores": ["any"] * WORKERS}, files={"contracts/numbers.yaml": CONTRACT}
        )
        self.keys = []
        for name in ("wanderer", "left", "right"):
            made = cli.run("create", "client", name, "--streams", "sealed", "-f", definitions)
            check(f"client {name} is made", made.code == cli.DONE, made.text)
            self.keys.append(os.path.join(definitions, name + ".key"))

    def start_inside(self, *words):
        return subprocess.Popen(
            ["ip", "netns", "exec", self.box.neighbour, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def end(self, what, process):
        text, _ = process.communicate(timeout=60)
        check(what, process.returncode == 0, f"exit code {process.returncode}: {text}\n{self.box.text_of_logs()[-2000:]}")

    def stream(self, name):
        return next(s for s in self.box.report()["streams"] if s["stream"] == name)

    def check_workers(self, what, before):
        now = [w["events_in"] for w in self.box.report()["dataplane"]["workers"]]
        check(f"{what}: both workers took events", len(now) == WORKERS and all(b > a for a, b in zip(before, now)), (before, now))
        return now

    def plain(self):
        process = self.start_inside(sys.executable, os.path.abspath(__file__), INSIDE, "plain")
        self.end("plain datagrams of many senders are sent", process)
        box.wait_until(lambda: self.stream("plain")["sink"]["rows_delivered"] >= PLAIN, 10)
        check("no frame is dropped", self.stream("plain")["frame_drops"] == {}, self.stream("plain"))
        return self.check_workers("plain", [0] * WORKERS)

    def sealed(self, before):
        self.end(
            "a session that wanders over sockets, every datagram twice: all is acknowledged",
            self.start_inside(sys.executable, os.path.abspath(__file__), INSIDE, self.keys[0]),
        )
        stream = self.stream("sealed")
        check("duplicates are known, whichever worker meets them", stream["counts"]["duplicates"] >= DATAGRAMS // 2, stream["counts"])
        number = DATAGRAMS * EVENTS_EACH
        for _ in range(2):  # a client that starts again has another source port
            senders = []
            for key in self.keys[1:]:
                file = cli.write(
                    os.path.join(self.folder, f"events-{number}.ndjson"),
                    b"".join(event(n) + b"\n" for n in range(number, number + CLIENT)),
                )
                words = [cli.SEALANE, "send", file, "--to", f"{box.OWN}:7002", "--key", key, "--timeout", "20", "--quiet"]
                senders.append(self.start_inside(*words))
                number += CLIENT
            for process in senders:
                self.end("sealane send is acknowledged", process)
        self.check_workers("sealed", before)
        return number

    def opened(self, name):
        """Events of the stream, and under which keys each user's are."""
        directory = os.path.join(self.folder, "data", name)
        lines, keys = [], collections.defaultdict(set)
        for file in sorted(os.listdir(directory)):
            if file.startswith("."):
                continue
            path = os.path.join(directory, file)
            result = cli.run("open", path, "--vault", os.path.join(self.folder, "vault"))
            check(f"{name}: {file} opens", result.code == cli.DONE, result.text)
            found = result.out.splitlines()
            lines += found
            for clear, sealed in zip(found, cli.read(path).splitlines()):
                keys[json.loads(clear)["user"]].add(json.loads(sealed)["strmMeta"]["keyLink"])
        return lines, keys

    def check_files(self, name, count):
        lines, keys = self.opened(name)
        got, wanted = collections.Counter(lines), {event(n) for n in range(count)}
        lost = [line for line in wanted if line not in got]
        more = [line for line, times in got.items() if times > 1 or line not in wanted]
        check(f"{name}: every event is there once, opened as it was", not lost and not more, (len(lost), len(more), more[:3]))
        two = {user: links for user, links in keys.items() if len(links) != 1}
        check(f"{name}: each person has one key", len(keys) == USERS and not two, (len(keys), list(two.items())[:3]))

    def run(self):
        check("control and dataplane start", self.box.start(), self.box.text_of_logs())
        for address in (box.OWN, box.OWN6):
            for size in (56, 4000):
                said = self.box.ping(address, size)
                check(f"{address} answers pings of {size} bytes, whichever worker gets them", said is None, said)
        count = self.sealed(self.plain())
        check("the dataplane drains and ends", self.box.stop(self.box.dataplane) == 0, self.box.text_of_logs())
        check("control ends", self.box.stop(self.box.control) == 0, self.box.text_of_logs())
        self.check_files("plain", PLAIN)
        self.check_files("sealed", count)


if INSIDE in sys.argv:
    if sys.argv[-1] == "plain":
        plain_sender()
    else:
        Wanderer(sys.argv[-1]).run()
else:
    Test().run()
    checks.end()
