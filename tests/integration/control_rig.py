"""A control process and a dataplane without packets, for tests of the control process. One directory a test: `work`, with
an appliance's definitions in work/a."""
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time

from sealane_cli import ROOT, SEALANE, Checks, keep_clear_of_midnight, read, run, scratch, write

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(SEALANE)))
CONTROL = os.path.join(BUILD, "control/sealane-control")
FAKE = os.path.join(BUILD, "tests/fake_dataplane")
EXAMPLE = os.path.join(ROOT, "docs/examples/appliance")
WAIT_S = 10

checks = Checks()
check = checks.check
work = scratch()
appliance = os.path.join(work, "a")
config = os.path.join(appliance, "sealane.yaml")
sockets = os.path.join(appliance, "run/sockets")
processes = []


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
        processes.append(self)

    def tell(self, line):
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def order(self, line):
        """Tell a fake dataplane what it is to do from here on, and see that it knows."""
        self.tell(line)
        if self.wait_for("told " + line) is None:
            raise SystemExit(f"the fake dataplane does not hear: {line}")

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


def start_control(env=None):
    log = os.path.join(work, "control.log")
    before = os.path.getsize(log) if os.path.exists(log) else 0
    control = Process(CONTROL, "-c", config, log=log, env=env)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and control.popen.poll() is None:
        if b"ready in" in read(log)[before:]:
            return control
        time.sleep(0.02)
    raise SystemExit("control does not start: " + read(log).decode())


def start_fake():
    return Process(FAKE, sockets)


def make_appliance():
    """The example's definitions, with smaller tables: tests make many."""
    keep_clear_of_midnight()
    shutil.copytree(EXAMPLE, appliance)
    for name in ("edits.yaml", "edits-sealed.yaml"):
        path = os.path.join(appliance, "streams", name)
        write(path, read(path).replace(b"table: 200000", b"table: 20000"))


def kill_all():
    for process in processes:
        process.kill()


def sealane(*arguments, **named):
    return run(*arguments, env={"SEALANE_CONFIG": config}, **named)


def apply(directory=appliance):
    return sealane("apply", "-f", directory)


def status():
    return json.loads(sealane("status", "-o", "json").out)


def wait_status(what, seconds=WAIT_S):
    """The status once it is so; the last one when it never is."""
    until = time.monotonic() + seconds
    while True:
        now = status()
        if what(now) or time.monotonic() > until:
            return now
        time.sleep(0.05)


def log_text():
    return read(os.path.join(work, "control.log")).decode()


def seqpacket():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(os.path.join(sockets, "dataplane.sock"))
    return s


def stream_socket():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(os.path.join(sockets, "control.sock"))
    s.settimeout(WAIT_S)
    return s
