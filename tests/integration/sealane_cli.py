"""What the whole-program tests share: where the binaries are, running them, job files, keys files, a list of checks."""

import atexit
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SEALANE = os.path.abspath(os.environ.get("SEALANE", os.path.join(ROOT, "build/release/control/cli/sealane")))
SEALANE_ASAN = os.path.abspath(os.environ.get("SEALANE_ASAN", os.path.join(ROOT, "build/asan/control/cli/sealane")))
EDITS = os.path.join(ROOT, "tests/data/wikipedia-edits.ndjson.gz")

DAY_MARGIN_S = 300  # a test of an appliance takes less

# Exit codes, as control/cli/exits.h lists them.
DONE, ENVIRONMENT, USAGE, DEFINITION, INPUT, KEYS, SIGNAL = 0, 1, 2, 3, 4, 5, 128

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1:exitcode=99",
}


def scratch(shm=False):
    """A folder of the test's own, removed when it ends."""
    base = "/dev/shm" if shm and os.path.isdir("/dev/shm") else None
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that what is at exit is done
    path = tempfile.mkdtemp(prefix="sealane-test.", dir=base)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def keep_clear_of_midnight():
    """With a day of UTC a plane is renewed and keys are others: a test that counts them is done by then, or starts after."""
    left = 86400 - time.time() % 86400
    if left < DAY_MARGIN_S:
        print(f"      waiting {left:.0f} s for the next day", flush=True)
        time.sleep(left + 1)


class Checks:
    """Counts what was checked and what failed; prints a line for each."""

    def __init__(self):
        self.good = 0
        self.bad = 0
        self.started = time.monotonic()

    def check(self, what, ok, detail=""):
        if ok:
            self.good += 1
            print(f"ok    {what}", flush=True)
        else:
            self.bad += 1
            print(f"FAIL  {what}", flush=True)
            if detail:
                print("      " + str(detail)[:3000].replace("\n", "\n      "), flush=True)
        return bool(ok)

    def end(self):
        print(f"{self.good} passed, {self.bad} failed, {time.monotonic() - self.started:.1f} s")
        sys.exit(1 if self.bad or not self.good else 0)


class Result:
    def __init__(self, code, out, err, seconds):
        self.code = code
        self.out = out
        self.err = err
        self.seconds = seconds

    @property
    def text(self):
        return (self.err + self.out).decode("utf-8", "replace")

    @property
    def has_report(self):
        """Did a sanitizer complain?"""
        text = self.err + self.out
        return self.code == 99 or b"AddressSanitizer" in text or b"runtime error:" in text or b"LeakSanitizer" in text


def run(*arguments, binary=None, stdin=None, cwd=None, env=None, timeout=120, before=None):
    """Run sealane; stdin is bytes or an open file."""
    full = dict(os.environ, **SANITIZERS)
    full.pop("SEALANE_VAULT", None)
    full.update(env or {})
    started = time.monotonic()
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
    process = subprocess.run(
        [binary or SEALANE, *map(str, arguments)],
        capture_output=True,
        cwd=cwd,
        env=full,
        timeout=timeout,
        preexec_fn=before,
        **given,
    )
    return Result(process.returncode, process.stdout, process.stderr, time.monotonic() - started)


_MEASURE = """
import json, os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024, usage.ru_utime + usage.ru_stime]))
"""


def measure(*arguments):
    """Run sealane. Returns exit code, the most resident memory in MiB, CPU seconds and its messages.

    A child counts what its parent had at the fork: so a small process starts it, not this one.
    """
    done = subprocess.run([sys.executable, "-c", _MEASURE, SEALANE, *map(str, arguments)], capture_output=True)
    code, peak, seconds = json.loads(done.stdout)
    return code, peak, seconds, done.stderr.decode()


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    return path


def write_definition(path, definition):
    """YAML holds JSON: definitions are written as such."""
    return write(path, json.dumps(definition, ensure_ascii=False, indent=1))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def edits():
    """The real edits, as lines of bytes without their ends."""
    import gzip

    with gzip.open(EDITS) as file:
        return file.read().splitlines()


def files_below(folder):
    return sorted(
        os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names
    )


def seeded(name):
    """A generator with a seed of its own; SEED in the environment gives other runs."""
    return random.Random(f"{name}/{os.environ.get('SEED', '1')}")
