#!/usr/bin/env python3
"""kill -9 at random moments of a large job, and at each step of publishing: no half file, no litter, the same keys.

KILL_TEST_MB (default 100) is the size of the input, KILL_TEST_COUNT (20) how many random moments.
"""

import hashlib
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sealane_cli as cli

checks = cli.Checks()
folder = cli.scratch(shm=True)
rng = cli.seeded("kill")
MEGABYTES = int(os.environ.get("KILL_TEST_MB", "100"))
COUNT = int(os.environ.get("KILL_TEST_COUNT", "20"))
INPUT = os.path.join(folder, "in.ndjson")
OUT = os.path.join(folder, "out")
TARGETS = ["sealed.ndjson", "keys.csv", "view.ndjson"]

CONTRACT = {
    "contract": "test/kill/1.0.0",
    "key": "user",
    "subject": "user",
    "time": {"field": "time"},
    "consent": {"otherwise": [1]},
    "undeclared": "pass",
    "fields": {
        "user": {"type": "string", "personal": 1, "required": True},
        "comment": {"type": "string", "personal": 2},
        "cityName": {"type": "string", "personal": 2, "nullable": True},
        "time": "string",
    },
}


def make_input(megabytes, path, offset=0):
    """The edits again and again, other users each time."""
    content = b"\n".join(cli.edits()) + b"\n"
    with open(path, "wb") as file:
        n = offset
        while file.tell() < megabytes * 1_000_000:
            file.write(content.replace(b'"user":"', b'"user":"%d.' % n))
            n += 1


def define(name, sealed):
    job = {"job": "kill", "input": {"file": INPUT, "contract": "test/kill/1.0.0"}, "sealed": {"file": sealed}, "keys": {"file": "keys.csv"}, "derived": [{"file": "view.ndjson", "purposes": [1]}]}
    cli.write_definition(os.path.join(folder, "contract.yaml"), CONTRACT)
    return cli.write_definition(os.path.join(folder, name), job)


def command(job, vault, *options):
    return [cli.SEALANE, "batch", "run", job, "--output-dir", OUT, "--vault", vault, *options]


def digest(path):
    hash = hashlib.blake2b()
    with open(path, "rb") as file:
        while part := file.read(1 << 22):
            hash.update(part)
    return hash.hexdigest()


def state():
    """What stands in the output folder: name -> digest."""
    return {name: digest(os.path.join(OUT, name)) for name in cli.files_below(OUT)} if os.path.isdir(OUT) else {}


def clear(path):
    subprocess.run(["rm", "-rf", path], check=True)


def finish(what, vault):
    """The job runs again and ends well. Returns what it wrote."""
    global finish_seconds
    started = time.monotonic()
    done = subprocess.run(command(JOB, vault), capture_output=True)
    finish_seconds = time.monotonic() - started
    checks.check(f"{what}: the job runs again", done.returncode == 0, done.stderr.decode())
    after = state()
    checks.check(f"{what}: just the targets are there", sorted(after) == sorted(TARGETS), sorted(after))
    return after


def opens_to_input(what, options):
    opener = subprocess.Popen([cli.SEALANE, "open", os.path.join(OUT, "sealed.ndjson"), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    same = True
    with open(INPUT, "rb") as file:
        while same and (expected := file.read(1 << 20)):
            same = opener.stdout.read(len(expected)) == expected
        same = same and opener.stdout.read(1) == b""
    if not same:
        opener.kill()
    _, err = opener.communicate()
    checks.check(f"{what}: it opens to the input, byte for byte", same and opener.returncode == 0, err.decode())


def kill_to_files(moments, seconds, vault, old, new):
    """Kills of a job whose targets hold an earlier result: each is that, or the new one, whole."""
    for n, moment in enumerate(moments):
        what = f"kill {n + 1}, after {moment * seconds:.2f} s of {seconds:.2f} s"
        process = subprocess.Popen(command(JOB, vault), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment * seconds)
        process.kill()
        process.wait()
        now = state()
        whole = all(now[name] in (old.get(name), new.get(name)) for name in now) and set(now) <= set(TARGETS)
        order = now.get("sealed.ndjson") != new["sealed.ndjson"] or now == new
        checks.check(f"{what}: no half file, no litter; all is there when the sealed file is", whole and order, now)


def kill_to_stream(moments, seconds):
    """What a killed job has let out was sealed under keys that are durable: the next run finds the same ones."""
    for n, moment in enumerate(moments):
        vault = os.path.join(folder, f"vault-{n}")
        clear(OUT)
        prefix = os.path.join(folder, "prefix")
        with open(prefix, "wb") as file:
            process = subprocess.Popen(command(STREAM, vault), stdout=file, stderr=subprocess.DEVNULL)
            time.sleep(moment * seconds)
            process.kill()
            process.wait()
        size = os.path.getsize(prefix)
        what = f"kill of a new vault's first job after {moment * seconds:.2f} s, {size} bytes are out"
        before = state()
        after = finish(what, vault)
        whole = all(after.get(name) == before[name] for name in before)
        checks.check(f"{what}: no half file, no litter, {len(before)} targets", whole, before)
        same = subprocess.run(["cmp", "-s", "-n", str(size), prefix, os.path.join(OUT, "sealed.ndjson")]).returncode == 0
        checks.check(f"{what}: the rerun begins with the same bytes", same)
        os.remove(prefix)
        if n == len(moments) - 1:
            opens_to_input("the last rerun", ["--vault", vault])
        clear(vault)


def kill_at_calls(vault, old, new):
    """Killed at each call of publishing, by strace: as the n-th of its kind begins."""
    for call in "fsync", "fdatasync", "linkat", "renameat", "renameat2", "rename", "unlinkat":
        for n in range(1, 40):
            restore(old)
            process = subprocess.run(
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}", *command(JOB, vault, "-j", "1")],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )
            if process.returncode == 0:
                break
            now = state()
            whole = all(digest in (old.get(name), new.get(name)) for name, digest in now.items() if name in TARGETS)
            litter = [name for name in now if name not in TARGETS]
            order = now.get("sealed.ndjson") != new["sealed.ndjson"] or all(now.get(t) == new[t] for t in TARGETS)
            checks.check(
                f"killed at {call} {n}: no half file; all is there when the sealed file is",
                whole and order and len(litter) <= 1 and process.returncode in (-9, 137), (process.returncode, now),
            )
            if litter:
                checks.check(f"killed at {call} {n}: what lies between link and rename is hidden and whole", all(l.startswith(".") and now[l] in new.values() for l in litter), litter)


def restore(old):
    """Put the earlier result back."""
    clear(OUT)
    if old:
        subprocess.run(["cp", "-a", os.path.join(folder, "old"), OUT], check=True)


def stop_by_signal(number, vault, old):
    """A job that waits for more input is stopped, so that it can not be through before the signal comes."""
    for megabytes in 0, 20:
        restore(old)
        process = subprocess.Popen(command(JOB, vault, "--input", "-"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with open(INPUT, "rb") as file:
            process.stdin.write(file.read(megabytes * 1_000_000))
        process.stdin.flush()
        line = b" "
        while line and b"STARTED" not in line:
            line = process.stderr.readline()
        process.send_signal(number)
        started = time.monotonic()
        process.wait()
        seconds = time.monotonic() - started
        err = process.stderr.read()
        process.stdin.close()
        what = f"{signal.Signals(number).name} after {megabytes} MB"
        checks.check(f"{what}: exit code {128 + number}", process.returncode == 128 + number, (process.returncode, err.decode()))
        checks.check(f"{what}: it stops at once and says so", seconds < 5 and b"signal" in err, err.decode())
        checks.check(f"{what}: nothing is left behind, nothing is touched", state() == old, state())


def main():
    vault = os.path.join(folder, "vault")
    make_input(MEGABYTES / 10, INPUT, offset=1000)
    old_small = finish("an earlier result", vault)
    os.rename(OUT, os.path.join(folder, "old"))
    make_input(MEGABYTES, INPUT)
    half = COUNT // 2
    started = time.monotonic()
    done = subprocess.run(command(STREAM, os.path.join(folder, "vault-time")), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = time.monotonic() - started
    checks.check(f"a first run of {MEGABYTES} MB with keys to make takes {first:.2f} s", done.returncode == 0)
    clear(OUT)
    clear(os.path.join(folder, "vault-time"))
    # One moment in each part of the time, so that start, rows, key export and publishing are all met.
    kill_to_stream([(n + rng.random()) / half for n in range(half)], first)
    clear(OUT)
    new = finish("the new result", vault)
    again = finish("the new result again", vault)
    seconds = finish_seconds
    checks.check("the same keys: all files are equal, byte for byte", again == new)
    opens_to_input("the new result", ["--keys", os.path.join(OUT, "keys.csv")])
    restore(old_small)
    rest = COUNT - half
    kill_to_files([(n + rng.random()) / rest for n in range(rest)], seconds, vault, old_small, new)
    checks.check("after all kills the rerun is equal, byte for byte", finish("after all kills", vault) == new)
    for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        stop_by_signal(number, vault, old_small)
    make_input(0.1, INPUT, offset=2000)
    small = finish("a small job", vault)
    kill_at_calls(vault, old_small, small)
    checks.check("after the kills in publishing the rerun is equal, byte for byte", finish("after them", vault) == small)
    checks.end()


JOB = define("job.yaml", "sealed.ndjson")
STREAM = define("stream.yaml", "-")
main()
