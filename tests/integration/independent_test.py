#!/usr/bin/env python3
"""Every line of every output of a batch job equals what an independent program computes from contract and input."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sealane_cli as cli
from event_model import Contract, CsvModel, HmacClasses, JsonModel, Lines, csv_records
from sealed_form import Keys

checks = cli.Checks()
folder = cli.scratch()
vault = os.path.join(folder, "vault")

EDIT_FIELDS = {
    "user": {"type": "string", "required": True, "personal": 1},
    "page": {"type": "string", "personal": 2, "unreadable": "sealed"},
    "comment": {"type": "string", "personal": 2, "iv": "random", "unreadable": "kept back: \"so\" é\\"},
    "cityName": {"type": "string", "nullable": True, "personal": 3, "unreadable": None},
    "regionName": {"type": "string", "nullable": True, "personal": 0, "unreadable": "?"},
    "countryName": {"type": "string", "nullable": True, "personal": 5},
    "metroCode": {"type": "integer", "nullable": True, "personal": 3},
    "isAnonymous": {"type": "boolean", "personal": 1, "unreadable": False},
    "delta": {"type": "integer", "personal": 2, "unreadable": 0},
    "channel": {"type": "string"},
    "time": {"type": "string", "required": True},
    "consents": {"type": "any", "nullable": True},
}
CONSENT = {"field": "consents", "otherwise": [0], "map": {"all": [0, 1, 2, 3, 5], "basic": [1], "none": [], "true": [1, 2]}}

EDIT_VIEWS = [
    {"file": "granular-1.out", "purposes": [1], "mask": {"user": "hmac", "page": "hmac", "channel": "hmac"}},
    {"file": "granular-12.out", "purposes": [1, 2], "mask": {"cityName": {"form": "murmur3", "seed": "hi-there"}}},
    {"file": "granular-0.out", "purposes": [0]},
    {"file": "granular-5.out", "purposes": [5], "mask": {"comment": "hmac", "user": {"form": "hmac", "seed": "other"}}},
    {"file": "cumulative-2.out", "purposes": [2], "consent": "cumulative", "mask": {"user": {"form": "murmur3", "seed": "hi-there"}, "channel": {"form": "murmur3"}}},
    {"file": "cumulative-5.out", "purposes": [5], "consent": "cumulative"},
    {"file": "cumulative-0.out", "purposes": [0, 1], "consent": "cumulative", "mask": {"regionName": {"form": "murmur3", "seed": "é"}}},
]


def consent_texts(rng):
    """A consent member's value as JSON text; None = no member."""
    levels = [str(n) for n in rng.sample([0, 1, 2, 3, 5], rng.randrange(6))]
    return rng.choice(
        [None, "null", "[]", "1", "2", "63", "64", '"2"', '" 3 "', '"[1, 2]"', '"all"', '"b\\u0061sic"', '"none"', "true", "false"]
        + ['"whatever"', '["1"]', "[1]", "[1.0]", "1.5", "-1", "[1,64]", "[1,1,0]", '"[1,2"', '"1,2"', '""', '"[ ]"', "1e0"]
        + ["[" + ",".join(levels) + "]", "[ " + " , ".join(levels) + " ]"] * 12
    )


def with_consents(lines, rng):
    """The edits with a consent member mixed in at a random place."""
    for line in lines:
        value = consent_texts(rng)
        if value is None:
            yield line
            continue
        member = b'"consents":' + value.encode()
        yield b"{" + member + b"," + line[1:] if rng.random() < 0.5 else line[:-1] + b"," + member + b"}"


def nested(lines, rng):
    """The edits in another shape: nesting, lists, maps, escapes, white space, what no contract names."""
    space = lambda: rng.choice(["", "", "", " ", "\t", "  "])
    spelled = lambda name: "".join(f"\\u{ord(c):04x}" if c in '"\\' or (ord(c) < 0x10000 and rng.random() < 0.1) else c for c in name)

    def text(value):
        if value is None or rng.random() < 0.5:
            return json.dumps(value, ensure_ascii=rng.random() < 0.3)
        quoted = json.dumps(value, ensure_ascii=False)[1:-1]
        if "\\" in quoted:
            return '"' + quoted + '"'
        return '"' + "".join(f"\\u{ord(c):04X}" if ord(c) < 0x10000 and rng.random() < 0.2 else c for c in quoted).replace("/", "\\/") + '"'

    def members(pairs):
        return "{" + space() + ("," + space()).join(f'"{spelled(n)}"{space()}:{space()}{v}{space()}' for n, v in pairs) + "}"

    def items(values):
        return "[" + space() + ("," + space()).join(v + space() for v in values) + "]"

    for line in lines:
        edit = json.loads(line)
        who = [("name", text(edit["user"])), ("first/last~x", text(edit["user"][::-1])), ("age", rng.choice(["44", "-0.5e+3", "null"]))]
        who += [("secret" + str(rng.randrange(3)), text(edit["comment"]))] * rng.randrange(2)
        who += [("flags", rng.choice(["[1, 2 ,3]", '{"a": "b"}', "true", '"x"', "null", "[]"]))]
        tags = [text(w) for w in edit["page"].split()[:4]] + rng.choice([[], ["null"], ["12"], ["[1]"]])
        homes = [members([("city", text(edit["cityName"])), ("zip", text("12345"))]) for _ in range(rng.randrange(3))]
        seen = [(w or "empty", members([("at", text(w)), ("n", "1")])) for w in dict.fromkeys(edit["page"].split()[:3])]
        event = [("who", rng.choice([members(rng.sample(who, len(who)))] * 6 + ["null"])), ("tags", items(tags)), ("homes", items(homes))]
        event += [("seen", members(seen)), ("when", text(edit["time"])), ("key", text(edit["user"]))]
        event += [("extra", rng.choice([text(edit["comment"]), '{"deep":[{"er":' + text(edit["page"]) + "}]}", "12", "null", "[ ]"]))]
        event += [("", text("no name"))] * (rng.random() < 0.1) + [("long" * 80, text("cut path"))] * (rng.random() < 0.1)
        consents = consent_texts(rng)
        event += [] if consents is None else [("consents", consents)]
        yield (space() + members(rng.sample(event, len(event))) + space()).encode()


NESTED_FIELDS = {
    "key": {"type": "string", "personal": 1, "required": True},
    "when": "string",
    "consents": {"type": "any", "nullable": True},
    "who/name": {"type": "string", "personal": 1},
    "who/first~1last~0x": {"type": "string", "personal": 2, "unreadable": ""},
    "who/age": {"type": "number", "nullable": True, "personal": 2, "unreadable": -1},
    "who/flags": {"type": "any", "nullable": True, "personal": 3, "unreadable": ["none", {"a": 1}]},
    "tags/*": {"type": "any", "nullable": True, "personal": 2, "unreadable": None},
    "homes/*/city": {"type": "string", "nullable": True, "personal": 3, "unreadable": "fail"},
    "homes/*/zip": {"type": "string", "personal": 1, "iv": "random"},
    "seen/*/at": {"type": "string", "personal": 0},
}
NESTED_VIEWS = [
    {"file": "n-1.out", "purposes": [1], "mask": {"who/name": "hmac", "homes/*/zip": {"form": "murmur3", "seed": "s"}}},
    {"file": "n-3.out", "purposes": [3]},
    {"file": "n-c2.out", "purposes": [2], "consent": "cumulative", "mask": {"who/first~1last~0x": "hmac", "seen/*/at": {"form": "murmur3", "seed": ""}}},
    {"file": "n-c5.out", "purposes": [5], "consent": "cumulative"},
]


def run_job(name, job, *options):
    path = os.path.join(folder, name, "job.yaml")
    cli.write_definition(path, job)
    result = cli.run("batch", "run", path, "--vault", vault, *options)
    return checks.check(f"{name}: the job finishes", result.code == 0, result.text)


def check_opened(name, lines, ending=b"\n"):
    """Opening with the keys file alone gives these lines."""
    at = os.path.join(folder, name)
    opened = cli.run("open", os.path.join(at, "sealed.out"), "--keys", os.path.join(at, "keys.csv"))
    expected = ending.join(lines) + ending
    checks.check(
        f"{name}: opening everything gives the {len(lines)} events back, byte for byte",
        opened.code == 0 and opened.out == expected,
        opened.err.decode() or first_difference(opened.out, expected),
    )


def first_difference(a, b):
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"byte {at}: {a[max(0, at - 80):at + 80]!r} is not {b[max(0, at - 80):at + 80]!r}"


def compare(name, model, rows, views, lines_of):
    """Take all rows through the model. Returns how many were checked."""
    sealed = Lines(lines_of("sealed.out"))
    derived = [Lines(lines_of(view["file"])) for view in views]
    fault = None
    count = 0
    try:
        for count, row in enumerate(rows, 1):
            model.row(row, sealed(), derived)
    except Exception as error:  # whatever the model chokes on is a difference, too
        fault = f"row {count}: {type(error).__name__} {error}\ninput {row!r}"
    checks.check(f"{name}: {count} sealed lines as computed, {model.sealed_count} fields opened", fault is None and sealed.is_through, fault)
    for view, lines in zip(views, derived):
        checks.check(f"{name}: {view['file']} is as computed, {lines.at} lines", fault is None and lines.is_through and lines.at > 0, fault)
    links = set(model.owner_of)
    checks.check(f"{name}: the keys file has just the {len(links)} key links of the events", set(model.keys.cipher) == links)
    late = [k for k, (_, day) in model.owner_of.items() if model.keys.expires_ms.get(k) != (day + 2556) * 86400000]
    checks.check(f"{name}: keys expire 2,556 days after their day", not late, late[:3])


def check_json(name, fields, views, rows, hmac, is_unusual=False, **more):
    definition = {"contract": "test/" + name + "/1.0.0", "key": more.pop("key"), "time": more.pop("time"), "consent": CONSENT, "fields": fields, **more}
    cli.write_definition(os.path.join(folder, name, "contract.yaml"), definition)
    cli.write(os.path.join(folder, name, "in.ndjson"), b"\n".join(rows) + b"\n")
    job = {"job": name, "input": {"file": "in.ndjson", "contract": definition["contract"]}, "sealed": {"file": "sealed.out"}, "keys": {"file": "keys.csv"}, "derived": views}
    if not run_job(name, job):
        return
    at = os.path.join(folder, name)
    model = JsonModel(Contract(definition), views, Keys(cli.read(os.path.join(at, "keys.csv"))), hmac)

    def lines_of(file):
        content = cli.read(os.path.join(at, file))
        assert content.endswith(b"\n") or not content
        return content.split(b"\n")[:-1]

    compare(name, model, rows, views, lines_of)
    # Undeclared members may be gone, and unusual escapes come back in the shortest spelling; else it is the input.
    check_opened(name, [model.opened(row) for row in rows])
    checks.check(f"{name}: the input is in that form already", is_unusual or [model.opened(row) for row in rows[:2000]] == rows[:2000])


def check_reference(name, rows, time, hmac, count):
    """A CSV job by the reference's own configuration."""
    fields = {
        "user": {"type": "string", "nullable": True, "personal": 1},
        "comment": {"type": "string", "nullable": True, "personal": 2},
        "city": {"type": "string", "nullable": True, "personal": 0},
        "pa\"ge": {"type": "string", "nullable": True, "personal": 3, "unreadable": 'not "you", no'},
        "when": "string",
        "channel": {"type": "string"},
    }
    ref = f"test/{name}/1.0.0"
    definition = {"contract": ref, "format": "csv", "key": "user", "undeclared": "pass", "fields": fields}
    mapping = {"all of it": [0, 1, 2, 3], "yes, one": [1], "no": []}
    views = [
        {"file": "c-1.out", "purposes": [1]},
        {"file": "c-02.out", "purposes": [0, 2], "mask": {"user": {"form": "murmur3", "seed": ""}}},
        {"file": "c-c2.out", "purposes": [2], "consent": "cumulative", "mask": {"city": {"form": "murmur3", "seed": "hi-there"}, "channel": {"form": "murmur3", "seed": "hi-there"}, "pa\"ge": {"form": "murmur3", "seed": "hi-there"}}},
    ]

    def target(file):
        return {"target": {"data_connector_ref": {"name": "local"}, "file_name": file, "data_type": {"csv": {"charset": "UTF-8"}}}}

    def derived(view):
        masks = view.get("mask", {})
        seed = next(iter(masks.values()))["seed"] if masks else ""
        return {
            **target(view["file"]),
            "consent_levels": view["purposes"],
            "consent_level_type": view.get("consent", "granular").upper(),
            "masked_fields": {"seed": seed, "hash_type": "", "field_patterns": {ref: {"field_patterns": list(masks)}, "test/other/1.0.0": {"field_patterns": ["when"]}}},
        }

    job = {
        "ref": {"id": "6a1e44cf-0d0a-4a0c-9d2b-0c4b6f7a1111"},
        "source_data": {"data_connector_ref": {"name": "local"}, "path_prefix": "sub/folder", "file_name": "in.csv", "data_type": {"csv": {"charset": "UTF-8"}}},
        "consent": {
            "default_consent_levels": [0],
            "consent_level_extractor": {"field": "may they?", "field_patterns": {k: {"consent_levels": v} for k, v in mapping.items()}},
        },
        "encryption": {"batch_job_group_id": "group-" + name, "timestamp_config": {"field": "when", "format": time["form"], "default_time_zone": {"id": time["zone"]}}},
        "event_contract_ref": {"handle": "test", "name": name, "version": "1.0.0"},
        "encrypted_data": target("sealed.out"),
        "encryption_keys_data": target("keys.csv"),
        "derived_data": [derived(v) for v in views],
    }
    at = os.path.join(folder, name)
    cli.write_definition(os.path.join(at, "contract.yaml"), definition)
    rng = cli.seeded(name)
    records = list(csv_rows(rows[:count], time, rng))
    cli.write(os.path.join(at, "sub/folder/in.csv"), b"\r\n".join(records) + b"\r\n")
    if not run_job(name, job if rng.random() < 0.5 else camel(job)):
        return
    model = CsvModel(
        Contract({**definition, "time": {"field": "when", **time}, "consent": {"field": "may they?", "otherwise": [0], "map": mapping}}),
        views,
        Keys(cli.read(os.path.join(at, "keys.csv"))),
        hmac,
    )
    model.use_header(records[0])

    def lines_of(file):
        found = csv_records(cli.read(os.path.join(at, file)))
        checks.check(f"{name}: {file} has the header in golden form", found[0] == model.header(), found[0])
        return found[1:]

    compare(name, model, records[1:], views, lines_of)
    opened = cli.run("open", os.path.join(at, "sealed.out"), "--keys", os.path.join(at, "keys.csv"))
    golden = b"".join(b",".join(c.raw if c.raw[:1] in (b"", b'"') else b'"' + c.raw + b'"' for c in model.cells(r)) + b"\r\n" for r in records)
    checks.check(f"{name}: opening gives the input's columns, quoted", opened.code == 0 and opened.out == golden, opened.err.decode() or first_difference(opened.out, golden))


def camel(value):
    """The same configuration in camelCase; keys that are data stay."""
    if isinstance(value, list):
        return [camel(v) for v in value]
    if not isinstance(value, dict):
        return value
    change = lambda k: k.split("_")[0] + "".join(p.capitalize() for p in k.split("_")[1:]) if k.replace("_", "").isalpha() and k.islower() else k
    return {change(k): camel(v) for k, v in value.items()}


def csv_rows(rows, time, rng):
    import datetime
    from zoneinfo import ZoneInfo

    def cell(value):
        text = "" if value is None else str(value)
        if '"' in text or "," in text or "\n" in text or "\r" in text or rng.random() < 0.3:
            return '"' + text.replace('"', '""') + '"'
        return text

    def written(moment):
        local = moment.astimezone(ZoneInfo(time["zone"]))
        form = time["form"]
        if form == "M/d/yyyy H:m":
            return f"{local.month}/{local.day}/{local.year} {local.hour}:{local.minute}"
        if form == "yyyy-MM-dd HH.mm.ss.nnnnnn:Z":
            return local.strftime("%Y-%m-%d %H.%M.%S.") + f"{local.microsecond:06}" + local.strftime(":%z")
        if form == "yyyy-MM-dd'T'HH:mm:ss.SSSXXX":
            return local.isoformat(timespec="milliseconds") if rng.random() < 0.7 else moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
        if form == "dd MMM yyyy hh:mm:ss a Z":
            return local.strftime("%d %b %Y %I:%M:%S %p %z")
        return local.strftime("%Y-%m-%d %H:%M:%S")

    yield 'pa""ge'.join(["user,\"comment\",city,\"", "\",when,\"may they?\",channel,\"delta, signed\""]).encode()
    consents = ["", "all of it", "yes, one", "no", "1", "[2]", "[0, 2]", "[]", "2,0", "x", " 3 ", "[1,2,3]", "64", "YES, ONE", "[0,1,2,3]"]
    for row in rows:
        edit = json.loads(row)
        moment = datetime.datetime.fromisoformat(edit["time"]) + datetime.timedelta(days=rng.randrange(3))
        values = [
            "" if rng.random() < 0.02 else edit["user"],
            edit["comment"] + ("\r\nline two" if rng.random() < 0.05 else ""),
            edit["cityName"],
            edit["page"],
            written(moment),
            rng.choice(consents),
            edit["channel"],
            edit["delta"],
        ]
        yield ",".join(map(cell, values)).encode()


def main():
    hmac = HmacClasses()
    lines = cli.edits()
    when = {"key": "user", "time": {"field": "time"}}
    check_json("edits", EDIT_FIELDS, EDIT_VIEWS, list(with_consents(lines, cli.seeded("edits"))), hmac, **when, undeclared="pass")
    deep = {"key": "key", "time": {"field": "when", "form": "rfc3339"}}
    part = lines[:6000]
    for name, rule in ("pass", {}), ("drop", {}), ("seal", {"undeclared_purpose": 2}):
        rows = list(nested(part, cli.seeded("nested-" + name)))
        check_json("nested-" + name, NESTED_FIELDS, NESTED_VIEWS, rows, hmac, is_unusual=True, **deep, undeclared=name, **rule)
    check_reference("reference", lines, {"form": "yyyy-MM-dd HH:mm:ss", "zone": "Europe/Amsterdam"}, hmac, 12000)
    for n, form in enumerate(["M/d/yyyy H:m", "yyyy-MM-dd HH.mm.ss.nnnnnn:Z", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "dd MMM yyyy hh:mm:ss a Z"]):
        check_reference(f"pattern-{n}", lines[n * 1000 :], {"form": form, "zone": "America/New_York" if n % 2 else "Asia/Kolkata"}, hmac, 1000)
    checks.end()


if __name__ == "__main__":
    main()
