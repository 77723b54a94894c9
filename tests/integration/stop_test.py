#!/usr/bin/env python3
"""`sealane stop` returns when what it stops has ended, and names who does not end."""
import os
import signal
import subprocess
import time

from control_rig import WAIT_S, appliance, check, checks, config, kill_all, log_text, make_appliance, sealane, start_control, start_fake, status
from sealane_cli import DONE, ENVIRONMENT, SEALANE, USAGE, read, write


def start():
    """Control and a dataplane that has a policy."""
    control = start_control()
    fake = start_fake()
    fake.wait_for("applied")
    return control, fake


def stops_have_ended():
    """What `sealane stop` was asked to stop is gone when it returns: the vault is free at once."""
    vault = os.path.join(appliance, "run/vault")
    # Bigger tables take their time to be forgotten. The lock is the one that a job takes.
    for name in ("edits.yaml", "edits-sealed.yaml"):
        path = os.path.join(appliance, "streams", name)
        write(path, read(path).replace(b"table: 20000", b"table: 2000000"))
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


def stops_that_lose():
    """A dataplane that dies instead of draining: nobody is told that all is well."""
    control, fake = start()
    fake.popen.send_signal(signal.SIGSTOP)
    before = len(log_text())
    asking = subprocess.Popen([SEALANE, "stop"], env=dict(os.environ, SEALANE_CONFIG=config), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + WAIT_S
    while "stop of all" not in log_text()[before:] and time.monotonic() < until:
        time.sleep(0.02)
    fake.kill()
    out = asking.communicate(timeout=WAIT_S)[0]
    check("a dataplane that dies while it drains", asking.returncode == ENVIRONMENT and b"has ended before it had drained; control has ended" in out, out)
    control.popen.wait(WAIT_S)


def stops_that_wait():
    """Who does not end is named, with what to do."""
    control, fake = start()
    for words in (["--timeout", "0"], ["--timeout", "x"], ["--timeout", "86401"]):
        check("usage: stop " + " ".join(words), sealane("stop", *words).code == USAGE)
    fake.popen.send_signal(signal.SIGSTOP)
    done = sealane("stop", "--timeout", "1")
    check("a dataplane that does not end is named",
          done.code == ENVIRONMENT and f"the dataplane (pid {fake.popen.pid}) has not ended within 1 s" in done.text and f"kill -9 {fake.popen.pid}" in done.text and done.seconds < 5, done.text)
    check("control goes on", b"control goes on" in done.err and status()["ok"], done.text)
    fake.popen.send_signal(signal.SIGCONT)
    check("it ends when it can", fake.popen.wait(WAIT_S) == 0)
    control.popen.send_signal(signal.SIGSTOP)
    done = sealane("stop", "--timeout", "1")
    check("a control that does not end is named",
          done.code == ENVIRONMENT and f"control (pid {control.popen.pid})" in done.text and f"kill -9 {control.popen.pid}" in done.text and done.seconds < 5, done.text)
    control.popen.send_signal(signal.SIGCONT)
    done = sealane("stop", "--timeout", "20")
    check("without a dataplane control ends", done.code == DONE and b"no dataplane is attached; control has ended" in done.out and control.popen.wait(WAIT_S) == 0, done.text)


make_appliance()
try:
    stops_have_ended()
    stops_that_lose()
    stops_that_wait()
finally:
    kill_all()
checks.end()
