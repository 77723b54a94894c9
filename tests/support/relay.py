#!/usr/bin/env python3
"""A bad link for UDP: loses, doubles and delays datagrams in both directions, by a seed.

usage: relay.py TARGET-PORT [--host ADDRESS] --seed N [--lose P] [--repeat P] [--late P] [--late-ms N] [--hostile P]

P are chances in percent. --hostile sends damaged and repeated datagrams from a foreign socket to the target besides.
Prints the port that it listens on; everything is on the loopback address, unless the target is on another host.
"""

import argparse
import heapq
import random
import select
import socket
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("target", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lose", type=float, default=0)
    parser.add_argument("--repeat", type=float, default=0)
    parser.add_argument("--late", type=float, default=0)
    parser.add_argument("--late-ms", type=float, default=5)
    parser.add_argument("--hostile", type=float, default=0)
    return parser.parse_args()


def udp():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    made.setblocking(False)
    return made


class Relay:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.front = udp()
        self.front.bind(("127.0.0.1", 0))
        self.stranger = udp()
        self.target = (options.host, options.target)
        self.behind = {}  # address of a sender -> socket towards the target
        self.late = []  # (time, number, socket, bytes, address)
        self.number = 0
        self.seen = []

    def happens(self, percent):
        return self.random.random() * 100 < percent

    def put(self, out, data, address):
        o = self.options
        if self.happens(o.repeat):
            self.delay(out, data, address)
        if self.happens(o.lose):
            return
        if self.happens(o.late):
            self.delay(out, data, address)
        else:
            self.send(out, data, address)

    def delay(self, out, data, address):
        self.number += 1
        at = time.monotonic() + self.random.random() * self.options.late_ms / 1000
        heapq.heappush(self.late, (at, self.number, out, data, address))

    @staticmethod
    def send(out, data, address):
        try:
            out.sendto(data, address)
        except OSError:
            pass  # the other side is away or slow: lost

    def attack(self, data):
        self.seen.append(data)
        del self.seen[:-200]
        while self.happens(self.options.hostile):
            bad = bytearray(self.random.choice(self.seen))
            how = self.random.randrange(3)
            if how == 0:
                del bad[self.random.randrange(len(bad)) :]
            elif how == 1:
                bad[self.random.randrange(len(bad))] ^= 1 << self.random.randrange(8)
            self.send(self.stranger, bytes(bad), self.target)

    def forward(self, data, address):
        if address not in self.behind:
            self.behind[address] = udp()
        self.attack(data)
        self.put(self.behind[address], data, self.target)

    def drain(self, ready):
        for _ in range(200):
            try:
                data, address = ready.recvfrom(65536)
            except OSError:
                return
            if ready is self.front:
                self.forward(data, address)
            elif ready is not self.stranger:
                to = next(a for a, s in self.behind.items() if s is ready)
                self.put(self.front, data, to)

    def run(self):
        print(self.front.getsockname()[1], flush=True)
        while True:
            wait = max(0, self.late[0][0] - time.monotonic()) if self.late else 0.05
            sockets = [self.front, self.stranger, *self.behind.values()]
            for ready in select.select(sockets, [], [], wait)[0]:
                self.drain(ready)
            while self.late and self.late[0][0] <= time.monotonic():
                _, _, out, data, address = heapq.heappop(self.late)
                self.send(out, data, address)


if __name__ == "__main__":
    Relay(arguments()).run()
