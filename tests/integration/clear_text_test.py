#!/usr/bin/env python3
"""No output but the keys file and what a derived target may show holds a personal value, however it is spelled.

Every personal value is a marker of its own. After each run all that the run wrote (files, vault, both streams) is
searched for parts of the markers, long enough that random bytes do not hold them: raw, in hexadecimal and base64, and again after JSON's escapes (and those
of JSON within JSON) and percent signs have been undone.
"""

import base64
import gzip
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sealane_cli as cli

checks = cli.Checks()
folder = cli.scratch()
rng = cli.seeded("clear text")

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
ODD = ['"', "\\", "/", "\n", "\t", "\x01", "\x7f", "é", "ß", "漢", "字", "😀", "𝄞", "\u2028", "<", "&", "'", ",", "%", "{", "}"]


class Markers:
    """Distinct values, and the parts by which they would be known again."""

    def __init__(self):
        self.parts = {}

    def add(self, value, size):
        raw = value.encode()
        for at in range(0, len(raw) - size + 1, size):
            part = raw[at : at + size]
            # A part of odd characters only is no mark of this value: others have it too.
            if sum(chr(byte).isalnum() for byte in part if byte < 128) >= 5:
                self.parts[part] = value
        return value

    def text(self, is_odd=True):
        plain = "".join(rng.choice(LETTERS) for _ in range(20))
        if is_odd:
            for odd in rng.sample(ODD, 3):
                at = rng.randrange(8, len(plain))
                plain = plain[:at] + odd + plain[at:]
        return self.add(plain + "".join(rng.choice(LETTERS) for _ in range(12)), 8)

    def number(self):
        # Key ids, UUIDs and times have digits too: eight of them meet by chance once in some runs.
        return self.add(str(rng.randrange(10**23, 10**24)), 12)

    def take(self):
        """The markers so far, which are forgotten here."""
        taken = Markers()
        taken.parts, self.parts = self.parts, {}
        return taken

    def drop(self, values):
        """Markers without those that may be shown."""
        kept = Markers()
        kept.parts = {p: v for p, v in self.parts.items() if v not in values}
        return kept


_UNICODE = re.compile(rb"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})")
_SHORT = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def _unicode(match):
    if match.group(3):
        return chr(int(match.group(3), 16)).encode("utf-8", "surrogatepass")
    high, low = int(match.group(1), 16), int(match.group(2), 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00).encode()


def unescaped(content):
    content = _UNICODE.sub(_unicode, content)
    return re.sub(rb"\\([bfnrt\"\\/])", lambda m: _SHORT.get(m.group(1), m.group(1)), content)


def spellings(content):
    """The content as it is, and with what may hide a text undone."""
    yield "raw", content
    once = unescaped(content)
    yield "escapes undone", once
    yield "escapes undone twice", unescaped(once)
    if b"%" in content:
        yield "percent signs undone", urllib.parse.unquote_to_bytes(content)
    yield "doubled quotes undone", content.replace(b'""', b'"')
    for run in re.findall(rb"(?:[0-9a-fA-F]{2}){12,}", content):
        yield "hexadecimal", bytes.fromhex(run.decode())
    # Base64 may begin anywhere in a run of its letters.
    decoded = []
    for run in re.findall(rb"[A-Za-z0-9+/_-]{16,}", content):
        run = run.replace(b"-", b"+").replace(b"_", b"/")
        for shift in range(4):
            part = run[shift : shift + (len(run) - shift) // 4 * 4]
            decoded.append(base64.b64decode(part))
    yield "base64", b"\n".join(decoded)


def expand(name, content):
    if name.endswith(".gz"):
        return gzip.decompress(content)
    if name.endswith(".zst"):
        return subprocess.run(["zstd", "-dc"], input=content, capture_output=True, check=True).stdout
    return content


def find(markers, name, content):
    """The first marker that the content shows, with where and how; None = none."""
    for how, text in spellings(expand(name, content)):
        for part, value in markers.parts.items():
            if part in text:
                at = text.index(part)
                return f"{name} ({how}) shows a part of {value!r}: …{text[max(0, at - 60):at + 40]!r}…"
    return None


def search(what, markers, run, at, allowed=None):
    """Search the streams of a run and all files below a folder; allowed: file -> values that it may show."""
    found = [find(markers, "standard output", run.out), find(markers, "standard error", run.err)]
    count = 0
    for name in cli.files_below(at):
        if name.startswith("in/"):
            continue
        count += 1
        less = markers.drop(allowed[name]) if allowed and name in allowed else markers
        found.append(find(less, name, cli.read(os.path.join(at, name))))
    found = [f for f in found if f]
    checks.check(f"{what}: no marker in {count} files and both streams", not found, "\n".join(found))


def spelled(value):
    """A JSON string, some or all of it in escapes of either case."""
    out = []
    share = rng.choice([0, 0, 0.3, 1])
    for c in value:
        form = rng.choice(["\\u%04x", "\\u%04X"])
        if rng.random() < share:
            units = c.encode("utf-16-be")
            out.append("".join(form % int.from_bytes(units[i : i + 2], "big") for i in range(0, len(units), 2)))
        else:
            out.append("\\/" if c == "/" and rng.random() < 0.5 else json.dumps(c, ensure_ascii=False)[1:-1])
    return '"' + "".join(out) + '"'


FIELDS = {
    "id": {"type": "string", "personal": 1, "required": True},
    "name": {"type": "string", "personal": 1, "nullable": True, "match": "^[^!]*$", "length": [0, 200]},
    "mail": {"type": "string", "personal": 2, "unreadable": None},
    "age": {"type": "number", "personal": 2, "range": [0, None]},
    "home/street": {"type": "string", "personal": 2, "unreadable": "?"},
    "list/*": {"type": "any", "nullable": True, "personal": 1},
    "kind": {"type": "string", "personal": 3},
    "whole": {"type": "any", "nullable": True, "personal": 3},
    "bits": {"type": "array", "of": "integer", "personal": 3},
    "yes": {"type": "boolean", "personal": 3},
    "n": {"type": "integer", "personal": 1},
    "time": {"type": "string"},
    "consents": {"type": "any", "nullable": True},
}


def contract(undeclared):
    more = {"undeclared_purpose": 3} if undeclared == "seal" else {}
    return {"contract": "test/clear/1.0.0", "key": "id", "subject": "id", "time": {"field": "time"}, "consent": {"field": "consents"}, "undeclared": undeclared, "fields": FIELDS, **more}


VIEWS = [
    {"file": "out/view-1.ndjson", "purposes": [1], "mask": {"name": "hmac"}},
    {"file": "out/view-c2.ndjson", "purposes": [2], "consent": "cumulative", "mask": {"id": {"form": "murmur3", "seed": "s"}}},
]


def good_event(m, consents):
    """An event full of markers. Returns it, and the values of each purpose that a view may show."""
    of = {1: [], 2: [], 3: []}

    def text(purpose, *options):
        value = m.text(*options)
        of[purpose].append(value)
        return spelled(value)

    def number(purpose):
        value = m.number()
        of[purpose].append(value)
        return value

    members = [
        ('"id"', text(1)),
        ('"na\\u006de"', text(1)),
        ('"mail"', text(2)),
        ('"age"', number(2)),
        ('"home"', '{"street": ' + text(2) + ', "else": ' + text(3) + "}"),
        ('"list"', "[" + text(1) + "," + number(1) + ', {"in": ' + text(1) + "}]"),
        ('"kind"', text(3)),
        ('"whole"', '{"a": [' + text(3) + "," + number(3) + "]}"),
        ('"bits"', "[" + number(3) + "]"),
        ('"n"', number(1)),
        ('"extra"', text(3)),
        ('"more"', '{"deep": [{"er": ' + text(3) + "}, " + number(3) + "]}"),
        ('"time"', '"2024-05-06T07:08:09Z"'),
        ('"consents"', json.dumps(consents)),
    ]
    rng.shuffle(members)
    return ("{" + ", ".join(f"{k}:{v}" for k, v in members) + "}").encode(), of


def set_up(name, undeclared, content, file="in/in.ndjson", **more):
    at = os.path.join(folder, name)
    cli.write_definition(os.path.join(at, "in/contract.yaml"), contract(undeclared))
    cli.write(os.path.join(at, file), content)
    job = {"job": "clear", "input": {"file": "../" + file, "contract": "test/clear/1.0.0"}, "sealed": {"file": "out/sealed.ndjson"}, "keys": {"file": "out/keys.csv"}, "derived": VIEWS, **more}
    cli.write_definition(os.path.join(at, "in/job.yaml"), job)
    return at


def run_in(at, *options):
    return cli.run("batch", "run", os.path.join(at, "in/job.yaml"), "--output-dir", at, "--vault", os.path.join(at, "vault"), *options)


def check_good(undeclared, endings=""):
    m = Markers()
    allowed = {"out/view-1.ndjson" + endings: set(), "out/view-c2.ndjson" + endings: set()}
    rows = []
    for _ in range(60):
        consents = rng.choice([[], [1], [2], [1, 2], [3]])
        row, of = good_event(m, consents)
        rows.append(row)
        if 1 in consents:
            # The name is masked there.
            allowed["out/view-1.ndjson" + endings].update(of[1][:1] + of[1][2:])
        if consents and max(consents) >= 2:
            # The key is masked there.
            allowed["out/view-c2.ndjson" + endings].update(of[1][1:] + of[2])
    name = f"good rows, undeclared {undeclared}{endings}"
    views = [{**view, "file": view["file"] + endings} for view in VIEWS]
    at = set_up(name, undeclared, b"\n".join(rows), sealed={"file": "out/sealed.ndjson" + endings}, derived=views)
    for style in "text", "json":
        run = run_in(at, "-o", style)
        checks.check(f"{name}, -o {style}: done", run.code == 0, run.text)
        search(f"{name}, -o {style}", m, run, at, allowed)


def bad_rows(m):
    """Rows with every fault, with markers at the place of the fault and all around it."""
    event = lambda **change: {
        **{"id": m.text(), "name": m.text(), "mail": m.text(), "time": "2024-05-06T07:08:09Z", "list": [m.text()], "home": {"street": m.text()}, "kind": m.text(), "extra": m.text()},
        **change,
    }
    written = lambda value: json.dumps(value, ensure_ascii=rng.random() < 0.5).encode()
    without = lambda row, name: {k: v for k, v in row.items() if k != name}
    yield "required is missing", written(without(event(), "id"))
    yield "required is null", written(event(id=None))
    yield "key is a list", written(event(id=[m.text()]))
    yield "key is too long", written(event(id=m.text() * 200))
    yield "string is a number", written(event(mail=int(m.number())))
    yield "number is a string", written(event(age=m.text()))
    yield "number is out of range", b'{"age":-' + m.number().encode() + b"," + written(event())[1:]
    yield "integer with a fraction", b'{"n":1.' + m.number().encode() + b"," + written(event())[1:]
    yield "item of a wrong type", written(event(bits=[1, m.text()]))
    yield "boolean is a string", written(event(yes=m.text()))
    yield "step is a string", written(event(home=m.text()))
    yield "list is an object", written(event(list=m.text()))
    yield "no match", written(event(name=m.text() + "!"))
    yield "too long", written(event(name=m.text() * 9))
    yield "time is missing", written(without(event(), "time"))
    yield "time is no time", written(event(time=m.text()))
    yield "time is an object", written(event(time={"is": m.text()}))
    yield "has strmMeta", written(event(strmMeta={"keyLink": m.text()}))
    yield "declared name twice", written(event())[:-1] + b',"mail":' + written(m.text()) + b"}"
    yield "declared name twice, escaped", written(event())[:-1] + b',"m\\u0061il":' + written(m.text()) + b"}"
    yield "declared object twice", written(event())[:-1] + b',"home":{"street":' + written(m.text()) + b"}}"
    yield "no object", written([m.text()])
    yield "a string only", written(m.text())
    yield "no JSON at all", m.text(False).encode()
    yield "unterminated string", written(event())[:-1] + b',"z":"' + m.text(False).encode()
    yield "unterminated object", written(event())[:-1]
    yield "something behind it", written(event()) + m.text(False).encode()
    yield "wrong escape", written(event())[:-1] + b',"z":"' + m.text(False).encode() + b'\\x"}'
    yield "half a surrogate pair", written(event())[:-1] + b',"z":"' + m.text(False).encode() + b'\\ud800"}'
    yield "invalid UTF-8", written(event())[:-1] + b',"z":"' + m.text(False).encode() + b'\xff"}'
    yield "NUL byte", written(event())[:-1] + b',"z":"' + m.text(False).encode() + b'\x00"}'
    yield "marker as a name", b'{' + written(m.text()) + b":" + m.text(False).encode() + b"}"
    yield "too deep", written(event())[:-1] + b',"z":' + b'{"a":' * 200 + written(m.text()) + b"}" * 201
    yield "too many cells", written(event(list=[m.text(False) for _ in range(300)]))
    yield "too long an event", written(event(mail=m.text() + "x" * (1 << 20)))


def check_bad():
    everything = Markers()
    m = Markers()
    rows = []
    for n, (what, row) in enumerate(bad_rows(m)):
        good, _ = good_event(m, [])
        rows.append(row)
        own = m.take()
        everything.parts.update(own.parts)
        undeclared, style = [("seal", "text"), ("drop", "json")][n % 2]
        at = set_up("bad", undeclared, b"\n".join([good, row, good]))
        run = run_in(at, "-o", style)
        checks.check(f"{what}: refused, with its row", run.code == cli.INPUT and (b'"row":2' in run.err + run.out or b"row 2:" in run.err), f"{run.code}\n{run.text}")
        search(f"{what}, undeclared {undeclared}, -o {style}", own, run, at)
        shutil.rmtree(at)
    at = set_up("all bad", "seal", b"\n".join(rows))
    run = run_in(at, "--max-bad", "100%")
    checks.check("all of them to the dead letters: done", run.code == 0, run.text)
    letters = cli.read(os.path.join(at, "out/sealed.dead-letters.ndjson")).splitlines()
    seen = {json.loads(line)["deadLetter"]["row"] for line in letters}
    checks.check(f"each of the {len(rows)} rows has a dead letter", seen == set(range(1, len(rows) + 1)), seen)
    search("all of them to the dead letters", everything, run, at)


CSV = {
    "contract": "test/clear/1.0.0",
    "format": "csv",
    "key": "id",
    "time": {"field": "time"},
    "undeclared": "drop",
    "fields": {"id": {"type": "string", "personal": 1}, "mail": {"type": "string", "personal": 2, "match": "^[^!]*$"}, "age": {"type": "integer", "personal": 2, "nullable": True}, "time": "string"},
}


def check_csv():
    m = Markers()
    quoted = lambda v: '"' + v.replace('"', '""') + '"'
    row = lambda mail=None, age="7", time="2024-05-06T07:08:09Z", tail="": ",".join([quoted(m.text()), quoted(mail or m.text()), age, time, quoted(m.text())]) + tail
    header = "id,mail,age,time,extra\r\n"
    cases = [
        ("no match", header + row() + "\r\n" + row(mail=m.text() + "!")),
        ("no integer", header + row(age=quoted(m.text()))),
        ("no time", header + row(time=quoted(m.text()))),
        ("a column more", header + row(tail="," + quoted(m.text()))),
        ("a column less", header + quoted(m.text())),
        ("a stray quote", header + row(tail='x"' + m.text(False))),
        ("an open quote", header + row() + '\r\n"' + m.text(False) + ",1,2"),
        ("NUL", header + row(tail="\x00")),
        ("no header", row() + "\r\n" + row()),
        ("half a header", "id," + quoted(m.text()) + "\r\n" + row()),
        ("a column twice", "id,mail,age,time," + quoted(m.text()) + ",mail\r\n" + row()),
    ]
    own = m.take()
    for what, content in cases:
        at = os.path.join(folder, "csv")
        cli.write_definition(os.path.join(at, "in/contract.yaml"), CSV)
        cli.write(os.path.join(at, "in/in.csv"), content)
        cli.write_definition(os.path.join(at, "in/job.yaml"), {"job": "clear", "input": {"file": "in.csv", "contract": "test/clear/1.0.0"}, "sealed": {"file": "out/sealed.csv"}, "keys": {"file": "out/keys.csv"}})
        for options in ["-o", "json"], ["--max-bad", "100%"]:
            run = run_in(at, *options)
            allowed_codes = (0,) if options[:1] == ["--max-bad"] and "header" not in what and "twice" not in what else (cli.INPUT,)
            checks.check(f"CSV, {what} {' '.join(options)}: exit code", run.code in allowed_codes, f"{run.code}\n{run.text}")
            search(f"CSV, {what} {' '.join(options)}", own, run, at)
        shutil.rmtree(at)


def check_core():
    """A process that dies leaves no core file with values in it."""
    m = Markers()
    rows = [good_event(m, [1])[0] for _ in range(200)]
    at = set_up("core", "seal", b"")
    process = subprocess.Popen(
        [cli.SEALANE, "batch", "run", os.path.join(at, "in/job.yaml"), "--input", "-", "--output-dir", at, "--vault", os.path.join(at, "vault")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=at,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2),
    )
    process.stdin.write(b"\n".join(rows * 20) + b"\n")
    process.stdin.flush()
    while b"STARTED" not in process.stderr.readline():
        pass
    process.send_signal(6)
    process.wait()
    run = cli.Result(process.returncode, process.stdout.read(), process.stderr.read(), 0)
    process.stdin.close()
    checks.check("a crash ends the process", run.code == -6, run.code)
    search("a crash", m, run, at)


check_good("seal")
check_good("drop")
check_good("seal", ".gz")
check_good("drop", ".zst")
check_bad()
check_csv()
check_core()
# A search that finds nothing may be no search: each spelling must be found.
markers = Markers()
value = markers.text()
for how, content in [
    ("raw", value.encode()),
    ("escaped", ("".join("\\u%04X" % ord(c) if ord(c) < 65536 else c for c in value)).encode()),
    ("escaped twice", json.dumps(json.dumps(value)).encode()),
    ("base64", b"x" + base64.b64encode(b"ab" + value.encode())),
    ("hexadecimal", value.encode().hex().encode()),
    ("a part of it", b"..." + value.encode()[5:24]),
]:
    checks.check(f"the search finds a marker: {how}", find(markers, "sample", content) is not None)
checks.end()
