#!/usr/bin/env python3
"""The units, as installed, under a systemd of their own: they are sound, start, work as hardened as they say, come back, stop
in order. Needs root. Nothing of this machine is touched: tests/support/unit_box."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from sealane_cli import EDITS, ROOT, SEALANE, Checks, edits, run, scratch, write

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(SEALANE)))
WAIT_S = 20
UNDELIVERED = "6"  # a dataplane that was told to end, and could not deliver all
USUAL_TRIES = 5  # of systemd, within 10 s, where a unit says nothing else
UNITS = ("sealane-control.service", "sealane-dataplane.service")
CONFIG = """device: veth-sealane
addresses: [192.0.2.1]
host_interface: sealane0
dataplane_user: sealane-dataplane
idle_us_max: 200
"""

checks = Checks()
check = checks.check
work = scratch()
installed = os.path.join(work, "installed")


def wait_until(holds, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


class Box:
    def __init__(self):
        self.log = open(os.path.join(work, "box.log"), "wb")
        self.popen = subprocess.Popen([os.path.join(ROOT, "tests/support/unit_box"), installed, work], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.first = None  # process 1 of the box, as numbered here

    def find_first(self):
        """Below the script and unshare; it is there when it has become systemd."""
        pid = self.popen.pid
        try:
            for _ in range(2):
                children = open(f"/proc/{pid}/task/{pid}/children").read().split()
                if not children:
                    return False
                pid = int(children[-1])
            if not open(f"/proc/{pid}/comm").read().startswith("systemd"):
                return False
        except OSError:  # what the script starts on its way is soon gone again
            return False
        self.first = pid
        return True

    def run(self, *words, timeout=60):
        return subprocess.run(["nsenter", "--target", str(self.first), "--pid", "--mount", "--net", "--cgroup", "--", *map(str, words)], capture_output=True, text=True, timeout=timeout)

    def unit(self, name, *properties):
        said = self.run("systemctl", "show", name, *(f"--property={p}" for p in properties)).stdout
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def is_active(self, *names):
        return self.run("systemctl", "is-active", *names).stdout.split() == ["active"] * len(names)

    def status(self):
        done = self.run("sealane", "status", "-o", "json")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def has_policy(self):
        return (self.status().get("dataplane") or {}).get("epoch", 0) > 0

    def control_log(self):
        return self.run("cat", "/var/log/sealane-control.log").stdout

    def text_of_logs(self):
        return self.run("sh", "-c", "cat /var/log/*.log").stdout + open(self.log.name, errors="replace").read()

    def end(self):
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()


def process_status(box, name):
    pid = box.unit(name, "MainPID")["MainPID"]
    return dict(re.findall(r"(\w+):\t(.*)", box.run("cat", f"/proc/{pid}/status").stdout))


def send(box, events="/usr/local/edits.ndjson.gz", *options):
    return box.run("sealane", "send", events, "--to", "192.0.2.1:7002", "--key", "/etc/sealane/definitions/driver.key", "--quiet", *options)


def check_units(box):
    done = box.run("systemd-analyze", "verify", "--man=no", *(f"/usr/local/lib/systemd/system/{u}" for u in UNITS))
    check("systemd-analyze finds no fault", done.returncode == 0 and done.stdout + done.stderr == "", done.stdout + done.stderr)
    check("both are active", wait_until(lambda: box.is_active(*UNITS)), box.run("systemctl", "status", *UNITS).stdout)
    check("and at work", wait_until(box.has_policy), box.text_of_logs()[-3000:])


def check_hardening(box):
    control, dataplane = (process_status(box, u) for u in UNITS)
    check("control: no capability", int(control["CapBnd"], 16) == int(control["CapEff"], 16) == 0, control)
    wanted = 1 << 12 | 1 << 13 | 1 << 14 | 1 << 39
    check("dataplane: the four that it says", int(dataplane["CapBnd"], 16) == int(dataplane["CapEff"], 16) == wanted, dataplane)
    check("no new privileges, and a filter of system calls", all(s["NoNewPrivs"] == "1" and s["Seccomp"] == "2" for s in (control, dataplane)))
    check("users of their own", control["Uid"].split()[1] != dataplane["Uid"].split()[1] and "0" not in (control["Uid"].split()[1], dataplane["Uid"].split()[1]))
    check("no core file", all(int(s["VmLck"].split()[0]) >= 0 for s in (control, dataplane)) and all(box.unit(u, "LimitCORE")["LimitCORE"] == "0" for u in UNITS))
    check("keys are locked in memory", "can not be locked" not in box.text_of_logs() and int(control["VmLck"].split()[0]) > 0, box.text_of_logs()[-2000:])


def check_work(box):
    done = send(box)
    check("events are stored", done.returncode == 0, done.stderr + box.text_of_logs()[-2000:])
    done = box.run("systemctl", "reload", UNITS[0])
    check("reload applies again", done.returncode == 0 and wait_until(lambda: (box.status().get("dataplane") or {}).get("epoch", 0) > 1), done.stderr)
    before = box.unit(UNITS[1], "MainPID")
    check("control restarts", box.run("systemctl", "restart", UNITS[0]).returncode == 0 and wait_until(box.has_policy), box.text_of_logs()[-2000:])
    check("without its dataplane", box.unit(UNITS[1], "MainPID") == before)
    box.run("systemctl", "kill", "--signal=KILL", UNITS[1])
    check("a dataplane that was killed comes back", wait_until(lambda: box.unit(UNITS[1], "MainPID") not in (before, {"MainPID": "0"}) and box.has_policy()), box.text_of_logs()[-2000:])
    check("and works", send(box).returncode == 0, box.text_of_logs()[-2000:])


def check_definitions(box):
    """By root, for control: what it makes can be read, and what can not be read is told."""
    done = box.run("sealane", "create", "client", "second", "--streams", "edits-sealed", "-f", "/etc/sealane/definitions")
    check("root makes a client", done.returncode == 0, done.stderr)
    done = box.run("sealane", "apply", "-f", "/etc/sealane/definitions")
    check("control can read it", done.returncode == 0 and "at work on every core" in done.stdout, done.stdout + done.stderr)
    box.run("cp", "-r", "/etc/sealane/definitions", "/tmp/other")
    done = box.run("sealane", "apply", "-f", "/tmp/other")
    check("a directory that only root sees", done.returncode == 3 and "/tmp/other: the directory can not be read" in done.stderr and "control can not see what this command can" in done.stderr, done.stdout + done.stderr)


def check_patience(box):
    """The interface is away for longer than systemd's usual patience."""
    box.run("ip", "link", "set", "veth-sealane", "down")
    box.run("ip", "link", "set", "veth-sealane", "name", "away")
    box.run("systemctl", "restart", UNITS[1])
    tries = lambda: int(box.unit(UNITS[1], "NRestarts")["NRestarts"])
    is_tried = wait_until(lambda: tries() > USUAL_TRIES, 40)
    box.run("ip", "link", "set", "away", "name", "veth-sealane")
    box.run("ip", "link", "set", "veth-sealane", "up")
    check("a dataplane whose interface was away comes back", wait_until(lambda: box.is_active(UNITS[1]) and box.has_policy()) and is_tried, (tries(), box.run("systemctl", "status", UNITS[1]).stdout))
    box.run("sh", "-c", "echo 'prot: pci' >>/etc/sealane/sealane.yaml")
    box.run("systemctl", "restart", UNITS[0])
    time.sleep(4)
    control = box.unit(UNITS[0], "ActiveState", "NRestarts", "ExecMainStatus")
    check("a configuration that is wrong is not tried again and again", control["ActiveState"] == "failed" and control["NRestarts"] == "0" and control["ExecMainStatus"] == "3", control)
    check("the log has file and line", "/etc/sealane/sealane.yaml:6:" in box.text_of_logs(), box.text_of_logs()[-1000:])
    box.run("sed", "-i", "/^prot/d", "/etc/sealane/sealane.yaml")
    box.run("systemctl", "start", UNITS[0])
    check("and it starts when it is right", wait_until(box.has_policy), box.text_of_logs()[-1000:])


def check_undelivered(box):
    """A dataplane that was told to end and could not deliver all has ended all the same: nobody wants it back."""
    before = box.unit(UNITS[1], "NRestarts")
    box.run("systemctl", "kill", "--signal=STOP", UNITS[0])  # who makes keys durable: what waits for them is not delivered
    done = send(box, "/usr/local/strangers.ndjson", "--timeout", "2")
    check("without control new keys are not durable", done.returncode == 1, done)
    box.run("systemctl", "kill", "--signal=TERM", UNITS[1])
    state = lambda: box.unit(UNITS[1], "ActiveState", "ExecMainStatus", "NRestarts")
    wait_until(lambda: state()["ActiveState"] != "active")
    time.sleep(3)
    ended = {"ActiveState": "failed", "ExecMainStatus": UNDELIVERED, **before}
    check("a dataplane that could not deliver all is not started again", state() == ended, (state(), box.text_of_logs()[-1000:]))
    box.run("systemctl", "kill", "--signal=CONT", UNITS[0])
    box.run("systemctl", "start", UNITS[1])
    check("until somebody starts it", wait_until(box.has_policy), box.text_of_logs()[-1000:])


def check_stop(box):
    before = len(box.control_log())
    started = time.monotonic()
    box.run("systemctl", "stop", *reversed(UNITS))
    took = time.monotonic() - started
    ends = [box.unit(u, "ActiveState", "Result", "ExecMainStatus") for u in UNITS]
    check("stop ends both well", all(e == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"} for e in ends) and took < 10, (ends, took))
    check("the dataplane first: it drained", "the dataplane has drained" in box.control_log()[before:], box.control_log()[before:] + box.text_of_logs()[-2500:])
    files = box.run("sh", "-c", "ls /var/lib/sealane/data/edits").stdout.split()
    check("files have their names", sum(f.endswith(".ndjson") for f in files) >= 1, files)
    done = box.run("sh", "-c", "sealane open /var/lib/sealane/data/edits/edits-sealed-*-000001.ndjson --vault /var/lib/sealane/vault --output /tmp/opened.ndjson --quiet && wc -l </tmp/opened.ndjson")
    check("and open", done.returncode == 0 and int(done.stdout) > 1000, done.stdout + done.stderr)


if os.geteuid() != 0:
    print("needs root, for namespaces")
    sys.exit(1)
subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env=dict(os.environ, DESTDIR=installed), check=True)
shutil.copytree(os.path.join(ROOT, "docs/examples/appliance"), os.path.join(work, "definitions"), ignore=shutil.ignore_patterns("sealane.yaml"))
run("create", "client", "driver", "--streams", "edits-sealed", "-f", os.path.join(work, "definitions"))
shutil.copy(EDITS, os.path.join(installed, "usr/local/edits.ndjson.gz"))
strangers = (dict(json.loads(line), user=f"stranger-{n}") for n, line in enumerate(edits()[:200]))
write(os.path.join(installed, "usr/local/strangers.ndjson"), "".join(json.dumps(event) + "\n" for event in strangers))
write(os.path.join(work, "sealane.yaml"), CONFIG)
box = Box()
try:
    if check("systemd starts", wait_until(box.find_first), open(box.log.name, errors="replace").read()):
        check_units(box)
        check_hardening(box)
        check_work(box)
        check_definitions(box)
        check_patience(box)
        check_undelivered(box)
        check_stop(box)
finally:
    box.end()
checks.end()
