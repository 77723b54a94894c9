#!/usr/bin/env python3
"""The benches say what scripts rely on: keys of bench/compare's JSON, the floor of its ratio, bench/batch's figures.

Times are the thread's own and rounds take turns, so that the ratio holds on a busy machine; the floor is far below what
is measured on a quiet one (docs/performance.md)."""
import json, pathlib, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RATIO_FLOOR = 1.5
faults = 0


def check(is_right, text):
    global faults
    if not is_right:
        faults += 1
        print(f"wrong: {text}")


def run(*command):
    done = subprocess.run([ROOT / "bench" / command[0], *command[1:]], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench/{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def is_rate(value):
    return isinstance(value, (int, float)) and value > 0


def test_compare():
    report = json.loads(run("compare", "--quick", "-o", "json"))
    check(report["version"] == 1, "version")
    for name in ("events_per_second", "ns_per_event", "ratio_to_parts", "ratio_to_straightforward"):
        check(is_rate(report[name]), f"{name}: {report.get(name)}")
    check(len(report["parts"]) == 4 and all(map(is_rate, report["parts"].values())), f"parts: {report['parts']}")
    check(report["verified"] > 0 and report["events"] == 39244, "events opened and compared")
    check(report["ratio_to_straightforward"] >= RATIO_FLOOR, f"the turn is only {report['ratio_to_straightforward']} × the straightforward way")
    text = run("compare", "--users", "real", "--rounds", "1", "--rows", "2000")
    check("turn / straightforward" in text, "the table for people")


def test_compare_usage():
    for arguments in (["--rounds", "0"], ["--users", "some"], ["-o", "xml"], ["more"]):
        done = subprocess.run([ROOT / "bench/compare", *arguments], capture_output=True, text=True, check=False)
        check(done.returncode == 2 and "usage" in done.stderr, f"bench/compare {' '.join(arguments)} ends with {done.returncode}")


def test_batch():
    report = json.loads(run("batch", "-o", "json", "--size", "20", "--users", "5000", "--rounds", "1"))
    case = report["cases"][0]
    check(case["keys"] == 5000 and case["events"] > 40000, f"keys and events: {case}")
    check(is_rate(case["megabytes_per_second"]) and is_rate(case["ratio_to_straightforward"]), f"rates: {case}")
    check(is_rate(case["peak_rss_megabytes"]), "peak memory")


test_compare()
test_compare_usage()
test_batch()
sys.exit(1 if faults else 0)
