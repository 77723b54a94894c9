#!/usr/bin/env python3
"""A client whose address changes while it sends (a lease that ends, another network): it goes on, and nothing is lost."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import client_driver
import sealane_cli as cli

checks = cli.Checks()
folder = cli.scratch()
SINK = os.path.abspath(os.environ.get("DATAGRAM_SINK", os.path.join(cli.ROOT, "build/release/tests/datagram_sink")))
KEY = os.path.join(folder, "client.key")
HERE, THERE = f"sealane-stay-{os.getpid()}", f"sealane-move-{os.getpid()}"
RATE = 200
WAIT_S = 10


def run(*words):
    subprocess.run([str(word) for word in words], check=True)


def inside(space, *words):
    return ["ip", "netns", "exec", space, *[str(word) for word in words]]


# Anybody on the way may tell a sender that its datagrams do not get through: CLIENT's address and port, then the server's, then
# ICMP messages as TYPE/CODE/MTU.
TELL = """
import socket, struct, sys
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
client, client_port, server, server_port = sys.argv[1:5]
quoted = struct.pack("!BBHHHBBH", 0x45, 0, 100, 1, 0x4000, 64, 17, 0) + socket.inet_aton(client) + socket.inet_aton(server)
quoted += struct.pack("!HHHH", int(client_port), int(server_port), 80, 0)
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
for message in sys.argv[5:]:
    kind, code, mtu = map(int, message.split("/"))
    sum_ = checksum(struct.pack("!BBHHH", kind, code, 0, 0, mtu) + quoted)
    out.sendto(struct.pack("!BBHHH", kind, code, sum_, 0, mtu) + quoted, (client, 0))
"""
# Port unreachable, protocol unreachable, packet too big, source route failed, host isolated, forbidden (three ways), bad header.
UNREACHABLE = ["3/3/0", "3/2/0", "3/4/1000", "3/5/0", "3/8/0", "3/9/0", "3/10/0", "3/13/0", "12/0/0"]


def tell_client(client, server, port, message):
    table = subprocess.run(inside(THERE, "cat", "/proc/net/udp"), check=True, capture_output=True, text=True).stdout
    mine = int(table.splitlines()[1].split()[1].split(":")[1], 16)
    run(*inside(HERE, sys.executable, "-c", TELL, client, mine, server, port, message))


def make_wire():
    for space in (HERE, THERE):
        run("ip", "netns", "add", space)
    run("ip", "-n", HERE, "link", "add", "wire0", "type", "veth", "peer", "name", "wire1", "netns", THERE)
    for space, wire in ((HERE, "wire0"), (THERE, "wire1")):
        run("ip", "-n", space, "link", "set", wire, "up")
    run("ip", "-n", HERE, "address", "add", "10.79.0.1/16", "dev", "wire0")
    run("ip", "-n", THERE, "address", "add", "10.79.0.2/24", "dev", "wire1")


def lines(path):
    with open(path, "rb") as got:
        return got.read().splitlines()


def settled(path):
    """How many lines there are when for a while no more have come."""
    count, since = -1, time.monotonic()
    end = since + WAIT_S
    while time.monotonic() < min(since + 0.5, end):
        now = len(lines(path))
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(0.05)
    return count


def wait_for(holds):
    end = time.monotonic() + WAIT_S
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def main():
    output = os.path.join(folder, "out.ndjson")
    with open(KEY, "w") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write("client test\nid 0192f0c1-7d2a-7c11-9b1e-2f5a6c7d8e00\nkey AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    make_wire()
    sink = subprocess.Popen(
        inside(HERE, SINK, 0, os.path.join(folder, "state"), output, 5, 1024, KEY), stdout=subprocess.PIPE, text=True
    )
    port = int(sink.stdout.readline())
    client = subprocess.Popen(
        inside(THERE, sys.executable, client_driver.__file__, "10.79.0.1", port, KEY, RATE),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        checks.check("events come", wait_for(lambda: len(lines(output)) > RATE // 4))
        run("ip", "-n", THERE, "address", "del", "10.79.0.2/24", "dev", "wire1")
        before = settled(output)
        time.sleep(0.5)
        checks.check("without an address none come", len(lines(output)) == before)
        run("ip", "-n", THERE, "address", "add", "10.79.0.3/24", "dev", "wire1")
        checks.check("from the new address they come again", wait_for(lambda: len(lines(output)) > before + RATE // 4))
        run("ip", "-n", THERE, "address", "del", "10.79.0.3/24", "dev", "wire1")
        run("ip", "-n", THERE, "address", "add", "10.79.0.4/24", "dev", "wire1")
        before = len(lines(output))
        checks.check("and from a third one", wait_for(lambda: len(lines(output)) > before + RATE // 4))
        for message in UNREACHABLE:
            tell_client("10.79.0.4", "10.79.0.1", port, message)
            time.sleep(0.05)
        before = len(lines(output))
        checks.check("nor do messages of the network end it", wait_for(lambda: len(lines(output)) > before + RATE // 4))
        said, _ = client.communicate("\n", timeout=2 * WAIT_S)
        offered = int(said.split()[0])
        checks.check("one session, all acknowledged", said.strip() == f"{offered} offered, {offered} acknowledged, 1 sessions", said)
        checks.check("each event is there once", sorted(lines(output)) == sorted(client_driver.event(n) for n in range(offered)))
    finally:
        for process in (client, sink):
            process.kill()
            process.wait()
        for space in (HERE, THERE):
            run("ip", "netns", "delete", space)
    checks.end()


if __name__ == "__main__":
    main()
