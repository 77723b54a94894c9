#!/usr/bin/env python3
"""What an operator meets: each refusal says what is wrong, where, and what to do, at once, with the right exit code."""
import os
import subprocess
import time

from control_rig import CONTROL, WAIT_S, Process, appliance, check, checks, config, kill_all, make_appliance, sealane, start_control, work
from sealane_cli import DEFINITION, DONE, ENVIRONMENT, KEYS, SEALANE, USAGE, read, run, write

PLAIN_USER = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
here = os.path.join(work, "here")
empty = os.path.join(here, "empty")


def says(what, done, code, *texts):
    """A problem: its exit code, its words, and a remedy on a line of its own."""
    text = done.text if hasattr(done, "text") else (done.stderr + done.stdout).decode()
    returned = done.code if hasattr(done, "code") else done.returncode
    check(what, returned == code and all(t in text for t in texts), f"{returned}: {text}")


def control(*arguments, before=(), timeout=WAIT_S):
    return subprocess.run([*before, CONTROL, *arguments], capture_output=True, timeout=timeout)


def configured(text):
    return write(os.path.join(here, "sealane.yaml"), text)


def files():
    missing = os.path.join(here, "missing.yaml")
    says("a configuration that is not there", control("-c", missing), DEFINITION, missing + ": can not be read: No such file or directory\n    check the name")
    says("a job that is not there", run("batch", "run", missing), DEFINITION, ": can not be read: No such file or directory")
    says("a folder for a job", run("batch", "run", here), DEFINITION, ": can not be read: Is a directory\n    name a file")
    says("a keys file that is not there", run("open", config, "--keys", missing), ENVIRONMENT, missing + ": the keys file can not be opened: No such file or directory\n    name")
    says("a directory that is not there", run("validate", "streams", missing), DEFINITION, missing + ": the directory can not be read: No such file or directory\n    name a directory")
    says("a file for a directory", run("validate", "streams", config), DEFINITION, config + ": the directory can not be read: Not a directory")
    says("an empty directory", run("validate", "streams", empty), DEFINITION, empty + "/streams: the folder can not be read: No such file", "has the folders contracts and streams")


def configurations():
    says("all that is wrong at once", control("--check-config", configured("device: x\ncommit_ms: 99999\nport: foo\nworkers: 2\n")), DEFINITION,
         "sealane.yaml:2:", "commit_ms", "sealane.yaml:3:", "af_packet|", "sealane.yaml:4:1: unknown key 'workers'", "huge_pages, eal_prefix\n")
    says("a user that is not there", control("-c", configured(f"device: x\ndataplane_user: nosuch\nrun_directory: {here}/r\nvault: {here}/v\n")), ENVIRONMENT, "there is no user nosuch; see dataplane_user")
    says("a run directory that can not be", control("-c", configured(f"device: x\nrun_directory: /proc/x/run\nvault: {here}/v\n")), ENVIRONMENT, "/proc/x/run: the run directory can not be made: No such file or directory")
    says("a vault that can not be", control("-c", configured(f"device: x\nrun_directory: {here}/r\nvault: /proc/x/v\n")), ENVIRONMENT, "/proc/x/v: the vault's directory can not be made", "\n    make it for this user")


def usages():
    says("top: a bad interval", run("top", "--interval", "0"), USAGE, "--interval takes a number from 1 to 3600, not \"0\"")
    says("top: a bad count", run("top", "--count", "3x"), USAGE, "--count takes a number from 1 to 3600, not \"3x\"")


def clients():
    done = sealane("create", "client", "driver", "--streams", "edits-sealed", "-f", appliance)
    check("create client", done.code == DONE, done.text)
    says("the same client again", sealane("create", "client", "driver", "--streams", "edits-sealed", "-f", appliance), ENVIRONMENT, "driver.key: the client's key file can not be made", "\n    choose another name")
    key = os.path.join(appliance, "driver.key")
    os.chmod(key, 0o644)
    says("send with a key that is open to others", run("send", config, "--to", "127.0.0.1:9", "--key", key), KEYS, "open to others (mode 0644)\n    name a file", "of mode 0600")
    os.chmod(key, 0o600)
    if os.geteuid() == 0:
        os.chown(appliance, 65534, 65534)
        done = sealane("create", "client", "theirs", "--streams", "edits-sealed", "-f", appliance)
        owners = [os.stat(os.path.join(appliance, n)).st_uid for n in ("theirs.key", "clients.yaml")]
        os.chown(appliance, 0, 0)
        check("a client that root makes is readable by whom the directory belongs to", done.code == DONE and owners == [65534, 65534], owners)
        os.remove(os.path.join(appliance, "clients.yaml"))


def running_twice():
    first = start_control()
    started = time.monotonic()
    second = Process(CONTROL, "-c", config, log=os.path.join(work, "second.log"))
    waits = b"another process has the run directory or the vault: waiting 5 s for its end"
    said = False
    while not said and time.monotonic() < started + 4:
        said = waits in read(os.path.join(work, "second.log"))
        time.sleep(0.02)
    check("a second control says that it waits while it does", said)
    code = second.popen.wait(WAIT_S)
    text = read(os.path.join(work, "second.log"))
    check("and then who is there", code == ENVIRONMENT and time.monotonic() - started < 8 and b"another control process runs here\n    stop it first" in text, text)
    check("the first one goes on", first.popen.poll() is None)


def strangers():
    """Users that may not ask; root alone can try."""
    if os.geteuid() != 0:
        return
    for folder in (work, appliance, os.path.join(appliance, "run")):
        os.chmod(folder, 0o755)
    done = subprocess.run([*PLAIN_USER, SEALANE, "status", "-c", config], capture_output=True)
    says("status by a user who may not", done, ENVIRONMENT, "control.sock: the socket can not be reached: Permission denied\n    run this as root, or as the user that control runs as")


def definitions_of_others():
    says("apply of what is no directory of definitions", sealane("apply", "-f", empty), DEFINITION, empty + "/streams: the folder can not be read", "nothing has changed")
    says("apply of a file", sealane("apply", "-f", config), DEFINITION, config + ": the directory can not be read: Not a directory")


make_appliance()
os.makedirs(empty)
try:
    files()
    configurations()
    usages()
    clients()
    running_twice()
    strangers()
    definitions_of_others()
finally:
    kill_all()
checks.end()
