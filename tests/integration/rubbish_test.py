#!/usr/bin/env python3
"""Rubbish in, of every kind: the right exit code, a message with file, reason and remedy, nothing left, no crash (ASan)."""

import gzip
import json
import os
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sealane_cli as cli

checks = cli.Checks()
folder = cli.scratch(shm=True)
rng = cli.seeded("rubbish")
SECRET = "Sesame-opens-nothing"

CONTRACT = {
    "contract": "test/rubbish/1.0.0",
    "key": "user",
    "time": {"field": "time"},
    "consent": {"otherwise": [1]},
    "fields": {"user": {"type": "string", "personal": 1, "required": True}, "time": "string"},
}
ROW = json.dumps({"user": SECRET, "time": "2024-05-06T07:08:09Z"}).encode()
BAD = b'{"user":"' + SECRET.encode() + b'"'
CSV = {**CONTRACT, "format": "csv"}
number = 0


class Case:
    """A job of its own in a folder of its own."""

    def __init__(self, name, content=ROW + b"\n", contract=CONTRACT, file="in.ndjson", sealed="sealed.out", **job):
        global number
        number += 1
        self.name = name
        self.at = os.path.join(folder, str(number))
        self.out = os.path.join(self.at, "out")
        self.vault = os.path.join(self.at, "vault")
        if contract is not None:
            cli.write_definition(os.path.join(self.at, "contract.yaml"), contract)
        if content is not None:
            cli.write(os.path.join(self.at, file), content)
        definition = {"job": "rubbish", "input": {"file": file, "contract": "test/rubbish/1.0.0"}, "sealed": {"file": sealed}, "keys": {"file": "keys.csv"}, "derived": [{"file": "view.out", "purposes": [1], "mask": {"user": "hmac"}}]}
        definition.update(job)
        self.job = cli.write_definition(os.path.join(self.at, "job.yaml"), {k: v for k, v in definition.items() if v is not ...})

    def run(self, *options, binary=None, **how):
        how.setdefault("cwd", self.at)
        return cli.run("batch", "run", self.job, "--output-dir", self.out, "--vault", self.vault, *options, binary=binary or cli.SEALANE_ASAN, **how)

    def good(self, *options, **how):
        result = self.run(*options, **how)
        self.check(result, 0, [])
        return result

    def fails(self, code, *words, options=(), **how):
        """It fails with that code and all of these words, and leaves nothing."""
        result = self.run(*options, **how)
        self.check(result, code, words)
        left = cli.files_below(self.out) if os.path.isdir(self.out) else []
        checks.check(f"{self.name}: nothing at the targets", not left, left)
        return result

    def check(self, result, code, words):
        missing = [w for w in words if w.lower() not in result.text.lower()]
        is_code = result.code in (code if isinstance(code, tuple) else (code,))
        checks.check(f"{self.name}: exit code {code}{', says ' if words else ''}{', '.join(words)}", is_code and not missing, f"{result.code}, without {missing}\n{result.text}")
        if result.has_report:
            checks.check(f"{self.name}: no report of a sanitizer", False, result.text)
        if SECRET in result.text:
            checks.check(f"{self.name}: nothing in clear", False, result.text)

    def output(self, name):
        return cli.read(os.path.join(self.out, name))


def zstd(content):
    return subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout


def damaged_inputs():
    rows = b"".join(json.dumps({"user": f"{SECRET}{rng.random()}", "time": "2024-05-06T07:08:09Z"}).encode() + b"\n" for _ in range(20000))
    for pack, ending in (lambda b: gzip.compress(b, 6), "gz"), (zstd, "zst"):
        packed = pack(rows)
        for what, size in ("after its first bytes", 5), ("in the middle", len(packed) // 2), ("before its last byte", len(packed) - 1):
            Case(f"{ending} cut {what}", packed[:size], file="in." + ending).fails(cli.INPUT, "in." + ending, "byte")
        flipped = bytearray(packed)
        flipped[len(packed) // 2] ^= 0x55
        Case(f"{ending} with a flipped bit", bytes(flipped), file="in." + ending).fails(cli.INPUT, "in." + ending)
        Case(f"{ending} with rubbish behind", packed + b"rubbish", file="in." + ending).fails(cli.INPUT, "in." + ending)
        Case(f"text under the name of {ending}", rows[:1000], file="in." + ending).fails(cli.INPUT, "in." + ending)
        case = Case(f"an empty file under the name of {ending}", b"", file="in." + ending)
        case.check(case.run(), (0, cli.INPUT), [])
        case = Case(f"two {ending} members in one file", pack(rows) + pack(rows), file="in." + ending)
        case.good("--max-bad", "0")
        checks.check(f"{case.name}: all rows are there", case.output("sealed.out").count(b"\n") == 40000)


def damaged_texts():
    binary = bytes(rng.randrange(256) for _ in range(200000))
    Case("a binary file", binary).fails(cli.INPUT, "in.ndjson", "row 1", "max-bad")
    case = Case("a binary file, all to the dead letters", binary)
    case.good("--max-bad", "100%")
    Case("an executable", cli.read("/bin/true")).fails(cli.INPUT, "in.ndjson", "row 1")
    deep = b'{"user":' + b"[" * 10000 + b"]" * 10000 + b"}"
    Case("10,000-deep lists", deep).fails(cli.INPUT, "row 1", "depth")
    Case("10,000-deep objects, never closed", b'{"a":' * 10000).fails(cli.INPUT, "row 1")
    Case("a million brackets", b"[" * 1000000).fails(cli.INPUT, "row 1")
    row = lambda inside: b'{"user":"' + SECRET.encode() + inside + b'","time":"2024-05-06T07:08:09Z"}'
    for what, inside, words in [
        ("a lone high surrogate", rb"\ud83d", ["surrogate"]),
        ("a lone low surrogate", rb"\ude00", ["surrogate"]),
        ("a reversed surrogate pair", rb"\ude00\ud83d", ["surrogate"]),
        ("a NUL byte", b"\x00", ["syntax"]),
        ("a raw control character", b"\x1f", ["syntax"]),
        ("invalid UTF-8", b"\xff", ["utf"]),
        ("a surrogate in UTF-8", b"\xed\xa0\x80", ["utf"]),
        ("an overlong slash", b"\xc0\xaf", ["utf"]),
        ("UTF-8 cut at the end of the row", b"\xf0\x9f\x98", ["utf"]),
        ("a wrong escape", rb"\q", ["syntax"]),
    ]:
        Case(what, ROW + b"\n" + row(inside)).fails(cli.INPUT, "in.ndjson", "row 2", *words)
    Case("only NUL bytes", bytes(100000)).fails(cli.INPUT, "row 1")
    Case("UTF-16", ROW.decode().encode("utf-16")).fails(cli.INPUT, "row 1")


def line_ends():
    for what, content, count in [
        ("an empty file", b"", 0),
        ("one line end", b"\n", 0),
        ("blank lines", b"\n\n  \n\t\r\n", 0),
        ("no line end at the end", ROW + b"\n" + ROW, 2),
        ("CRLF", ROW + b"\r\n" + ROW + b"\r\n", 2),
        ("a byte order mark", b"\xef\xbb\xbf" + ROW + b"\n", 1),
        ("blank lines between", b"\n" + ROW + b"\n\n" + ROW + b"\n\n", 2),
    ]:
        case = Case(what, content)
        case.good()
        checks.check(f"{what}: {count} events", case.output("sealed.out").count(b"\n") == count)
        checks.check(f"{what}: a keys file with {bool(count):d} keys", case.output("keys.csv").count(b"\r\n") == 1 + bool(count))
    Case("a byte order mark in the middle", ROW + b"\n\xef\xbb\xbf" + ROW).fails(cli.INPUT, "row 2")
    Case("an empty CSV file", b"", contract=CSV).fails(cli.INPUT, "header")
    Case("a CSV header cut in its quotes", b'user,"time', contract=CSV).fails(cli.INPUT, "in.ndjson", "header")
    case = Case("a CSV header alone", b"user,time\r\n", contract=CSV)
    case.good()
    case = Case("CSV with mixed line ends, a byte order mark and no end", b"\xef\xbb\xbfuser,time\na,2024-05-06T07:08:09Z\r\nb,2024-05-06T07:08:09Z", contract=CSV)
    case.good()
    checks.check(f"{case.name}: 2 events", case.output("sealed.out").count(b"\r\n") == 3)
    Case("CSV with a NUL", b"user,time\na\x00,2024-05-06T07:08:09Z\n", contract=CSV).fails(cli.INPUT, "row")
    Case("CSV with an open quote", b'user,time\n"a,2024-05-06T07:08:09Z\nb,c\n', contract=CSV).fails(cli.INPUT, "row")


def long_lines():
    """A line of 100 MB goes to the dead letters in parts, in bounded memory."""
    long = b'{"user":"' + SECRET.encode() + b"x" * 100_000_000 + b'"}'
    case = Case("a 100 MB line", ROW + b"\n" + long + b"\n" + ROW + b"\n")
    case.fails(cli.INPUT, "row 2", "size", binary=cli.SEALANE)
    code, peak, _, text = cli.measure("batch", "run", case.job, "--output-dir", case.out, "--vault", case.vault, "--max-bad", "1")
    checks.check(f"a 100 MB line, all to the dead letters, takes {peak} MiB of memory", code == 0 and peak < 100, text)
    parts = [json.loads(line)["deadLetter"] for line in cli.read(dead_name(case)).splitlines()]
    right = [p["part"] for p in parts] == list(range(1, len(parts) + 1)) and [p["last"] for p in parts] == [False] * (len(parts) - 1) + [True]
    checks.check(f"a 100 MB line: {len(parts)} parts in order, all of row 2", right and {p["row"] for p in parts} == {2} and len(parts) >= 95)
    checks.check("a 100 MB line: the rows around it are sealed", case.output("sealed.out").count(b"\n") == 2)
    opened = cli.run("open", dead_name(case), "--vault", case.vault, timeout=60)
    checks.check("a 100 MB line: the dead letters open to it", opened.code == 0 and opened.out == long + b"\n", (opened.code, opened.err, len(opened.out)))
    short = b'{"user":"' + SECRET.encode() + b"x" * 3_000_000
    Case("a 3 MB line that never ends, ASan", short).fails(cli.INPUT, "row 1", "size")
    case = Case("a 3 MB line, ASan", short + b"\n" + ROW)
    case.good("--max-bad", "1")


def dead_name(case):
    names = [n for n in cli.files_below(case.out) if "dead" in n]
    return os.path.join(case.out, names[0])


def definitions():
    with_fields = lambda **fields: {**CONTRACT, "fields": {**CONTRACT["fields"], **fields}}
    Case("no such contract", contract={**CONTRACT, "contract": "test/other/1.0.0"}).fails(cli.DEFINITION, "test/rubbish/1.0.0", "job.yaml")
    Case("no contract file at all", contract=None).fails(cli.DEFINITION, "no contract test/rubbish/1.0.0")
    for state in "draft", "in-review", "approved", "archived":
        Case(f"a contract in state {state}", contract={**CONTRACT, "state": state}).fails(cli.DEFINITION, state, "active")
    Case("a contract with a typo", contract={**CONTRACT, "feilds": {}}).fails(cli.DEFINITION, "contract.yaml", "feilds", "did you mean")
    Case("a field with a typo", contract=with_fields(a={"type": "string", "personnal": 1})).fails(cli.DEFINITION, "personnal", "did you mean")
    Case("an unknown purpose", contract=with_fields(a={"type": "string", "personal": "markting"})).fails(cli.DEFINITION, "markting")
    Case("a key that is no field", contract={**CONTRACT, "key": "usr"}).fails(cli.DEFINITION, "usr", "did you mean")
    Case("a broken regular expression", contract=with_fields(a={"type": "string", "match": "(["})).fails(cli.DEFINITION, "regular expression")
    case = Case("a contract that is no YAML")
    cli.write(os.path.join(case.at, "contract.yaml"), "contract: test/rubbish/1.0.0\nfields: {a: [}\n")
    case.fails(cli.DEFINITION)
    case = Case("a binary job")
    cli.write(case.job, bytes(range(256)) * 10)
    case.fails(cli.DEFINITION, "job.yaml")
    case = Case("an empty job")
    cli.write(case.job, "")
    case.fails(cli.DEFINITION, "job.yaml")
    case = Case("no job")
    os.remove(case.job)
    case.fails((cli.ENVIRONMENT, cli.DEFINITION), "job.yaml")
    case = Case("a job that is a folder")
    os.remove(case.job)
    os.mkdir(case.job)
    case.fails((cli.ENVIRONMENT, cli.DEFINITION), "job.yaml")
    Case("a CSV contract for JSON", contract=CSV).fails(cli.INPUT, "header")
    Case("a JSON contract for CSV", b"user,time\r\na,2024-05-06T07:08:09Z\r\n").fails(cli.INPUT, "row 1")
    Case("a job with a typo", seeled={"file": "x"}).fails(cli.DEFINITION, "seeled", "did you mean 'sealed'")
    Case("a job without input", input=...).fails(cli.DEFINITION, "input")
    Case("a job without a sealed target", sealed={}).fails(cli.DEFINITION, "sealed", "file")
    Case("a job without a name", job=...).fails(cli.DEFINITION, "job")
    Case("a derived target without purposes", derived=[{"file": "x"}]).fails(cli.DEFINITION, "purposes")
    Case("a derived target with a wrong consent", derived=[{"file": "x", "purposes": [1], "consent": "some"}]).fails(cli.DEFINITION, "granular", "cumulative")
    Case("a mask of no field", derived=[{"file": "x", "purposes": [1], "mask": {"usr": "hmac"}}]).fails(cli.DEFINITION, "usr")
    Case("a mask of a wrong form", derived=[{"file": "x", "purposes": [1], "mask": {"user": "md5"}}]).fails(cli.DEFINITION, "hmac", "murmur3")
    Case("a purpose of no purposes file", derived=[{"file": "x", "purposes": ["markting"]}]).fails(cli.DEFINITION, "markting")
    Case("keys of purposes that are none", keys={"file": "keys.csv", "purposes": [9]}).fails((cli.DEFINITION, cli.ENVIRONMENT), "purposes")
    Case("max_bad that is nothing", max_bad="few").fails(cli.DEFINITION, "max_bad")


def times():
    row = lambda time: b'{"user":"a"' + (b"" if time is None else b',"time":' + time) + b"}"
    for what, time, word in [
        ("a missing time", None, "time-missing"),
        ("a null time", b"null", "time-missing"),
        ("text for a time", b'"yesterday"', "time-form"),
        ("February 30", b'"2024-02-30T00:00:00Z"', "time-form"),
        ("February 29 of 2023", b'"2023-02-29T00:00:00Z"', "time-form"),
        ("hour 24", b'"2024-02-01T24:00:00Z"', "time-form"),
        ("no offset", b'"2024-02-01T23:00:00"', "time-form"),
        ("a number", b"17000000000", "type"),
        ("a time with a tail", b'"2024-05-06T07:08:09Z "', "time-form"),
        ("an empty time", b'""', "time-form"),
    ]:
        Case(what, ROW + b"\n" + row(time)).fails(cli.INPUT, "row 2", word, "field time")


def limits():
    bad = b"\n".join([ROW] * 98 + [BAD, BAD]) + b"\n"
    for options, code in [([], cli.INPUT), (["--max-bad", "1"], cli.INPUT), (["--max-bad", "2"], 0), (["--max-bad", "1.9%"], cli.INPUT), (["--max-bad", "2%"], 0), (["--max-bad", "100%"], 0), (["--max-bad", "0%"], cli.INPUT)]:
        case = Case(f"2 bad rows of 100, {' '.join(options) or 'no --max-bad'}", bad)
        if code == 0:
            case.good(*options)
            checks.check(f"{case.name}: 98 sealed, 2 dead letters", case.output("sealed.out").count(b"\n") == 98 and cli.read(dead_name(case)).count(b"\n") == 2)
            opened = cli.run("open", dead_name(case), "--vault", case.vault, binary=cli.SEALANE_ASAN)
            checks.check(f"{case.name}: the dead letters open", opened.code == 0 and opened.out == BAD + b"\n" + BAD + b"\n", opened.text)
        else:
            case.fails(code, "row 99", "max-bad", options=options)
    case = Case("max_bad in the job, overridden", bad, max_bad=100)
    case.fails(cli.INPUT, options=["--max-bad", "0"])
    case.good()
    for text in "many", "-1", "101%", "1.5", "", "1 %", "%", "99999999999999999999999":
        Case(f"--max-bad '{text}'").fails(cli.USAGE, "--max-bad", "usage:", options=["--max-bad", text])


def json_states():
    for case, code in (Case("states in JSON, done"), 0), (Case("states in JSON, bad row", BAD), cli.INPUT), (Case("states in JSON, no input", None), cli.ENVIRONMENT):
        result = case.run("-o", "json")
        case.check(result, code, [])
        try:
            lines = [json.loads(line) for line in result.out.splitlines()]
        except ValueError:
            lines = []
        states = [line["state"] for line in lines]
        right = states[:1] == ["PENDING"] and states[-1:] == ["FINISHED" if code == 0 else "ERROR" if code == cli.INPUT else "ERROR_STARTING"]
        checks.check(f"{case.name}: one object a line, in order, each with a time", right and all("time" in l for l in lines), result.text)
        if code:
            checks.check(f"{case.name}: message, file and remedy", {"message", "file", "remedy"} <= set(lines[-1]), lines[-1:])
        else:
            checks.check(f"{case.name}: figures", lines[-1]["events"] == 1 and lines[-1]["keys"] == 1 and lines[-1]["derived"][0]["events"] == 1, lines[-1])


def streams():
    case = Case("standard input and output", None, file="-", sealed="-")
    result = case.good(stdin=ROW + b"\n" + ROW)
    checks.check("standard input and output: the sealed rows come, and nothing else", result.out.count(b"\n") == 2 and all(json.loads(l)["strmMeta"] for l in result.out.splitlines()))
    case = Case("--input -", None)
    case.good("--input", "-", stdin=ROW)
    case = Case("--input of another file", None)
    case.good("--input", cli.write(os.path.join(case.at, "other"), ROW))
    case = Case("standard output for JSON states and rows", sealed="-")
    result = case.good("-o", "json")
    checks.check("standard output for JSON states and rows: states go to standard error", result.out.count(b"\n") == 1 and b"FINISHED" in result.err and b"PENDING" not in result.out)
    case = Case("a bad row behind what went to standard output", ROW + b"\n" + BAD, sealed="-")
    case.fails(cli.INPUT, "row 2")
    case = Case("a reader that goes away", (ROW + b"\n") * 50000, sealed="-")
    process = subprocess.Popen([cli.SEALANE_ASAN, "batch", "run", case.job, "--output-dir", case.out, "--vault", case.vault], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, **cli.SANITIZERS))
    process.stdout.read(10)
    process.stdout.close()
    err = process.stderr.read()
    case.check(cli.Result(process.wait(), b"", err, 0), cli.ENVIRONMENT, ["broken pipe"])
    for ending, unpack in ("gz", gzip.decompress), ("zst", lambda b: subprocess.run(["zstd", "-dc"], input=b, capture_output=True, check=True).stdout):
        pack = gzip.compress if ending == "gz" else zstd
        case = Case(f"{ending} in and out", pack(ROW + b"\n"), file="in." + ending, sealed="sealed." + ending, derived=[{"file": "view." + ending, "purposes": [1]}], keys={"file": "keys.csv." + ending})
        case.good()
        checks.check(f"{ending} in and out: the view holds the row", unpack(case.output("view." + ending)).startswith(ROW[:-1]))
        opened = cli.run("open", os.path.join(case.out, "sealed." + ending), "--vault", case.vault, binary=cli.SEALANE_ASAN)
        checks.check(f"{ending} in and out: it opens", opened.out == ROW + b"\n" and opened.code == 0, opened.text)


def files():
    Case("no such input", None).fails(cli.ENVIRONMENT, "in.ndjson", "no such file")
    case = Case("an input that is a folder", None)
    os.mkdir(os.path.join(case.at, "in.ndjson"))
    case.fails(cli.ENVIRONMENT, "in.ndjson", "directory")
    case = Case("an output folder that is a file")
    cli.write(case.out, b"kept")
    result = case.run()
    case.check(result, cli.ENVIRONMENT, ["out"])
    checks.check(f"{case.name}: the file is as before", cli.read(case.out) == b"kept")
    case = Case("a target that is a folder")
    os.makedirs(os.path.join(case.out, "sealed.out"))
    case.fails(cli.ENVIRONMENT, "sealed.out")
    Case("output folders that are made").good("--output-dir", os.path.join(folder, "a/b/c/d"))
    checks.check("output folders that are made: they are", os.path.exists(os.path.join(folder, "a/b/c/d/sealed.out")))
    case = Case("output = input", sealed="../in.ndjson")
    case.fails(cli.ENVIRONMENT, "in.ndjson")
    checks.check("output = input: the input is as before", cli.read(os.path.join(case.at, "in.ndjson")) == ROW + b"\n")
    case = Case("output = input by a link", sealed="link")
    os.mkdir(case.out)
    os.link(os.path.join(case.at, "in.ndjson"), os.path.join(case.out, "link"))
    case.check(case.run(), cli.ENVIRONMENT, ["link"])
    Case("two outputs of one name", keys={"file": "sealed.out"}).fails(cli.ENVIRONMENT, "sealed.out")
    Case("two views of one name", derived=[{"file": "v", "purposes": [1]}, {"file": "./v", "purposes": [1]}]).fails(cli.ENVIRONMENT, "v")
    Case("a very long name", sealed="x" * 300).fails(cli.ENVIRONMENT, "name")
    case = Case("an earlier result stays when the job fails")
    case.good()
    before = {n: case.output(n) for n in cli.files_below(case.out)}
    cli.write(os.path.join(case.at, "in.ndjson"), BAD)
    case.check(case.run(), cli.INPUT, ["row 1"])
    checks.check(f"{case.name}: it does", {n: case.output(n) for n in cli.files_below(case.out)} == before)
    mode = os.stat(os.path.join(case.out, "keys.csv")).st_mode & 0o777
    checks.check("the keys file is for its owner only", mode == 0o600, oct(mode))


def as_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def permissions():
    """What root may do, others may not: run as nobody."""
    if os.getuid() != 0:
        print("not root: permissions are tested as the user that runs this")
    before = as_nobody if os.getuid() == 0 else None
    binary = os.path.join(folder, "sealane")
    shutil.copy(cli.SEALANE_ASAN, binary)
    os.chmod(folder, 0o755)

    def case_of(name, **more):
        case = Case(name, **more)
        if before:
            for at in case.at, *(os.path.join(case.at, n) for n in cli.files_below(case.at)):
                os.chown(at, 65534, 65534)
        return case

    def fails(case, *words):
        case.fails(cli.ENVIRONMENT, *words, binary=binary, before=before)

    case = case_of("all as another user")
    case.good(binary=binary, before=before)
    case = case_of("an input that can not be read")
    os.chmod(os.path.join(case.at, "in.ndjson"), 0)
    fails(case, "in.ndjson", "permission")
    case = case_of("an unreadable folder of the input", file="sub/in.ndjson")
    os.chmod(os.path.join(case.at, "sub"), 0)
    fails(case, "in.ndjson", "permission")
    os.chmod(os.path.join(case.at, "sub"), 0o755)
    case = case_of("an unwritable output folder")
    os.mkdir(case.out)
    os.chmod(case.out, 0o555)
    if before:
        os.chown(case.out, 65534, 65534)
    fails(case, "out", "permission")
    case = case_of("an output folder that can not be made")
    os.chmod(case.at, 0o555)
    case.vault = os.path.join(folder, "nobody-vault")
    os.mkdir(case.vault)
    if before:
        os.chown(case.vault, 65534, 65534)
    fails(case, "out", "permission")
    case = case_of("a vault that can not be made")
    os.chmod(case.at, 0o555)
    fails(case, "vault", "permission")
    case = case_of("somebody else's vault")
    os.mkdir(case.vault, 0o700)
    if before:
        os.chown(case.vault, 0, 0)
        fails(case, "vault", "permission")


def full_disk():
    """A small tmpfs in a mount namespace of its own."""
    case = Case("a full disk", b"".join(b'{"user":"%d","time":"2024-05-06T07:08:09Z","x":"%s"}\n' % (n, b"y" * 500) for n in range(20000)), contract={**CONTRACT, "undeclared": "pass"})
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        checks.check("a mount namespace is to be had (run as root)", False)
        return
    for what, output, vault in ("a full disk", "small", case.vault), ("a full disk under the vault", case.out, "small/vault"):
        for size in "64k", "1m", "5m":
            if vault != case.vault and size == "5m":
                continue
            small = os.path.join(case.at, "small")
            os.makedirs(small, exist_ok=True)
            target = small if output == "small" else output
            script = f'mount -t tmpfs -o size={size} none {small} && {cli.SEALANE_ASAN} batch run {case.job} --output-dir {target} --vault {os.path.join(case.at, vault)}; code=$?; find {target} -name "*.out" -o -name "*.csv" -o -name "*.partial" 2>/dev/null | sed "s/^/LEFT /"; exit $code'
            process = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, env=dict(os.environ, **cli.SANITIZERS))
            result = cli.Result(process.returncode, process.stdout, process.stderr, 0)
            case.name = f"{what}, {size}"
            case.check(result, cli.ENVIRONMENT, ["space" if output == "small" else "make room"])
            checks.check(f"{case.name}: nothing left", b"LEFT" not in result.out, result.out.decode())
    shutil.rmtree(case.out, ignore_errors=True)
    case.name = "a limit of file sizes"
    case.fails(cli.ENVIRONMENT, "file", before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000)))


def vaults():
    case = Case("a good vault")
    case.good()
    root = os.path.join(case.vault, "root.key")
    checks.check("the root key is 32 bytes of mode 0600", os.stat(root).st_mode & 0o777 == 0o600 and os.stat(root).st_size == 32)
    key = cli.read(root)
    data = cli.read(os.path.join(case.vault, "data.mdb"))

    def fails(name, code, *words, options=()):
        case.name = name
        before = {n: case.output(n) for n in cli.files_below(case.out)}
        case.check(case.run(*options), code, words)
        checks.check(f"{name}: the earlier result stays", {n: case.output(n) for n in cli.files_below(case.out)} == before)

    os.chmod(root, 0o644)
    fails("a root key that all may read", cli.ENVIRONMENT, "root.key", "0644", "chmod 600")
    os.chmod(root, 0o600)
    cli.write(root, os.urandom(32))
    fails("a wrong root key", cli.KEYS, "does not open this vault")
    cli.write(root, key[:31])
    fails("a root key cut short", cli.KEYS, "root.key", "32 bytes")
    cli.write(root, b"")
    fails("an empty root key", cli.KEYS, "root.key")
    os.remove(root)
    fails("a root key that is gone", cli.KEYS, "root key", "missing")
    checks.check("a root key that is gone: none is made", not os.path.exists(root))
    elsewhere = cli.write(os.path.join(case.at, "elsewhere.key"), key)
    os.chmod(elsewhere, 0o600)
    case.name = "a root key elsewhere"
    case.good("--root-key", elsewhere)
    fails("a root key elsewhere that is not there", cli.KEYS, "nowhere.key", options=["--root-key", os.path.join(case.at, "nowhere.key")])
    cli.write(root, key)
    os.chmod(root, 0o600)
    mdb = os.path.join(case.vault, "data.mdb")
    for name, content, code in [
        ("a vault of rubbish", os.urandom(len(data)), cli.KEYS),
        ("a vault cut short", data[: len(data) // 2], cli.KEYS),
        ("a vault of zeros", bytes(len(data)), cli.KEYS),
        ("a vault of another version", data[:20] + b"\x09" + data[21:], cli.KEYS),
    ]:
        cli.write(mdb, content)
        if os.path.exists(os.path.join(case.vault, "lock.mdb")):
            os.remove(os.path.join(case.vault, "lock.mdb"))
        fails(name, code, "vault")
    for n in range(12):
        flipped = bytearray(data)
        at = rng.randrange(len(flipped))
        flipped[at] ^= 1 << rng.randrange(8)
        cli.write(mdb, bytes(flipped))
        case.name = f"a vault with bit flipped at {at}"
        case.check(case.run(), (0, cli.KEYS, cli.ENVIRONMENT), [])
    cli.write(mdb, data)
    case.name = "the vault as it was"
    case.good()
    other = Case("another vault")
    other.good()
    opened = cli.run("open", os.path.join(case.out, "sealed.out"), "--vault", other.vault, binary=cli.SEALANE_ASAN)
    checks.check("opened with another vault: nothing in clear", SECRET.encode() not in opened.out and not opened.has_report, opened.text)
    opened = cli.run("open", os.path.join(case.out, "sealed.out"), "--keys", os.path.join(other.out, "keys.csv"), binary=cli.SEALANE_ASAN)
    checks.check("opened with somebody else's keys file: nothing in clear, told so", SECRET.encode() not in opened.out and not opened.has_report and b"not opened" in opened.err, opened.text)
    busy = subprocess.Popen([cli.SEALANE, "batch", "run", case.job, "--input", "-", "--output-dir", case.out, "--vault", case.vault], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    while b"STARTED" not in busy.stderr.readline():
        pass
    fails("a vault in use", cli.ENVIRONMENT, "in use", str(busy.pid))
    busy.communicate(ROW)
    checks.check("a vault in use: its user ends well", busy.returncode == 0)
    case.name = "no vault named: the default is made below the home folder"
    home = os.path.join(case.at, "home")
    os.mkdir(home)
    result = cli.run("batch", "run", case.job, "--output-dir", case.out, binary=cli.SEALANE_ASAN, env={"HOME": home, "XDG_DATA_HOME": ""})
    case.check(result, 0, [])
    checks.check(f"{case.name}: it is there", os.path.exists(os.path.join(home, ".local/share/sealane/vault/root.key")))


def command_lines():
    case = Case("no arguments to batch run")
    for name, arguments, words in [
        ("no job", [], ["which job"]),
        ("two jobs", [case.job, case.job], ["one job"]),
        ("a wrong option", [case.job, "--colour"], ["colour", "usage:"]),
        ("-j 0", [case.job, "-j", "0"], ["-j"]),
        ("-j many", [case.job, "-j", "many"], ["-j"]),
        ("-o xml", [case.job, "-o", "xml"], ["xml"]),
        ("an option without its value", [case.job, "--vault"], ["vault"]),
    ]:
        result = cli.run("batch", "run", *arguments, binary=cli.SEALANE_ASAN)
        case.name = name
        case.check(result, cli.USAGE, words)


parts = [damaged_inputs, damaged_texts, line_ends, long_lines, definitions, times, limits, json_states, streams, files, permissions, full_disk, vaults, command_lines]
for part in parts:
    if len(sys.argv) == 1 or part.__name__ in sys.argv[1:]:
        part()
checks.end()
