"""Processes that a test starts, listens to and ends."""

import os
import select
import signal
import subprocess
import time

WAIT_S = 10
_all = []


class Process:
    """A process whose lines are read as they come."""

    def __init__(self, *arguments, log=None, env=None, user=None):
        self.popen = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(log, "ab") if log else subprocess.DEVNULL,
            env=dict(os.environ, **(env or {})),
            user=user,
            group="nogroup" if user else None,
            extra_groups=[] if user else None,
        )
        self.lines = []
        self.rest = b""
        _all.append(self)

    def tell(self, line):
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def wait_for(self, start, seconds=WAIT_S):
        """The next line that starts so; what comes before it is passed over. None: it does not come."""
        until = time.monotonic() + seconds
        while True:
            while self.lines:
                line = self.lines.pop(0)
                if line.startswith(start):
                    return line
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.popen.stdout], [], [], left)[0]:
                return None
            some = os.read(self.popen.stdout.fileno(), 65536)
            if not some:
                return None
            *whole, self.rest = (self.rest + some).split(b"\n")
            self.lines += [line.decode() for line in whole]

    def kill(self, number=signal.SIGKILL):
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(WAIT_S)


def kill_all():
    """All that were started and still live."""
    for process in _all:
        process.kill()
