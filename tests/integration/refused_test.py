#!/usr/bin/env python3
"""Definitions that can not be worked by are refused by `sealane apply` with their place, and the old ones stay.

What is wrong with a text is found by control, what the dataplane finds when it opens sinks comes back through control.
Needs root, for network namespaces.
"""

import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

checks = cli.Checks()
check = checks.check
folder = cli.scratch()
definitions = os.path.join(folder, "definitions")
example = os.path.join(cli.ROOT, "docs/examples/wikipedia")
contract = cli.read(os.path.join(example, "contract.yaml")).decode()
STREAMS = {
    name: {
        "contract": "wikimedia/edit/1.0.0",
        "listen": {"port": port, "mode": "plain"},
        "sealed": {"files": name},
        "dead_letters": {"null": True},
    }
    for name, port in (("first", 7001), ("second", 7002))
}
FILES = {"contracts/edit.yaml": contract, "purposes.yaml": cli.read(os.path.join(example, "purposes.yaml"))}

# What policies are compiled of that no dataplane could work by: line of a field, and what the refusal says.
BROKEN_FIELDS = {
    "an open bracket": ("  bad: {type: string, match: '('}", "broken regular expression, byte 2: missing closing parenthesis"),
    "half a character": ("  bad: {type: string, match: '\\C'}", "broken regular expression, byte 3"),
    "a look back without an end": ("  bad: {type: string, match: '(?<=a*)b'}", "broken regular expression"),
    "a class out of order": ("  bad: {type: string, match: '[z-a]'}", "broken regular expression, byte 4: range out of order"),
    "too large when compiled": ("  bad: {type: string, match: '((((a{9,999}){99}){99}){99})'}", "broken regular expression"),
    "too long a path": ("  " + "p" * 300 + ": {type: string, personal: research}", "has too long a path"),
}


def changed(name, text):
    """A copy of the definitions with one file of another text."""
    copy = os.path.join(folder, "changed")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(definitions, copy)
    cli.write(os.path.join(copy, name), text)
    return copy


def stays(a, epoch, what):
    report = a.report()
    check(f"{what}: the old ones stay", report["dataplane"]["epoch"] == epoch and report["control"]["definitions"] == definitions, report["control"])


def check_policies(a):
    epoch = a.report()["dataplane"]["epoch"]
    for what, (line, says) in BROKEN_FIELDS.items():
        text = contract.rstrip("\n") + "\n" + line + "\n"
        copy = changed("contracts/edit.yaml", text)
        place = f"{copy}/contracts/edit.yaml:{len(contract.rstrip().splitlines()) + 1}:"
        for verb, result in (("validate", cli.run("validate", "streams", copy)), ("apply", a.cli("apply", "-f", copy))):
            check(f"{what}: {verb} says where", result.code == cli.DEFINITION and place in result.text and says in result.text, result.text)
    stays(a, epoch, "broken policies")


def check_sinks(a):
    epoch = a.report()["dataplane"]["epoch"]
    closed = os.path.join(folder, "closed")
    os.mkdir(closed, 0o700)
    for what, sink, says in (
        ("a folder that is not the dataplane's", {"files": closed + "/second"}, "Permission denied"),
        ("a folder that is a file", {"files": definitions + "/purposes.yaml"}, "Not a directory"),
        ("a spool that can not be", {"files": "second", "spool": {"directory": closed + "/spool", "size": "1 GiB"}}, "Permission denied"),
    ):
        copy = changed("streams/second.yaml", "")
        cli.write_definition(os.path.join(copy, "streams/second.yaml"), {"stream": "second", **STREAMS["second"], "sealed": sink})
        result = a.cli("apply", "-f", copy)
        place = sink["files"] if "spool" not in sink else sink["spool"]["directory"]
        check(f"{what}: refused", result.code == cli.ENVIRONMENT and "nothing has changed" in result.text, result.text)
        check("with the stream's file", result.text.startswith(copy + "/streams/second.yaml: the dataplane refuses it: "), result.text)
        check("with the folder, the reason and what to do", place in result.text and says in result.text and "\n    " in result.text, result.text)
    stays(a, epoch, "sinks that can not be opened")
    check("the dataplane's log says it, too", closed + "/second" in a.text_of_logs(), a.text_of_logs()[-1500:])
    a.send(7002, cli.edits()[:50])
    check("and events flow", box.wait_until(lambda: a.delivered() >= 50), a.report())


a = box.Appliance(folder, STREAMS, files=FILES)
check("the appliance is up", a.start(), a.text_of_logs()[-3000:])
check_policies(a)
check_sinks(a)
checks.end()
