#!/usr/bin/env python3
"""bench/demo, the first command of README.md: it shows what it says, in less than three minutes, and leaves nothing behind;
nor does it when it is interrupted. Needs root."""
import json
import os
import re
import signal
import subprocess
import sys
import time

from sealane_cli import ROOT, Checks

DEMO_S = 180  # once the packages are there
CLEAN_S = 8  # to stop all after an interrupt
SEALED = "cityName comment countryIsoCode countryName page regionIsoCode regionName user".split()

checks = Checks()
check = checks.check


def heed_interrupts():
    """Who runs these tests behind an ampersand has them ignored, and bash can not trap what was."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start():
    """In a session of its own, so that an interrupt reaches all of it as it would from a terminal."""
    return subprocess.Popen([os.path.join(ROOT, "bench/demo")], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=heed_interrupts, env={k: v for k, v in os.environ.items() if not k.startswith("SEALANE")})


def leftovers(demo):
    """Namespaces and processes that are still there: by the demo's number and session; control and dataplane by this tree."""
    found = [n for n in os.listdir("/run/netns") if n.startswith("sealane-demo-") and n.endswith(f"-{demo.pid}")] if os.path.isdir("/run/netns") else []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            state, _, _, session = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[:4]
            words = open(f"/proc/{pid}/cmdline").read().replace("\0", " ")
            is_ours = os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(ROOT)
        except OSError:
            continue
        if state != "Z" and (int(session) == demo.pid or is_ours and re.search(r"sealane-(control -c build/demo|dataplane --control /tmp/sealane-demo\.)", words)):
            found.append(f"process {pid}: {words}")
    return found


def interfaces():
    return sorted(n for n in os.listdir("/sys/class/net") if n in ("veth-peer", "veth-sealane", "sealane0"))


def run_folders():
    """That this tree's last demo made, and that are there."""
    config = os.path.join(ROOT, "build/demo/appliance/sealane.yaml")
    named = re.findall(r"(?m)^run_directory: (/tmp/sealane-demo\..*)$", open(config).read()) if os.path.exists(config) else []
    return [n for n in named if os.path.exists(n)]


def is_locked():
    """Has a demo this tree for itself?"""
    lock = os.path.join(ROOT, "build/demo.lock")
    return os.path.exists(lock) and f":{os.stat(lock).st_ino} " in open("/proc/locks").read()


def line_after(text, title):
    """The first event that is shown under a title."""
    return json.loads(re.search(r"^\{.*$", text[text.index(title):], re.M)[0])


def shows_it_all():
    before = interfaces()
    started = time.monotonic()
    demo = start()
    while not is_locked() and demo.poll() is None and time.monotonic() < started + DEMO_S:
        time.sleep(0.05)
    second = start()
    said = second.communicate(timeout=DEMO_S)[0]
    check("a second one in this tree says why not", second.returncode == 1 and b"another bench/demo runs" in said, said)
    text = demo.communicate(timeout=DEMO_S)[0].decode()
    check("it ends well", demo.returncode == 0, text[-3000:])
    check("within three minutes", time.monotonic() - started < DEMO_S)
    check("live numbers", len(re.findall(r"(?m)^edits +7001 plain ", text)) == 3 and "answers pings" in text, text[-3000:])
    check("a load that tells what came through", re.search(r"came through \d+", text) is not None)
    check("a day of edits, sealed and acknowledged", "39244 events sent, 39244 stored" in text)
    plain = line_after(text, "7. One edit before")
    sealed = line_after(text, "sealed: what the appliance stored")
    derived = line_after(text, "derived for research")
    opened = line_after(text, "opened again with the vault")
    personal = [name for name in SEALED if plain[name] is not None]
    check("an event before", len(personal) == len(SEALED) and "strmMeta" not in plain, plain)
    check("sealed", all(re.fullmatch(r"[A-Za-z0-9+/]{30,}=*", sealed[n]) for n in personal) and sealed["time"] == plain["time"] and "keyLink" in sealed["strmMeta"], sealed)
    check("derived: open for research", {n: derived[n] for n in plain} == plain and "strmMeta" in derived, derived)
    check("opened: as it was", opened == plain, opened)
    check("all of them", "yes: 39244 events opened, byte for byte the input" in text)
    check("the same by a batch job", "FINISHED processed 39244 events" in text)
    check("nothing is left", not leftovers(demo) and interfaces() == before and not run_folders(), leftovers(demo) + interfaces() + run_folders())


def is_interrupted(at, wait_s, number=signal.SIGINT):
    before = interfaces()
    demo = start()
    seen = b""
    while at not in seen:
        some = os.read(demo.stdout.fileno(), 65536)
        if not some:
            break
        seen += some
    time.sleep(wait_s)
    os.killpg(demo.pid, number)
    try:
        rest = demo.communicate(timeout=CLEAN_S)[0]
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGKILL)
        rest = b"does not end"
    name = at.decode()
    check(f"{number.name} at {name}: it ends by it", demo.returncode == 128 + number, (demo.returncode, (seen + rest).decode()[-1500:]))
    check("and nothing is left", not leftovers(demo) and interfaces() == before and not run_folders(), leftovers(demo) + interfaces() + run_folders())


if os.geteuid() != 0:
    print("needs root, for network namespaces")
    sys.exit(1)
shows_it_all()
is_interrupted(b"2. A link", 0.05)
is_interrupted(b"3. Control and dataplane", 0.5)
is_interrupted(b"4. Load", 1)
is_interrupted(b"5. A day", 0.3)
is_interrupted(b"3. Control and dataplane", 0, signal.SIGTERM)
checks.end()
