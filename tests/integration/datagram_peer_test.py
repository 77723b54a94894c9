#!/usr/bin/env python3
"""The client of datagram_peer.py, which knows docs/formats/datagram.md and no code of ours, against our server; and the page's vectors."""

import os
import re
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import datagram_peer as peer
import sealane_cli as cli

checks = cli.Checks()
folder = cli.scratch()
SINK = os.path.abspath(os.environ.get("DATAGRAM_SINK", os.path.join(cli.ROOT, "build/release/tests/datagram_sink")))
ID = bytes.fromhex("0192f0c17d2a7c119b1e2f5a6c7d8e9f")
KEY = bytes(range(32))
KEY_FILE = os.path.join(folder, "client.key")
EVENT = b'{"a":1}\n'


def vectors():
    """Name of each vector of the page, in order -> bytes."""
    page = open(os.path.join(cli.ROOT, "docs/formats/datagram.md"), encoding="utf-8").read()
    block = re.search(r"## Test vectors.*?```text\n(.*?)```", page, re.S)[1]
    found = {}
    for line in block.splitlines():
        if line.startswith(" "):
            found[name] += bytes.fromhex(line.strip())
        else:
            name = line.split(",")[0]
            found[name] = b""
    return found


def the_page_tells_the_truth():
    v = vectors()
    client = peer.Client(v["client id"], v["client key"], v["client nonce"])
    checks.check("hello key", client.hello_key == v["hello key"])
    checks.check("HELLO", client.hello(b"edits") == v["HELLO"])
    checks.check("WELCOME", client.take_welcome(v["WELCOME"]) == 0 and client.server_nonce == v["server nonce"])
    checks.check("control key", client.control_key == v["control key"])
    checks.check("data key", client.data_key == v["data key"])
    checks.check("PING", client.ping() == v["PING number 1"])
    checks.check("RESET", client.take_reset(v["RESET of it"]) == (0, 1))
    checks.check("ACK", client.take_ack(v["ACK"]) == (1024, 7, 1, 256, {257, 259, 320}))
    checks.check("DATA", client.data(258, EVENT + b'{"a":2}\n') == v["DATA"])
    table = open(os.path.join(cli.ROOT, "tests/vectors/datagram.def"), encoding="utf-8").read()
    listed = [bytes.fromhex(text) for text in re.findall(r'VECTOR\(\w+, "(\w+)"\)', table)]
    checks.check("the unit tests have the same vectors", listed == list(v.values()))


class Link:
    """A server of ours, and a socket to it."""

    def __init__(self, credit=64):
        with open(KEY_FILE, "w") as out:
            os.fchmod(out.fileno(), 0o600)
            out.write("client test\nid 0192f0c1-7d2a-7c11-9b1e-2f5a6c7d8e9f\n")
            out.write("key AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
        self.state, self.output = os.path.join(folder, "state"), os.path.join(folder, "out")
        self.credit, self.port = credit, 0
        self.start()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", self.port))

    def start(self):
        words = [SINK, self.port, self.state, self.output, 2, self.credit, KEY_FILE]
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def answer(self, seconds=2.0):
        """The next datagram; None when none comes."""
        self.socket.settimeout(seconds)
        while True:
            try:
                return self.socket.recv(65536)
            except socket.timeout:
                return None
            except ConnectionRefusedError:
                pass

    def ask(self, datagram, seconds=2.0):
        self.socket.send(datagram)
        return self.answer(seconds)

    def ack(self, client, is_wanted):
        """ACKs until one is as wanted."""
        for _ in range(20):
            found = self.answer()
            if found is None:
                return None
            found = client.take_ack(found)
            if is_wanted(found):
                return found
        return None

    def drain(self):
        """What is still on its way answers nothing that is asked from here on."""
        for _ in range(100):
            if self.answer(0.3) is None:
                return

    def is_silent(self, datagram):
        return self.ask(datagram, 0.15) is None

    def open(self):
        client = peer.Client(ID, KEY)
        client.take_welcome(self.ask(client.hello(b"edits")))
        client.take_ack(self.ask(client.ping()))
        return client


def sessions_begin(link):
    client = peer.Client(ID, KEY)
    hello = client.hello(b"edits")
    welcome = link.ask(hello)
    checks.check("HELLO is answered", welcome and len(welcome) == 64 and client.take_welcome(welcome) == 0)
    checks.check("again, too, and by no more", len(link.ask(hello)) <= len(hello))
    checks.check("another stream's name is refused", client.take_welcome(link.ask(client.hello(b"orders"))) == 2)
    for what, bad in [
        ("a HELLO with a bit turned over", hello[:50] + bytes([hello[50] ^ 1]) + hello[51:]),
        ("a HELLO cut short", hello[:-1]),
        ("a HELLO that is too long", hello + b"\0"),
        ("a HELLO of an unknown client", peer.Client(bytes(16), KEY).hello()),
        ("a HELLO under another key", peer.Client(ID, bytes(32)).hello()),
        ("another version", b"SL\2" + hello[3:]),
        ("nothing", b""),
    ]:
        checks.check(what + " is not answered", link.is_silent(bad))
    ping = client.ping()
    ack = link.ask(ping)
    credit, stamp, number, following, stored = client.take_ack(ack)
    checks.check("PING opens", (credit, number, following, stored) == (64, 1, 0, set()) and stamp > 0)
    checks.check("the same PING is not answered again", link.is_silent(ping))
    checks.check("no answer is longer", len(ack) <= len(ping))
    stray = peer.Client(ID, KEY)
    stray.use_nonce(bytes(16))
    reason, number = stray.take_reset(link.ask(stray.ping()))
    checks.check("a nonce that is not the server's opens nothing", (reason, number) == (0, 1))


def data_is_stored_once(link):
    client = link.open()
    for sequence in (2, 0, 2, 5, 5, 0):
        link.socket.send(client.data(sequence, EVENT.replace(b"1", b"%d" % sequence)))
    found = link.ack(client, lambda ack: ack[3] == 1 and ack[4] == {2, 5})
    checks.check("acknowledged as far as it goes, and the others by bits", found is not None)
    link.drain()
    good = client.data(1, EVENT)
    for what, bad in [
        ("a bit of the text turned over", good[:25] + bytes([good[25] ^ 1]) + good[26:]),
        ("a bit of the sequence turned over", good[:19] + bytes([good[19] ^ 8]) + good[20:]),
        ("without a tag", good[:-16]),
        ("no events", client.data(1, b"")),
        ("beyond the window", client.data(1 + 4096, EVENT)),
        ("beyond the end", client.data(1 << 36, EVENT)),
        ("of no such session", good[:4] + struct.pack(">I", 77) + good[8:]),
        ("of another generation", good[:8] + struct.pack(">I", 77) + good[12:]),
    ]:
        checks.check("DATA: " + what + ": no answer", link.is_silent(bad))
    link.socket.send(good)
    checks.check("it did no harm", link.ack(client, lambda ack: ack[3] == 3 and ack[4] == {5}) is not None)
    link.socket.send(client.data(0, EVENT))
    checks.check("what comes again is acknowledged again", link.ack(client, lambda ack: ack[3] == 3) is not None)
    lines = open(link.output, "rb").read().split(b"\n")[:-1]
    checks.check("each is stored once", sorted(lines) == [b'{"a":0}', b'{"a":1}', b'{"a":2}', b'{"a":5}'], lines)
    return client


def it_goes_on_after_a_restart(link, client):
    link.stop()
    link.drain()
    link.start()
    _, stamp, _, following, stored = client.take_ack(link.ask(client.ping()))
    checks.check("the session is still there", (following, stored) == (3, {5}))
    checks.check("with higher stamps", stamp >= 1 << 30)
    link.socket.send(client.data(5, EVENT))
    for sequence in (3, 4):
        link.socket.send(client.data(sequence, EVENT))
    checks.check("and goes on", link.ack(client, lambda ack: ack[3] == 6) is not None)
    os.unlink(link.state)
    link.stop()
    link.drain()
    link.start()
    checks.check("a session that is forgotten: no answer to DATA", link.is_silent(client.data(6, EVENT)))
    checks.check("RESET to PING", client.take_reset(link.ask(client.ping())) == (0, client.number))


the_page_tells_the_truth()
link = Link()
try:
    sessions_begin(link)
    it_goes_on_after_a_restart(link, data_is_stored_once(link))
finally:
    link.stop()
checks.end()
