#!/usr/bin/env python3
"""A dataplane that attaches again and again: through a relay that ends the link after each plane, to a control that turns it away, that
stands still, or that is none. Needs root, for network namespaces."""

import os
import select
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

ROUNDS = 1000
MESSAGE_MAX = 65536
FDS_MAX = 80
APPLIED = 4
CONTRACT = "contract: test/plain/1.0.0\nkey: user\nfields: {user: {type: string, personal: 0, required: true}}\n"
STREAMS = {
    "plain": {
        "contract": "test/plain/1.0.0",
        "listen": {"port": 7001, "mode": "plain"},
        "keys": {"table": 4096},
        "sealed": {"null": True},
        "dead_letters": {"null": True},
    },
}
# As another user: listens where control did, and tells how many descriptors come.
STRANGER = """
import os, socket, sys
os.setgid(1); os.setuid(1)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
s.listen()
print("listens", flush=True)
other = s.accept()[0]
print(len(socket.recv_fds(other, 65536, 80)[1]), flush=True)
"""

checks = cli.Checks()
check = checks.check
folder = cli.scratch()


class Relay:
    """Between a dataplane and control; what goes through it is theirs."""

    def __init__(self, path, control):
        self.control = control
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        os.chmod(path, 0o777)
        self.listener.listen()
        self.listener.settimeout(20)

    def take(self):
        return self.listener.accept()[0]

    def connect(self):
        """Both ends of a link."""
        ends = self.take(), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ends[1].connect(self.control)
        return ends

    @staticmethod
    def pass_on(ends, until_applied, seconds=20):
        """What comes at one end goes to the other. Whether a plane was applied."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for ready in select.select(ends, [], [], 0.5)[0]:
                body, fds, _, _ = socket.recv_fds(ready, MESSAGE_MAX, FDS_MAX)
                if not body:
                    return False
                socket.send_fds(ends[ready is ends[0]], [body], fds)
                for fd in fds:
                    os.close(fd)
                if until_applied and body[4] == APPLIED:
                    return True
        return False


def weight(pid):
    """Descriptors and KiB of a process."""
    resident = [l for l in cli.read(f"/proc/{pid}/status").decode().split("\n") if l.startswith("VmRSS")]
    return len(os.listdir(f"/proc/{pid}/fd")), int(resident[0].split()[1])



def pid_of(name):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = cli.read(f"/proc/{pid}/cmdline").split(b"\0")
        except OSError:
            continue
        if words[0].endswith(name.encode()) and any(folder.encode() in word for word in words):
            return int(pid)
    return None


def rounds(relay, count):
    applied = 0
    for _ in range(count):
        ends = relay.connect()
        applied += relay.pass_on(ends, True)
        # The dataplane sees the end first, so that control never has to turn it away.
        for end in reversed(ends):
            end.close()
    return applied


def many_attachments(relay, pids):
    check("200 attachments", rounds(relay, 200) == 200)
    before = [weight(pid) for pid in pids]
    started = time.monotonic()
    applied = rounds(relay, ROUNDS)
    check(f"{ROUNDS} attachments", applied == ROUNDS, applied)
    print(f"      {ROUNDS / (time.monotonic() - started):.0f} a second")
    for name, pid, first in zip(("control", "the dataplane"), pids, before):
        box.wait_until(lambda: weight(pid)[0] <= first[0], 3)  # the last link ends
        last = weight(pid)
        check(f"leave no descriptors in {name}", last[0] <= first[0] + 2, (first, last))
        check(f"and no memory in {name}", last[1] - first[1] < 2048, (first, last))


def turned_away(a, relay):
    """Attempts come every 200 ms, and are told of once."""
    log = os.path.join(folder, "dataplane.log")
    before = len(cli.read(log))
    attempts, end = 0, time.monotonic() + 2
    while time.monotonic() < end:
        relay.take().close()
        attempts += 1
    check("a dataplane that is turned away tries every 200 ms", 5 <= attempts <= 15, attempts)
    lines = cli.read(log)[before:].count(b"\n")
    check("and tells of it once", lines <= 3, cli.read(log)[before:][-500:])


def a_control_that_stands_still(a, relay, dataplane):
    """Nobody takes the connections: the dataplane ends all the same when it is told to."""
    held = relay.take()
    others = []
    for _ in range(1000):
        other = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        other.setblocking(False)
        try:
            other.connect(relay.listener.getsockname())
        except BlockingIOError:
            break
        others.append(other)
    held.close()
    time.sleep(0.5)
    started = time.monotonic()
    os.kill(dataplane, signal.SIGTERM)
    code = None
    try:
        code = a.dataplane.wait(15)
    except subprocess.TimeoutExpired:
        pass
    check("SIGTERM beside a control that stands still", code == 0, (code, time.monotonic() - started))
    if code is None:
        os.kill(dataplane, signal.SIGKILL)


def somebody_else(a):
    """Journal, tables and image go to whom they came from."""
    # To the one before, the relay is the dataplane, and lives.
    a.stop(a.control)
    a.start_control()
    a.start_dataplane()
    check("the dataplane is back", a.wait_for_policy(), a.text_of_logs()[-2000:])
    path = os.path.join(folder, "run/dataplane.sock")
    a.stop(a.control, signal.SIGKILL)
    os.remove(path)
    os.chmod(os.path.dirname(path), 0o777)
    other = subprocess.Popen([sys.executable, "-c", STRANGER, path], stdout=subprocess.PIPE)
    other.stdout.readline()
    line = other.stdout.readline() if select.select([other.stdout], [], [], 5)[0] else b"nobody came"
    other.kill()
    other.wait()
    check("a stranger in control's place gets nothing", line.strip() in (b"", b"0"), line)
    os.remove(path)
    a.start_control()
    check("control in its place gets all", box.wait_until(lambda: a.report().get("dataplane")), a.text_of_logs()[-1000:])
    check("it drains and ends", a.stop(a.dataplane) == 0 and a.stop(a.control) == 0, a.text_of_logs()[-2000:])


def main():
    a = box.Appliance(folder, STREAMS, files={"contracts/plain.yaml": CONTRACT})
    a.start_control()
    path = os.path.join(folder, "run/dataplane.sock")
    check("control starts", box.wait_until(lambda: a.report().get("ok")), a.text_of_logs())
    os.rename(path, path + ".control")
    relay = Relay(path, path + ".control")
    a.start_dataplane()
    ends = relay.connect()
    check("a first plane", relay.pass_on(ends, True) and box.wait_until(a.has_interface), a.text_of_logs())
    for end in reversed(ends):
        end.close()
    pids = pid_of("sealane-control"), pid_of("sealane-dataplane")
    many_attachments(relay, pids)
    turned_away(a, relay)
    a_control_that_stands_still(a, relay, pids[1])
    relay.listener.close()
    somebody_else(a)
    checks.end()


main()
