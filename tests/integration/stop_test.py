#!/usr/bin/env python3
"""`sealane stop` returns when what it stops has ended, and names who does not end."""
import json
import os
import shutil
import signal
import subprocess
import time

from processes import WAIT_S, Process, kill_all
from sealane_cli import DONE, ENVIRONMENT, ROOT, SEALANE, USAGE, Checks, read, run, scratch, write

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(SEALANE)))
CONTROL = os.path.join(BUILD, "control/sealane-control")
FAKE = os.path.join(BUILD, "tests/fake_dataplane")

checks = Checks()
check = checks.check
work = scratch()
appliance = os.path.join(work, "a")
config = os.path.join(appliance, "sealane.yaml")
sockets = os.path.join(appliance, "run/sockets")


def start():
    """Control and a dataplane that has a policy."""
    control = Process(CONTROL, "-c", config, log=os.path.join(work, "control.log"))
    until = time.monotonic() + WAIT_S
    while not os.path.exists(os.path.join(sockets, "control.sock")) and time.monotonic() < until:
        time.sleep(0.02)
    fake = Process(FAKE, sockets)
    fake.wait_for("applied")
    return control, fake


def sealane(*arguments):
    return run(*arguments, env={"SEALANE_CONFIG": config})


def stops_have_ended():
    """What `sealane stop` was asked to stop is gone when it returns: the vault is free at once."""
    vault = os.path.join(appliance, "run/vault")
    # Bigger tables take their time to be forgotten. The lock is the one that a job takes.
    for name in ("edits.yaml", "edits-sealed.yaml"):
        path = os.path.join(appliance, "streams", name)
        write(path, read(path).replace(b"table: 200000", b"table: 2000000"))
    early = 0
    for _ in range(5):
        control, fake = start()
        fake.tell("keys 2000")
        fake.wait_for("put")
        done = subprocess.run(["sh", "-c", f'"$1" stop && flock -n {vault}/lock true', "sh", SEALANE],
                              env=dict(os.environ, SEALANE_CONFIG=config), capture_output=True)
        early += done.returncode != 0
        control.popen.wait(WAIT_S)
        fake.popen.wait(WAIT_S)
    check("stop returns when the vault is free, five times", early == 0, early)


def stops_that_wait():
    """Who does not end is named, with what to do."""
    control, fake = start()
    for words in (["--timeout", "0"], ["--timeout", "x"], ["--timeout", "86401"]):
        check("usage: stop " + " ".join(words), sealane("stop", *words).code == USAGE)
    fake.popen.send_signal(signal.SIGSTOP)
    done = sealane("stop", "--timeout", "1")
    check("a dataplane that does not end is named",
          done.code == ENVIRONMENT and f"the dataplane (pid {fake.popen.pid}) has not ended within 1 s" in done.text and f"kill -9 {fake.popen.pid}" in done.text and done.seconds < 5, done.text)
    check("control goes on", b"control goes on" in done.err and json.loads(sealane("status", "-o", "json").out)["ok"], done.text)
    fake.popen.send_signal(signal.SIGCONT)
    check("it ends when it can", fake.popen.wait(WAIT_S) == 0)
    control.popen.send_signal(signal.SIGSTOP)
    done = sealane("stop", "--timeout", "1")
    check("a control that does not end is named",
          done.code == ENVIRONMENT and f"control (pid {control.popen.pid})" in done.text and f"kill -9 {control.popen.pid}" in done.text and done.seconds < 5, done.text)
    control.popen.send_signal(signal.SIGCONT)
    done = sealane("stop", "--timeout", "20")
    check("without a dataplane control ends", done.code == DONE and b"no dataplane is attached; control has ended" in done.out and control.popen.wait(WAIT_S) == 0, done.text)


shutil.copytree(os.path.join(ROOT, "docs/examples/appliance"), appliance)
try:
    stops_have_ended()
    stops_that_wait()
finally:
    kill_all()
checks.end()
