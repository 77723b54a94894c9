#!/usr/bin/env python3
"""A dataplane with its memory in huge pages, and one that finds too few of them.

Reserves some and gives them back at the end. Needs root, for that and for network namespaces.
"""

import atexit
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import appliance as box
import sealane_cli as cli

PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/"
PAGE_MIB = 2
MEMORY_MIB = 128
ENOUGH = MEMORY_MIB // PAGE_MIB
EXAMPLE = os.path.join(cli.ROOT, "docs/examples/wikipedia")
FILES = {
    "contracts/edit.yaml": cli.read(os.path.join(EXAMPLE, "contract.yaml")),
    "purposes.yaml": cli.read(os.path.join(EXAMPLE, "purposes.yaml")),
}
STREAMS = {
    "edits": {
        "contract": "wikimedia/edit/1.0.0",
        "listen": {"port": 7001, "mode": "plain"},
        "sealed": {"files": "edits"},
        "dead_letters": {"files": "dead"},
    },
}

checks = cli.Checks()
check = checks.check
edits = cli.edits()[:6000]


def pages(name):
    return int(cli.read(PAGES + name))


def reserved():
    """Without those that are only there until who has them ends."""
    return pages("nr_hugepages") - pages("surplus_hugepages")


def change(count):
    """So many pages more or less; others may change the number at the same time."""
    with open(PAGES + "nr_hugepages", "w", encoding="ascii") as file:
        file.write(str(max(0, reserved() + count)))


def reserve():
    """Is there enough now?"""
    if not os.path.exists(PAGES):
        return False
    before = reserved()
    with open("/proc/sys/vm/compact_memory", "w", encoding="ascii") as file:
        file.write("1")
    change(4 * ENOUGH)  # tables of keys take some, too
    atexit.register(change, before - reserved())
    return pages("free_hugepages") >= 4 * ENOUGH


def huge_mib(pid):
    """Memory of a process in huge pages, besides the tables of keys, which are control's to place."""
    total, is_table = 0, False
    for line in cli.read(f"/proc/{pid}/smaps").decode().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_table = "memfd:sealane" in line
        found = re.match(r"(?:Shared|Private)_Hugetlb: +(\d+) kB", line)
        total += int(found[1]) if found and not is_table else 0
    return total // 1024


# A /dev with a vhost-net that is none, seen by this one process.
FALSE_VHOST = """
mount -t tmpfs none /mnt && mkdir /mnt/net
for name in null zero random urandom net/tun; do touch /mnt/$name && mount --bind /dev/$name /mnt/$name || exit 1; done
touch /mnt/vhost-net && chmod 666 /mnt/vhost-net && mount --move /mnt /dev && exec "$@"
"""


def run(what, settings, line, is_huge, before=()):
    """An appliance that does its work; `line` is what its first lines must say."""
    a = box.Appliance(cli.scratch(), STREAMS, settings={"frames": 4096, "memory_mib": MEMORY_MIB, **settings}, files=FILES)
    a.start_control()
    a.start_dataplane(*before)
    started = a.wait_for_policy()
    said = cli.read(os.path.join(a.folder, "dataplane.log")).decode()
    check(f"{what}: control and dataplane start", started, a.text_of_logs())
    check(f"{what}: the dataplane says so", re.search(line, said), said)
    used = huge_mib(a.dataplane.pid)
    good = 0 < used <= MEMORY_MIB if is_huge else used == 0
    check(f"{what}: memory in huge pages is as it should be", good, f"{used} MiB")
    for address in (box.OWN, box.OWN6):
        answer = a.ping(address, 4000)
        check(f"{what}: {address} answers pings", answer is None, answer)
    a.send(7001, edits)
    check(f"{what}: all events come through", box.wait_until(lambda: a.delivered() >= len(edits), 10), a.report())
    check(f"{what}: the dataplane drains and ends", a.stop(a.dataplane) == 0, a.text_of_logs())
    check(f"{what}: control ends", a.stop(a.control) == 0, a.text_of_logs())
    check(f"{what}: opened, all is as it was", a.opened("edits") == edits)
    a.remove()


def refuse(what, settings):
    """More frames than memory_mib has room for."""
    a = box.Appliance(cli.scratch(), STREAMS, settings={"frames": 16384, "memory_mib": 64, **settings}, files=FILES)
    a.start_control()
    a.start_dataplane()
    try:
        code = a.dataplane.wait(15)
    except subprocess.TimeoutExpired:
        code = None
    text = cli.read(os.path.join(a.folder, "dataplane.log")).decode()
    good = code == 1 and "no memory for 16384 frames" in text and "raise memory_mib" in text
    check(f"{what}: no more than memory_mib is taken", good, (code, text))
    a.remove()


if reserve():
    run("huge pages", {}, r"in huge pages;", True)
    refuse("huge pages", {})
    before = ["unshare", "-m", "--propagation", "private", "sh", "-c", FALSE_VHOST, "sh"]
    run("vhost-net that fails", {}, r"served by system calls: /dev/vhost-net", True, before)
    free = pages("free_hugepages") * PAGE_MIB
    run("too few of them", {"memory_mib": free + 1024}, r"MiB of huge pages are free .* small pages are used\n(?s:.*)in small pages;", False)
else:
    print(f"this machine has not {4 * ENOUGH} huge pages to give: only the start without them is tested")
run("none wanted", {"huge_pages": "never"}, r"(?m)^sealane-dataplane: memory: \d+ MiB .* in small pages;", False)
refuse("none wanted", {"huge_pages": "never"})
checks.end()
