#!/usr/bin/env python3
"""A batch job on the vault of an appliance whose control is away: it would get ahead of the keys that a living dataplane
still has for that vault. So it is refused until both have ended."""
import itertools
import os
import shutil
import signal

from control_rig import WAIT_S, appliance, check, checks, kill_all, log_text, make_appliance, sealane, start_control, start_fake, status, wait_status, work
from sealane_cli import DONE, EDITS, ENVIRONMENT, ROOT, files_below, run, write_definition

VAULT = os.path.join(appliance, "run/vault")
MARK = os.path.join(VAULT, "appliance")
OUT = os.path.join(work, "out")
numbers = itertools.count()


def job(vault=VAULT):
    """Each in a group of its own: all of its keys are new."""
    definition = {
        "job": "beside",
        "input": {"file": EDITS, "contract": "wikimedia/edit/1.0.0"},
        "group": f"beside-{next(numbers)}",
        "sealed": {"file": "sealed.ndjson.zst"},
    }
    return run("batch", "run", write_definition(os.path.join(work, "job/job.yaml"), definition), "--vault", vault, "--output-dir", OUT)


def is_refused(done):
    """Told as an appliance's, without a word of a process that has it open."""
    return done.code == ENVIRONMENT and b"the vault is an appliance's, whose dataplane may still have keys for it" in done.err \
        and b"\n    " in done.err and b"sealane stop" in done.err


def is_attached(fake):
    """It works by a plane."""
    return fake.wait_for("applied") is not None


def before_any_dataplane():
    check("a job on a vault that no dataplane has keys for", job().code == DONE)
    control = start_control()
    control.kill(signal.SIGTERM)
    done = job()
    check("control alone leaves nothing behind", done.code == DONE, done.text)


def control_is_away():
    """What the dataplane made meanwhile becomes durable, whatever was tried on the vault."""
    control = start_control()
    fake = start_fake()
    is_attached(fake)
    done = job()
    check("while control runs the vault is in use", done.code == ENVIRONMENT and b"the vault is in use by process" in done.err, done.text)
    before = status()["keys"]["in_vault"]
    control.kill()
    fake.tell("keys 100")
    fake.wait_for("put")
    files = {name: os.stat(os.path.join(OUT, name)).st_mtime_ns for name in files_below(OUT)}
    done = job()
    check("a job while control is away is refused", is_refused(done), done.text)
    check("and has changed no file", files == {name: os.stat(os.path.join(OUT, name)).st_mtime_ns for name in files_below(OUT)})
    done = run("open", os.path.join(OUT, "sealed.ndjson.zst"), "--vault", VAULT)
    check("the vault can be read all the same", done.code == DONE and b"fields opened" in done.err and done.out, done.text[-500:])
    done = job(os.path.join(work, "own"))
    check("a job with a vault of its own runs", done.code == DONE, done.text)
    control = start_control()
    check("the dataplane comes back", is_attached(fake), log_text()[-500:])
    now = wait_status(lambda s: s["keys"]["in_vault"] >= before + 100)["keys"]
    check("its keys are durable", now["in_vault"] == before + 100 and now["waiting"] == 0, now)
    return control, fake


def control_ends_before_the_dataplane(control, fake):
    control.kill(signal.SIGTERM)
    check("an end of control alone keeps jobs away", is_refused(job()))
    # One that has not come back to the next control is not forgotten for that.
    fake.popen.send_signal(signal.SIGSTOP)
    start_control().kill(signal.SIGTERM)
    check("and so does the end of another one that it has not come to", is_refused(job()) and "may still have keys" in log_text(), log_text()[-500:])
    other_control = start_control()
    other = start_fake()
    is_attached(other)
    other.kill()
    other_control.kill(signal.SIGTERM)
    check("whoever came and went meanwhile", is_refused(job()))
    fake.popen.send_signal(signal.SIGCONT)
    control = start_control()
    check("it comes back all the same", is_attached(fake), log_text()[-500:])
    return control, fake


def an_orderly_stop(control, fake):
    done = sealane("stop")
    check("both stop", done.code == DONE and control.popen.wait(WAIT_S) == 0 and fake.popen.wait(WAIT_S) == 0, done.text)
    done = job()
    check("then the job runs", done.code == DONE and not os.path.exists(MARK), done.text)


def both_are_killed():
    control = start_control()
    fake = start_fake()
    is_attached(fake)
    control.kill()
    fake.kill()
    check("after a kill of both it is not known that nothing is left", is_refused(job()))
    control = start_control()
    done = sealane("stop")
    check("control starts and stops", done.code == DONE and control.popen.wait(WAIT_S) == 0, done.text)
    done = job()
    check("then the job runs", done.code == DONE and not os.path.exists(MARK), done.text)


def a_mark_of_before_a_reboot():
    """Its process is none of this boot, whoever has that number now."""
    with open(MARK, "w", encoding="ascii") as file:
        file.write(f"00000000-0000-4000-8000-000000000000 {os.getpid()}\n")
    check("a mark of before a reboot counts", is_refused(job()))
    start_control().kill(signal.SIGTERM)
    done = job()
    check("until control has been there", done.code == DONE, done.text)


make_appliance()
for name in ("contract.yaml", "purposes.yaml"):
    os.makedirs(os.path.join(work, "job"), exist_ok=True)
    shutil.copy(os.path.join(ROOT, "docs/examples/wikipedia", name), os.path.join(work, "job"))
try:
    before_any_dataplane()
    control, fake = control_is_away()
    control, fake = control_ends_before_the_dataplane(control, fake)
    an_orderly_stop(control, fake)
    both_are_killed()
    a_mark_of_before_a_reboot()
finally:
    kill_all()
checks.end()
