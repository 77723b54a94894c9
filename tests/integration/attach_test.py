#!/usr/bin/env python3
"""Which journal, which tables and which process belong together: dataplanes that attach to control in good and bad order."""
import os
import re
import shutil
import signal
import subprocess
import time

from control_rig import (CONTROL, FAKE, WAIT_S, Process, appliance, check, checks, kill_all, log_text, make_appliance, sockets,
                         start_control, start_fake, status, wait_status, work)
from sealane_cli import read, write

KEY_ROW = re.compile(rb".{6}[\x70-\x7f].{9}(?=\x01\0\0\0\0\0\0\0)", re.S)


def in_vault():
    return status()["keys"]["in_vault"]


def attached(fake):
    """The number of the first key table's memory, once it works by a plane. None: it does not."""
    line = fake.wait_for("table ")
    return int(line.split()[1]) if line and fake.wait_for("applied") else None


def waits_for_keys(fake, count):
    """Whether so many new keys reach the vault."""
    before = in_vault()
    fake.tell(f"keys {count}")
    fake.wait_for("put")
    return wait_status(lambda s: s["keys"]["in_vault"] >= before + count)["keys"]["in_vault"] == before + count


def a_damaged_vault(control, fake):
    """A table that could not be warmed is not given out, however often it is asked for."""
    control.kill(signal.SIGTERM)
    fake.kill()
    data = os.path.join(appliance, "run/vault/data.mdb")
    whole = read(data)
    spoilt = bytearray(whole)
    rows = [m.end() for m in KEY_ROW.finditer(whole)]
    for at in rows:
        spoilt[at + 90] ^= 1
    write(data, bytes(spoilt))
    control = start_control()
    fake = start_fake()
    given = fake.wait_for("applied", 2)
    check("a vault whose keys are damaged warms no table", len(rows) > 100 and given is None, (len(rows), given))
    check("and the log says why", "the living keys can not be read" in log_text())
    control.kill()
    fake.kill()
    write(data, whole)
    control = start_control()
    fake = start_fake()
    fake.table = attached(fake)
    check("a whole one does", fake.table is not None)
    return control, fake


make_appliance()
try:
    control = start_control()
    fake = start_fake()
    fake.table = attached(fake)
    check("its keys become durable", waits_for_keys(fake, 300))
    control, fake = a_damaged_vault(control, fake)
finally:
    kill_all()
checks.end()
