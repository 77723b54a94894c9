#!/usr/bin/env python3
"""Memory of a job with nearly a million distinct keys; order and results with several workers; groups share keys.

BOUNDED_TEST_KEYS (default 900,000) is the number of distinct keys.
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sealane_cli as cli

checks = cli.Checks()
folder = cli.scratch(shm=True)
KEYS = int(os.environ.get("BOUNDED_TEST_KEYS", "900000"))
MEMORY_MIB = 256  # a million keys take 252 of it: too near to tell a fault from chance

CONTRACT = {
    "contract": "test/bounded/1.0.0",
    "key": "user",
    "subject": "user",
    "time": {"field": "time"},
    "consent": {"otherwise": [1]},
    "undeclared": "pass",
    "fields": {
        "user": {"type": "string", "personal": 1, "required": True},
        "comment": {"type": "string", "personal": 2},
        "page": {"type": "string", "personal": 2, "iv": "random"},
        "time": "string",
    },
}


def define(name, group="bounded", file="in.ndjson"):
    job = {"job": name, "group": group, "input": {"file": file, "contract": "test/bounded/1.0.0"}, "sealed": {"file": "sealed.out"}, "keys": {"file": "keys.csv"}, "derived": [{"file": "view.out", "purposes": [1], "mask": {"page": "hmac"}}]}
    return cli.write_definition(os.path.join(folder, name + ".yaml"), job)


def run(job, out, vault, *options):
    return cli.measure("batch", "run", job, "--output-dir", os.path.join(folder, out), "--vault", os.path.join(folder, vault), *options)


def output(out, name):
    return cli.read(os.path.join(folder, out, name))


def opened(out, *options):
    done = cli.run("open", os.path.join(folder, out, "sealed.out"), *options)
    checks.check(f"{out}: it opens", done.code == 0, done.err.decode())
    return done.out


def many_keys():
    rows = b"".join(b'{"user":"u%d","comment":"c","page":"p","time":"2024-05-06T07:08:09Z"}\n' % n for n in range(KEYS))
    cli.write(os.path.join(folder, "in.ndjson"), rows)
    job = define("many")
    for what in "new keys", "the same keys again":
        code, peak, seconds, text = run(job, "many", "vault")
        if not checks.check(f"{KEYS} distinct keys, {what}: the job finishes, {seconds:.1f} s of CPU", code == 0, text):
            return
        checks.check(f"{KEYS} distinct keys, {what}: {peak} MiB of memory, {MEMORY_MIB} at the most", peak < MEMORY_MIB, peak)
    keys = output("many", "keys.csv")
    checks.check("every key is in the keys file, once", keys.count(b"\r\n") == KEYS + 1 and len({line[:38] for line in keys.split(b"\r\n")[1:-1]}) == KEYS)
    del keys
    code, peak, seconds, text = cli.measure("open", os.path.join(folder, "many/sealed.out"), "--vault", os.path.join(folder, "vault"), "--output", os.path.join(folder, "many/opened.out"))
    checks.check(f"it opens to the input, with the vault, in {peak} MiB and {seconds:.1f} s", code == 0 and output("many", "opened.out") == rows, text)
    code, peak, seconds, text = cli.measure("open", os.path.join(folder, "many/sealed.out"), "--keys", os.path.join(folder, "many/keys.csv"), "--output", os.path.join(folder, "many/opened.out"))
    checks.check(f"it opens to the input, with the keys file, in {peak} MiB and {seconds:.1f} s", code == 0 and output("many", "opened.out") == rows, text)
    subprocess.run(["rm", "-rf", os.path.join(folder, "many"), os.path.join(folder, "vault")], check=True)


def big_input():
    """Memory does not grow with the size of the file."""
    content = b"\n".join(cli.edits()) + b"\n"
    peaks = []
    for times in 2, 20:
        with open(os.path.join(folder, "in.ndjson"), "wb") as file:
            for _ in range(times):
                file.write(content)
        for workers in "1", "2":
            code, peak, seconds, text = run(define("big"), "big", "vault-big", "-j", workers)
            checks.check(f"{len(content) * times // 1000000} MB, -j {workers}: {peak} MiB of memory", code == 0 and peak < MEMORY_MIB, text)
            peaks.append(peak)
    checks.check("ten times the input takes at most 32 MiB more", peaks[2] - peaks[0] <= 32 and peaks[3] - peaks[1] <= 32, peaks)


def workers():
    """With more workers than processors: the same order, the same results."""
    lines = cli.edits()
    bad = [b'{"user":' if n % 1000 == 7 else line for n, line in enumerate(lines)]
    cli.write(os.path.join(folder, "in.ndjson"), b"\n".join(bad) + b"\n")
    job = define("workers")
    kept = b"".join(line + b"\n" for n, line in enumerate(lines) if n % 1000 != 7)
    views = []
    for count in "1", "2", "5":
        code, _, _, text = run(job, "workers-" + count, "vault-workers", "-j", count, "--max-bad", "1%")
        checks.check(f"-j {count}: the job finishes", code == 0, text)
        out = "workers-" + count
        checks.check(f"-j {count}: opened, it is the input without its bad rows, in order", opened(out, "--keys", os.path.join(folder, out, "keys.csv")) == kept)
        letters = [json.loads(line)["deadLetter"]["row"] for line in output(out, "sealed.out.dead-letters.ndjson").splitlines()]
        checks.check(f"-j {count}: the dead letters are in order", letters == list(range(8, len(lines) + 1, 1000)), letters[:5])
        views.append((output(out, "view.out"), sorted(output(out, "keys.csv").split(b"\r\n"))))
    # What view.out shows of purpose 2 is masked or deterministic, page is masked of random sealed text.
    plain = [strip(view) for view, _ in views]
    checks.check("derived files are equal but for what random IVs make", plain[0] == plain[1] == plain[2])
    checks.check("keys files hold the same keys", views[0][1] == views[1][1] == views[2][1])


def strip(view):
    return [{k: v for k, v in json.loads(line).items() if k != "page"} for line in view.splitlines()]


def groups():
    """Two jobs of one group on halves give the keys that one job on the whole gives."""
    lines = cli.edits()[:6000]
    whole = b"\n".join(lines) + b"\n"
    cli.write(os.path.join(folder, "a.ndjson"), b"\n".join(lines[::2]) + b"\n")
    cli.write(os.path.join(folder, "b.ndjson"), b"\n".join(lines[1::2]) + b"\n")
    cli.write(os.path.join(folder, "in.ndjson"), whole)
    jobs = [("half-a", "g", "a.ndjson"), ("half-b", "g", "b.ndjson"), ("whole", "g", "in.ndjson"), ("other", "h", "in.ndjson")]
    rows = {}
    for name, group, file in jobs:
        code, _, _, text = run(define(name, group, file), name, "vault-groups")
        checks.check(f"{name}: the job finishes", code == 0, text)
        rows[name] = set(output(name, "keys.csv").split(b"\r\n")[1:-1])
    checks.check("halves of one group have the keys of the whole", rows["half-a"] | rows["half-b"] == rows["whole"] and rows["half-a"] & rows["half-b"])
    checks.check("another group has other keys, as many", not rows["other"] & rows["whole"] and len(rows["other"]) == len(rows["whole"]))
    sealed = [output(n, "sealed.out").splitlines() for n in ("half-a", "half-b", "whole")]
    together = [line for pair in zip(sealed[0], sealed[1]) for line in pair]
    user = lambda line: json.loads(line)["user"], lambda line: json.loads(line)["comment"]
    checks.check("deterministic fields of halves and whole are equal", all(get(a) == get(b) for get in user for a, b in zip(together, sealed[2])) and len(together) == len(sealed[2]))


cli.write_definition(os.path.join(folder, "contract.yaml"), CONTRACT)
many_keys()
big_input()
workers()
groups()
checks.end()
