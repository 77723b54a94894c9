#!/usr/bin/env python3
"""docs/formats/plane-image.md is enough to be a dataplane: a peer made from that page alone, its tables read as they stand
there, attaches to control and finds in the image what the definitions say."""
import array
import base64
import ctypes
import json
import mmap
import os
import re
import socket
import struct
import subprocess

from control_rig import WAIT_S, appliance, check, checks, config, kill_all, make_appliance, sealane, sockets, start_control, stream_socket
from sealane_cli import DONE, ENVIRONMENT, ROOT, SEALANE, read, write

PAGE = os.path.join(ROOT, "docs/formats/plane-image.md")
HELLO, WELCOME, APPLY, APPLIED, COUNTERS, STOP, STOPPED = range(1, 8)
NUMBERS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits.restype = ctypes.c_uint64


def rows_of_page():
    """Heading -> size of the whole and {name: (offset, size)}."""
    found = {}
    for part in re.split(r"(?m)^#+ ", read(PAGE).decode())[1:]:
        title, _, body = part.partition("\n")
        rows = re.findall(r"(?m)^\| (\d+) \| (\d+) \| ([a-z_]+)", body)
        size = re.match(r"(\d+) bytes", body)
        if rows and size:
            found[title] = int(size[1]), {name: (int(at), int(length)) for at, length, name in rows}
    return found


SHAPES = rows_of_page()


class Row:
    """A row of a table of the page, at a place in bytes."""

    def __init__(self, shape, image, at):
        self.image, self.at = image, at
        self.size, self.members = SHAPES[shape]

    def bytes(self, name):
        at, size = self.members[name]
        return self.image[self.at + at:self.at + at + size]

    def number(self, name):
        return struct.unpack(NUMBERS[self.members[name][1]], self.bytes(name))[0]

    def span(self, name):
        at, size = struct.unpack("<II", self.bytes(name))
        return self.image[at:at + size]

    def table(self, name, shape):
        at, count = struct.unpack("<II", self.bytes(name))
        return [Row(shape, self.image, at + n * SHAPES[shape][0]) for n in range(count)]


class Peer:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(os.path.join(sockets, "dataplane.sock"))
        self.socket.settimeout(WAIT_S)
        self.kept = []

    def send(self, kind, fds=(), **members):
        size, places = SHAPES["Message"]
        message = bytearray(size)
        for name, value in dict(members, version=1, kind=kind, fd_count=len(fds)).items():
            at, length = places[name]
            value = value if isinstance(value, bytes) else struct.pack(NUMBERS[length], value)
            message[at:at + len(value)] = value
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([bytes(message)], rights)

    def receive(self):
        data, ancillary, _, _ = self.socket.recvmsg(65536, 4096)
        fds = array.array("i")
        for _, _, some in ancillary:
            fds.frombytes(some[:len(some) - len(some) % fds.itemsize])
        self.kept += fds
        return Row("Message", data, 0), list(fds)


def check_page():
    tiles = True
    for title, (size, members) in SHAPES.items():
        at = 0
        for place, length in sorted(members.values()):
            tiles = tiles and place >= at
            at = place + length
        tiles = tiles and at <= size
    check("the page's tables have no overlaps", tiles and len(SHAPES) == 7, {k: v[0] for k, v in SHAPES.items()})


def check_settings(message):
    settings = Row("Settings", message.bytes("settings"), 0)
    check("settings: the size", settings.number("size") == settings.size)
    texts = [settings.bytes(name).split(b"\0")[0].decode() for name in ("device", "host_interface", "state_directory", "eal_prefix")]
    check("settings: texts", texts == ["veth-sealane", "sealane0", os.path.join(appliance, "run/state"), "sealane"], texts)
    numbers = [settings.number(n) for n in ("port", "workers", "idle_us_max", "commit_ms", "parcel_bytes", "egress_core", "huge_pages")]
    check("settings: numbers", numbers == [0, 1, 200, 50, 1 << 20, 0xFFFFFFFF, 1], numbers)
    address = settings.bytes("addresses")[:16]
    check("settings: addresses", address == b"\0" * 10 + b"\xff\xff" + socket.inet_aton("192.0.2.1"), address)


def check_sinks(sinks):
    sealed, dead, view = sinks
    data = os.path.join(appliance, "run/data").encode()
    check("sink: folder, prefix and spool", (sealed.span("directory"), sealed.span("prefix"), sealed.span("spool")) == (data + b"/edits", b"edits", data + b"/spool/edits"), sealed.span("directory"))
    check("sink: bounds", [sealed.number(n) for n in ("roll_bytes", "roll_ms", "spool_bytes_max")] == [256 << 20, 3600000, 1 << 30])
    check("sink: kind and flags", [s.number("kind") for s in sinks] == [1, 1, 1] and [s.number("flags") for s in sinks] == [1, 0, 0])
    check("sink: others", (dead.span("directory"), view.span("directory")) == (data + b"/dead", data + b"/analytics") and dead.span("spool") == b"")


def check_image(image, epoch):
    head = Row("Image header", image, 0)
    check("image: magic, version, size", head.bytes("magic") == b"SPLN" and head.number("version") == 1 and head.number("size") == len(image))
    at, size = head.members["checksum"]
    blank = image[:at] + bytes(size) + image[at + size:]
    check("image: checksum", xxhash.XXH3_64bits(blank, ctypes.c_size_t(len(blank))) == head.number("checksum"))
    check("image: epoch", head.number("epoch") == epoch)
    streams = {s.span("name").decode(): s for s in head.table("streams", "Stream")}
    check("image: streams", sorted(streams) == ["edits", "edits-sealed"], sorted(streams))
    edits, closed = streams["edits"], streams["edits-sealed"]
    check("stream: ports and modes", [(s.number("port"), s.number("mode")) for s in (edits, closed)] == [(7001, 0), (7002, 1)])
    check("stream: window, table, rate", [edits.number(n) for n in ("window_ms", "table_keys", "events_per_s")] == [86400000, 20000, 1000000])
    check("stream: policy", edits.span("policy")[:4] == b"SSLP")
    check("stream: key tables", sorted(s.number("table_fd") for s in streams.values()) == [0, 1])
    nets = [(n.bytes("address"), n.number("prefix")) for n in edits.table("nets", "Network")]
    mapped = b"\0" * 10 + b"\xff\xff"
    check("network: IPv4 and IPv6", (mapped + socket.inet_aton("10.0.0.0"), 104) in nets and (socket.inet_pton(socket.AF_INET6, "fd00::"), 8) in nets, nets)
    check_sinks(edits.table("sinks", "Sink"))
    key = dict(line.split(" ") for line in read(os.path.join(appliance, "driver.key")).decode().splitlines())
    (client,) = head.table("clients", "Client")
    check("client: id, key, name", (client.bytes("id").hex(), client.bytes("key"), client.span("name")) == (key["id"].replace("-", ""), base64.b64decode(key["key"]), b"driver"))
    check("client: streams", client.number("streams") == 1 << list(streams).index("edits-sealed"))


def take(peer):
    """An APPLY: its message, and the image's bytes."""
    message, fds = peer.receive()
    with mmap.mmap(fds[0], 0, prot=mmap.PROT_READ) as memory:
        return message, memory[:], fds


make_appliance()
try:
    check_page()
    check("create client", sealane("create", "client", "driver", "--streams", "edits-sealed", "-f", appliance).code == DONE)
    control = start_control()
    peer = Peer()
    peer.send(HELLO, pid=os.getpid())
    message, fds = peer.receive()
    check("WELCOME with settings and a journal", message.number("kind") == WELCOME and len(fds) == 1)
    check_settings(message)
    message, image, fds = take(peer)
    check("APPLY with an image and a table for each stream", message.number("kind") == APPLY and len(fds) == 3 == message.number("fd_count"))
    check_image(image, message.number("epoch"))
    peer.send(APPLIED, epoch=message.number("epoch"))
    asking = subprocess.Popen([SEALANE, "apply", "-f", appliance], env=dict(os.environ, SEALANE_CONFIG=config), stderr=subprocess.PIPE)
    message, image, fds = take(peer)
    names = [s.span("name") for s in Row("Image header", image, 0).table("streams", "Stream")]
    peer.send(APPLIED, epoch=message.number("epoch"), status=10, stream=1 + names.index(b"edits"), text=b"no way in\nmend the lock\0")
    said = asking.communicate(timeout=WAIT_S)[1].decode()
    check("a refusal with stream, reason and remedy", asking.returncode == ENVIRONMENT and said.startswith(f"{appliance}/streams/edits.yaml: the dataplane refuses it: no way in\n    mend the lock\n"), said)
    asking = stream_socket()
    asking.sendall(b'{"request": "stop", "what": "all"}\n')
    message, _ = peer.receive()
    check("STOP", message.number("kind") == STOP)
    peer.send(STOPPED, status=3, text=b"7 events were not delivered\nlook at the disk\0")
    peer.socket.close()
    told = json.loads(asking.makefile().readline())
    wanted = {"what": "the dataplane: 7 events were not delivered", "remedy": "look at the disk", "is_warning": False}
    check("who asked for it is told what was not delivered", told["has_drained"] and told["was_there"] and told["problems"] == [wanted], told)
    check("control ends", control.popen.wait(WAIT_S) == 0)
finally:
    kill_all()
checks.end()
