"""A client of libsealane-client that offers numbered events at a set rate until it is told to end.

As a program it is that client, in the neighbour's namespace: ADDRESS PORT KEY_FILE RATE.
"""

import ctypes
import json
import os
import re
import select
import subprocess
import sys
import time

import appliance as box

# A library with sanitizers can not be loaded into Python: then name another build's.
LIBRARY = os.environ.get(
    "SEALANE_CLIENT_LIBRARY", os.path.join(box.BUILD, "dataplane/datagram/libsealane-client.so.1")
)
USERS = 500
OK, AGAIN = 0, 1  # enum sl_client_status
END_S = 60


def event(n):
    body = {"n": n, "user": f"user-{n % USERS}", "text": f"text of {n}", "mail": f"m{n}@example.org", "more": f"more of {n}"}
    return json.dumps(body, separators=(",", ":")).encode()


class Load:
    """The client as a process beside the test."""

    def __init__(self, a, port, key, rate):
        words = [sys.executable, os.path.abspath(__file__), box.OWN, port, key, rate]
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", a.neighbour, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.count = 0
        self.text = ""

    def end(self):
        """No more events; was every one acknowledged? Their count is in self.count then."""
        self.text, _ = self.process.communicate(timeout=END_S * 2)
        said = re.fullmatch(r"(\d+) offered, (\d+) acknowledged, (\d+) sessions\n", self.text)
        if self.process.returncode != 0 or not said or said[1] != said[2]:
            return False
        self.count, self.sessions = int(said[1]), int(said[3])
        return True


class Options(ctypes.Structure):
    """struct sl_client_options."""

    _fields_ = [(name, ctypes.c_char_p) for name in ("host", "port", "key_file", "stream")] + [
        (name, ctypes.c_uint32) for name in ("datagram_bytes_max", "window", "resend_ms", "linger_us")
    ]


class Stats(ctypes.Structure):
    """struct sl_client_stats."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in ("events_offered", "events_acked", "datagrams_sent", "datagrams_resent", "sessions")
    ] + [(name, ctypes.c_uint32) for name in ("round_trip_us", "credit")]


def main(host, port, key, rate):
    library = ctypes.CDLL(LIBRARY)
    library.sl_client_error.restype = ctypes.c_char_p
    client, number, stats, offered = ctypes.c_void_p(), ctypes.c_uint64(), Stats(), 0
    options = Options(host=host.encode(), port=port.encode(), key_file=key.encode())
    status = library.sl_client_connect(ctypes.byref(options), ctypes.byref(client))
    started = time.monotonic()
    while status in (OK, AGAIN) and not select.select([sys.stdin], [], [], 0)[0]:
        status = OK
        while status == OK and offered < (time.monotonic() - started) * float(rate):
            line = event(offered)
            status = library.sl_client_offer(client, line, ctypes.c_size_t(len(line)), ctypes.byref(number))
            offered += status == OK
        status = library.sl_client_poll(client, 1)
    if status in (OK, AGAIN):
        status = library.sl_client_flush(client, END_S * 1000)
    if status != OK:
        sys.exit(f"status {status}: {library.sl_client_error(client).decode()}")
    library.sl_client_get_stats(client, ctypes.byref(stats))
    print(f"{offered} offered, {stats.events_acked} acknowledged, {stats.sessions} sessions")


if __name__ == "__main__":
    main(*sys.argv[1:])
