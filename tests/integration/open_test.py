#!/usr/bin/env python3
"""`sealane open`, `validate contract` and `explain contract` as people and scripts use them.

The 39,244 real edits are sealed once; then they are opened in every way there is, and in every way that must not work.
"""

import csv
import gzip
import io
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sealane_cli as cli

checks = cli.Checks()
check = checks.check
folder = cli.scratch()
examples = os.path.join(cli.ROOT, "docs/examples")
contract = os.path.join(examples, "wikipedia/contract.yaml")
plain = gzip.open(cli.EDITS).read()


def at(*names):
    return os.path.join(folder, *names)


def job(name, definition):
    return cli.write_definition(at(name + ".yaml"), definition)


def run_job(file, *arguments):
    result = cli.run("batch", "run", file, *arguments)
    check(f"the job {os.path.basename(file)} runs", result.code == cli.DONE, result.text)


def check_fails(what, result, code, *words):
    text = result.err.decode("utf-8", "replace")
    check(what, result.code == code and all(word in text for word in words), f"{result.code}: {text}")


def prepare():
    for name in ("contract.yaml", "purposes.yaml"):
        shutil.copy(os.path.join(examples, "wikipedia", name), at(name))
    definition = {
        "job": "edits",
        "input": {"file": cli.EDITS, "contract": "wikimedia/edit/1.0.0"},
        "group": "edits",
        "sealed": {"file": "sealed.ndjson.zst"},
        "keys": {"file": "keys.csv"},
        "derived": [{"file": "analytics.ndjson", "purposes": ["analytics"], "consent": "granular"}],
    }
    run_job(job("job", definition), "--vault", at("vault"), "--output-dir", folder)
    run_job(job("job", definition), "--vault", at("other"), "--output-dir", at("others"))


def check_round_trip():
    keys, vault = ("--keys", at("keys.csv")), ("--vault", at("vault"))
    result = cli.run("open", at("sealed.ndjson.zst"), *keys)
    check("with keys alone the edits come back byte for byte", result.code == 0 and result.out == plain)
    check("and standard error says how many", b"39244 events, 132047 fields opened" in result.err, result.err)
    result = cli.run("open", at("sealed.ndjson.zst"), *vault, "--output", at("opened.ndjson.gz"), "--quiet")
    check("with the vault too, into a compressed file", result.code == 0 and gzip.open(at("opened.ndjson.gz")).read() == plain)
    check("and quietly", result.err == b"", result.err)
    with open(at("sealed.ndjson.zst"), "rb") as file:
        result = cli.run("open", "-", *keys, stdin=file)
    check("from standard input", result.code == 0 and result.out == plain, result.err)
    result = cli.run("open", at("analytics.ndjson"), *vault)
    events = [json.loads(line) for line in result.out.splitlines()]
    wanted = [json.loads(line) for line in plain.splitlines()]
    # What the view may not read and its contract makes null is gone for good.
    lost = {"cityName", "regionName", "regionIsoCode", "countryName", "countryIsoCode", "metroCode"}
    same = [{k: v for k, v in e.items() if k not in lost} == {k: v for k, v in w.items() if k not in lost} for e, w in zip(events, wanted)]
    check("a derived file opens as well", result.code == 0 and len(same) == 39244 and all(same), result.err)


def check_purposes():
    result = cli.run("open", at("sealed.ndjson.zst"), "--vault", at("vault"), "--purposes", "1")
    events = [json.loads(line) for line in result.out.splitlines()]
    wanted = [json.loads(line) for line in plain.splitlines()]
    check("purpose 1: users are there", [e["user"] for e in events] == [e["user"] for e in wanted])
    check("what has another purpose is not", all(e["comment"] != w["comment"] for e, w in zip(events, wanted) if "comment" in w))
    check("and is what the vault's contract says", all(e["cityName"] is None for e in events))
    bare = cli.run("open", at("sealed.ndjson.zst"), "--keys", at("keys.csv"), "--purposes", "1")
    cities = [json.loads(line)["cityName"] for line in bare.out.splitlines()]
    check("without a contract it stays sealed", any(city is not None and city.startswith("A") for city in cities))
    named = cli.run("open", at("sealed.ndjson.zst"), "--keys", at("keys.csv"), "--purposes", "1", "--contract", contract)
    check("with the contract by hand it is the same as with the vault", named.out == result.out, named.err)
    none = cli.run("open", at("sealed.ndjson.zst"), "--keys", at("keys.csv"), "--purposes", "9")
    check("nothing asked for is no error", none.code == 0 and b"0 fields opened" in none.err, none.err)


def check_refusals():
    sealed = at("sealed.ndjson.zst")
    output = at("refused.ndjson")
    text = subprocess.run(["zstdcat", sealed], capture_output=True, check=True).stdout

    def fails(what, code, *words, file=sealed, how=("--vault", at("vault")), stdin=None):
        check_fails(what, cli.run("open", file, *how, "--output", output, stdin=stdin), code, *words)
        check("    and leaves no file", not os.path.exists(output))

    fails("someone else's keys file", cli.KEYS, "none of the 132047 sealed fields", "this keys file is not of this file",
          how=("--keys", at("others/keys.csv")))
    fails("someone else's vault", cli.KEYS, "this vault is not of this file", how=("--vault", at("other")))
    shutil.copy(at("other/root.key"), at("wrong.key"))
    fails("a wrong root key", cli.KEYS, "root key", how=("--vault", at("vault"), "--root-key", at("wrong.key")))
    fails("no vault", cli.KEYS, "no vault", how=("--vault", at("nowhere")))
    fails("no keys file", cli.ENVIRONMENT, "nowhere.csv", how=("--keys", at("nowhere.csv")))
    fails("a keys file that is none", cli.KEYS, "no keys file", how=("--keys", contract))
    fails("no input", cli.ENVIRONMENT, "nowhere", file=at("nowhere"))
    fails("neither keys nor vault", cli.USAGE, "--keys", how=())
    fails("both", cli.USAGE, "do not go together", how=("--keys", "k", "--vault", "v"))
    fails("a purpose that is none", cli.USAGE, "--purposes", how=("--keys", "k", "--purposes", "analytics"))
    fails("the unsealed edits", cli.INPUT, "row 1", "no strmMeta", file=cli.EDITS)
    fails("a cut text", cli.INPUT, "row", "cut off", file="-", stdin=text[:100000])
    cli.write(at("cut.zst"), cli.read(sealed)[:10000])
    fails("a cut compressed file", cli.INPUT, "cut.zst", file=at("cut.zst"))
    cli.write(at("garbage"), bytes(cli.seeded("garbage").randbytes(100000)))
    fails("garbage", cli.INPUT, "no sealed file", file=at("garbage"))
    cli.write(at("nul"), b"{" + bytes(100000))
    fails("NUL bytes", cli.INPUT, "row 1", file=at("nul"))
    cli.write(at("long"), b'{"a":"' + b"x" * 8000000 + b'"}')
    fails("a row of 8 MB", cli.INPUT, "row 1", file=at("long"))
    lines = text.splitlines(keepends=True)
    place = lines[1].index(b'"user":"') + 30
    lines[1] = lines[1][:place] + (b"B" if lines[1][place : place + 1] != b"B" else b"C") + lines[1][place + 1 :]
    result = cli.run("open", "-", "--keys", at("keys.csv"), stdin=b"".join(lines))
    opened, wanted = result.out.splitlines(), plain.splitlines()
    check("a changed field is the only one not opened", result.code == 0 and [i for i in range(len(wanted)) if opened[i] != wanted[i]] == [1])
    check("it is counted", b"1 fields, changed, or sealed under another key" in result.err, result.err)
    check("an empty file is one without events", cli.run("open", "-", "--keys", at("keys.csv"), stdin=b"").code == 0)


def check_pipe():
    command = f"{cli.SEALANE} open {at('sealed.ndjson.zst')} --keys {at('keys.csv')} | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    check("| head -n 1 gives the first event", result.stdout == plain[: plain.index(b"\n") + 1])
    check("and no complaint", result.stderr == b"", result.stderr)


def check_csv():
    rows = [["user", "city", "n", "extra/one"], ["Ann", "Neu-Ulm", "1", 'a "b", c'], ["Bob", "", "2", "line\nfeed"], ["Ann", "Köln", "3", "~"]]
    text = "".join(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\r\n" for row in rows)
    cli.write(at("rows.csv"), text)
    cli.write_definition(at("rows-contract.yaml"), {
        "contract": "test/rows/1.0.0", "state": "active", "format": "csv", "key": "user", "undeclared": "seal", "undeclared_purpose": 2,
        "fields": {"user": {"type": "string", "personal": 1}, "city": {"type": "string", "personal": 2}, "n": "string"}})
    run_job(job("rows-job", {
        "job": "rows", "input": {"file": "rows.csv", "contract": "rows-contract.yaml"}, "group": "rows",
        "sealed": {"file": "rows-sealed.csv"}, "keys": {"file": "rows-keys.csv"}}), "--vault", at("vault"))
    sealed = cli.read(at("rows-sealed.csv"))
    check("CSV is sealed", b"Neu-Ulm" not in sealed and b"line\nfeed" not in sealed)
    result = cli.run("open", at("rows-sealed.csv"), "--keys", at("rows-keys.csv"))
    check("CSV comes back byte for byte", result.out == text.encode(), result.text)
    result = cli.run("open", "-", "--vault", at("vault"), "--purposes", "1", stdin=sealed)
    opened = list(csv.reader(io.StringIO(result.out.decode(), newline="")))
    check("CSV for purpose 1", [row[0] for row in opened] == [row[0] for row in rows] and opened[1][1] != "Neu-Ulm", result.text)
    result = cli.run("open", "-", "--vault", at("vault"), stdin=sealed[:-40])
    check("a cut CSV is refused", result.code == cli.INPUT, result.text)


def check_dead_letters():
    long = b'{"user":"' + bytes(cli.seeded("long").choices(b"abcdefgh", k=3000000)) + b'"}'
    bad = [b'{"user":1}', b'{"user":"\xff"}', b"nonsense", long, b'{"user":"x"} ']
    cli.write(at("bad.ndjson"), b"\n".join(bad) + b"\n")
    cli.write_definition(at("bad-contract.yaml"), {
        "contract": "test/bad/1.0.0", "state": "active", "format": "json", "key": "user",
        "fields": {"user": {"type": "string", "personal": 1, "match": "^never$"}}})
    run_job(job("bad-job", {
        "job": "bad", "input": {"file": "bad.ndjson", "contract": "bad-contract.yaml"}, "group": "bad",
        "sealed": {"file": "bad-sealed.ndjson"}, "dead_letters": {"file": "dead.ndjson.gz"}, "max_bad": "100%"}), "--vault", at("vault"))
    result = cli.run("open", at("dead.ndjson.gz"), "--vault", at("vault"))
    check("dead letters open to the rows as they were", result.out == b"\n".join(bad) + b"\n", result.err)
    check("and are counted", b"5 events from dead letters" in result.err, result.err)
    check_fails("not with a keys file", cli.run("open", at("dead.ndjson.gz"), "--keys", at("keys.csv")), cli.KEYS, "--vault")
    check_fails("not for some purposes", cli.run("open", at("dead.ndjson.gz"), "--vault", at("vault"), "--purposes", "1"), cli.KEYS, "--purposes")
    check_fails("not with another vault", cli.run("open", at("dead.ndjson.gz"), "--vault", at("other")), cli.KEYS, "row 1")
    lines = gzip.open(at("dead.ndjson.gz")).read().splitlines(keepends=True)
    missing = [line for line in lines if b'"part":2,' not in line]
    check("there were parts", len(missing) < len(lines))
    check_fails("a part is missing", cli.run("open", "-", "--vault", at("vault"), stdin=b"".join(missing)), cli.INPUT, "part")


def check_validate():
    typo = cli.read(contract).replace(b"  comment:\n", b"  coment:\n").replace(b"  cityName: ", b"  ctyName: ")
    cli.write(at("typo.yaml"), typo)
    result = cli.run("validate", "contract", contract, "--sample", cli.EDITS)
    check("the example is valid, and its sample without complaint", result.code == 0 and result.err == b"" and b": ok: " in result.out, result.text)
    result = cli.run("validate", "contract", at("typo.yaml"), "--sample", cli.EDITS, "--sample-rows", "500")
    check("a typo in a path is warned about", result.code == 0 and b"typo.yaml:" in result.err and b"did you mean comment?" in result.err
          and b"did you mean cityName?" in result.err, result.text)
    check("and the real names are listed", b"in clear: cityName, comment" in result.out, result.text)
    check("--strict makes it an error", cli.run("validate", "contract", at("typo.yaml"), "--sample", cli.EDITS, "--strict").code == cli.DEFINITION)
    cli.write(at("wrong.yaml"), cli.read(contract).replace(b"type: string", b"type: strin"))
    check_fails("a wrong contract", cli.run("validate", "contract", at("wrong.yaml")), cli.DEFINITION, "wrong.yaml:21:", "did you mean 'string'?")
    check_fails("no contract", cli.run("validate", "contract", at("nowhere.yaml")), cli.DEFINITION, "nowhere.yaml")
    check_fails("no sample", cli.run("validate", "contract", contract, "--sample", at("nowhere")), cli.ENVIRONMENT, "nowhere")
    clicks = os.path.join(examples, "clickstream")
    result = cli.run("validate", "contract", clicks + "/contract.yaml", "--sample", clicks + "/clicks.ndjson")
    check("bad events of a sample are counted", b"row 137: warning: 1 of 200 events" in result.err and b"match" in result.err, result.text)
    check("undeclared names are listed", b"sealed: debug" in result.out, result.text)
    result = cli.run("validate", "contract", at("rows-contract.yaml"), "--sample", at("rows.csv"))
    check("a sample of CSV", result.code == 0 and b"3 events tried, 3 good" in result.out and b"extra/one" in result.out, result.text)


def check_explain():
    clicks = os.path.join(examples, "clickstream")
    events = cli.read(clicks + "/clicks.ndjson").splitlines()
    result = cli.run("explain", "contract", clicks + "/contract.yaml", "--event", "-", stdin=events[1] + b"\n" + events[136])
    lines = [line.strip() for line in result.out.splitlines()]
    shown = [json.loads(line) for line in lines if line.startswith(b"{")]
    wanted = json.loads(events[1])
    check("explain --event shows it before, sealed and derived", result.code == 0 and len(shown) == 5, result.text)
    check("as it was", shown[0] == wanted)
    check("sealed", shown[1]["customer"]["id"] != wanted["customer"]["id"] and shown[1]["strmMeta"]["consentLevels"] == [0, 2])
    check("for the service", shown[2]["customer"]["id"] == "customer-2" and shown[2]["referrer"] is None)
    check("for marketing", shown[3]["customer"]["id"] is None)
    check("not without consent", lines.count(b"does not get this event: its person has not consented to that") == 2, result.text)
    check("and why an event is refused", any(b"Refused: a value does not match its regular expression: url (match)" in line for line in lines), result.text)
    result = cli.run("explain", "contract", contract)
    check("explain alone tells of each field", result.code == 0 and b"SEALED for analytics" in result.out)
    check("in 100 columns", max(map(len, result.out.decode().splitlines())) <= 100)


prepare()
check_round_trip()
check_purposes()
check_refusals()
check_pipe()
check_csv()
check_dead_letters()
check_validate()
check_explain()
checks.end()
