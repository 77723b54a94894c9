#!/usr/bin/env python3
"""Which journal, which tables and which process belong together: dataplanes that attach to control in good and bad order."""
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

from control_rig import (BUILD, CONTROL, FAKE, WAIT_S, Process, appliance, apply, check, checks, config, kill_all, log_text, make_appliance, sealane,
                         sockets, start_control, start_fake, status, wait_status, work)
from sealane_cli import DONE, ENVIRONMENT, SEALANE, read, write

# A key's link; then number of its wrapping key, day 0, scope, time.
KEY_ROW = re.compile(rb".{6}[\x70-\x7f].{9}(?=\x01\0\0\0\0\0\0\0[\x01-\x10]\0{7}.{5}\x01\0\0)", re.S)
ROW_SIZE = 168

# Says a message to a socket, and how much is answered.
TELL = """
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.send(bytes.fromhex(sys.argv[2]))
print(len(s.recv(65536)))
"""


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


def a_broken_journal(control, fake):
    fake.tell("rubbish")
    fake.wait_for("put rubbish")
    now = wait_status(lambda s: "problem" in str(s["keys"]))
    check("a journal with rubbish in it is told of", "none that a sound dataplane writes" in str(now), now["keys"])
    before = fake.table
    fake.kill()
    fake = start_fake()
    check("the next dataplane gets a journal", fake.wait_for("welcome") == "welcome journal 1")
    fake.table = attached(fake)
    check("and tables that know nothing of the one before", fake.table not in (None, before), (fake.table, before))
    check("its keys become durable", waits_for_keys(fake, 100), status()["keys"])
    return control, fake


def a_living_dataplane_with_a_broken_journal(control, fake):
    """Control is started anew, and what comes back to it can not be gone on with."""
    control.kill()
    fake.tell("rubbish")
    fake.wait_for("put rubbish")
    control = start_control()
    fake.wait_for("lost")
    check("it is turned away", fake.wait_for("lost") is not None and status()["dataplane"] is None, log_text()[-500:])
    fake.kill()
    fake = start_fake()
    fake.table = attached(fake)
    check("another one is served", fake.table is not None, log_text()[-500:])
    check("and its keys become durable", waits_for_keys(fake, 100), status()["keys"])
    # Again, with a journal of before at hand.
    older = fake
    older.popen.send_signal(signal.SIGSTOP)
    control.kill()
    control = start_control()
    fake = start_fake()
    attached(fake)
    fake.kill()
    older.tell("rubbish")
    older.popen.send_signal(signal.SIGCONT)
    older.wait_for("put rubbish")
    for _ in range(3):
        older.wait_for("lost")
    older.kill()
    fake = start_fake()
    fake.table = attached(fake)
    check("a journal of before serves again", fake.table is not None and waits_for_keys(fake, 100), status()["keys"])
    return control, fake


def a_journal_without_tables(control, fake):
    """Positions in a key table are those of its journal: tables of one are never used beside another."""
    older = fake
    older.order("forget")
    older.popen.send_signal(signal.SIGSTOP)
    control.kill()
    control = start_control()
    fake = start_fake()
    table = attached(fake)
    fake.tell("keys 50")
    fake.wait_for("put")
    fake.kill()
    older.popen.send_signal(signal.SIGCONT)
    older.table = attached(older)
    check("a journal that comes alone gets tables of its own", older.table not in (None, table), (older.table, table))
    check("and goes on", waits_for_keys(older, 100), status()["keys"])
    return control, older


def a_dataplane_that_does_not_wait(control, fake):
    """It brings its journal and dies before it is welcome: what it left is made whole all the same."""
    older = fake
    older.order("part")
    older.tell("hole")
    older.tell("keys 50")
    older.wait_for("put 50")
    older.popen.send_signal(signal.SIGSTOP)
    control.kill()
    control = start_control()
    control.popen.send_signal(signal.SIGSTOP)
    older.popen.send_signal(signal.SIGCONT)
    parted = older.wait_for("parted")
    at = len(log_text())
    control.popen.send_signal(signal.SIGCONT)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and "is gone" not in log_text()[at:]:
        time.sleep(0.02)
    check("a dataplane goes before it is welcome", parted and "is gone" in log_text()[at:], log_text()[at:])
    fake = start_fake()
    check("while it lives nobody gets its journal", fake.wait_for("welcome", 1) is None, log_text()[at:])
    older.kill()
    fake.table = attached(fake)
    check("then the next one does", fake.table is not None, log_text()[at:])
    check("a hole in it stops nobody", waits_for_keys(fake, 100), status()["keys"])
    check("and is told of", status()["keys"]["holes"] == 1, status()["keys"])
    return control, fake


def a_damaged_vault(control, fake):
    """A table that could not be warmed is not given out, however often it is asked for."""
    control.kill(signal.SIGTERM)
    fake.kill()
    data = os.path.join(appliance, "run/vault/data.mdb")
    whole = read(data)
    spoilt = bytearray(whole)
    found = {m.end() for m in KEY_ROW.finditer(whole)}
    # Whole ones, as one stands behind them: not what is left of others in a page of another kind.
    rows = [at for at in found if at + ROW_SIZE in found and at % 4096 + 2 * ROW_SIZE <= 4096]
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


def a_disk_that_fails(control, fake):
    """LMDB takes nothing more then: control ends, so that the next one opens the vault anew; the dataplane and its keys wait."""
    broken = os.path.join(work, "broken")
    control.kill(signal.SIGTERM)
    control = start_control({
        "LD_PRELOAD": os.path.join(BUILD, "tests/failing_disk.so"), "FAILING_DISK": broken, "ASAN_OPTIONS": "verify_asan_link_order=0"})
    check("it attaches", fake.wait_for("applied") is not None)
    before = in_vault()
    renamed = os.path.join(work, "renamed")
    shutil.copytree(appliance, renamed, ignore=shutil.ignore_patterns("run"))
    stream = os.path.join(renamed, "streams/edits.yaml")
    write(stream, read(stream).replace(b"stream: edits\n", b"stream: others\n"))
    write(broken, "")
    done = sealane("apply", "-f", renamed)
    check("definitions that it can not keep are no worse for it", done.code == ENVIRONMENT and b"nothing has changed" in done.err, done.text)
    fake.tell("keys 100")
    fake.wait_for("put")
    until = time.monotonic() + WAIT_S
    while control.popen.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    code = control.popen.poll()
    check("control ends over a disk that fails", code == ENVIRONMENT and "the disk has failed under a write" in log_text(), (code, log_text()[-500:]))
    fake.tell("keys 100")
    fake.wait_for("put")
    os.unlink(broken)
    control = start_control()
    now = wait_status(lambda s: s["keys"]["in_vault"] >= before + 200)
    check("the next one has all keys", now["keys"]["in_vault"] == before + 200, now["keys"])
    fake.table = attached(fake)
    return control, fake


def a_change_under_way(control, fake):
    """Control dies before the answer: what was not answered does not hold. And an answer that comes late counts."""
    other = os.path.join(work, "b")
    shutil.copytree(appliance, other, ignore=shutil.ignore_patterns("run"))
    fake.order("mute")
    asking = Process(SEALANE, "apply", "-f", other, env={"SEALANE_CONFIG": config})
    check("a change that is not answered", fake.wait_for("ignored") is not None)
    time.sleep(0.3)  # whatever control does after the sending
    control.kill()
    asking.popen.wait(WAIT_S)
    shift = write(os.path.join(work, "shift"), "0")
    control = start_control({
        "LD_PRELOAD": os.path.join(BUILD, "tests/shifted_clock.so"), "SHIFT_FILE": shift, "SHIFT_ALL": "1",
        "ASAN_OPTIONS": "verify_asan_link_order=0"})
    fake.wait_for("applied")
    check("the one before it holds", status()["control"]["definitions"] == appliance, status()["control"])
    fake.order("hold")
    asking = Process(SEALANE, "apply", "-f", other, env={"SEALANE_CONFIG": config}, log=os.path.join(work, "apply.log"))
    fake.wait_for("held")
    before = status()["control"]["epoch"]
    write(shift, "40")
    code = asking.popen.wait(WAIT_S)
    said = read(os.path.join(work, "apply.log"))
    check("a dataplane that is late is told of", code == ENVIRONMENT and b"has not answered" in said, (code, said))
    check("and nobody says that nothing will change", b"nothing has changed" not in said, said)
    done = sealane("apply", "-f", appliance)
    check("another change waits for it", done.code == ENVIRONMENT and b"another change is on its way" in done.err, done.text)
    fake.tell("answer")
    fake.wait_for("applied")
    now = wait_status(lambda s: s["control"]["epoch"] > before)
    check("its answer counts all the same", now["control"]["epoch"] == now["dataplane"]["epoch"] > before and now["control"]["definitions"] == other, now["control"])
    check("and the next change goes through", sealane("apply", "-f", appliance).code == DONE and fake.wait_for("applied") is not None)
    control.kill()
    control = start_control()
    fake.table = attached(fake)
    return control, fake


def figures_of_a_dataplane_that_stays(control, fake):
    """Status tells what the dataplane has, not what the definitions that came after it say."""
    control.kill(signal.SIGTERM)
    fake.kill()
    plain = read(config)
    write(config, plain.replace(b"worker_cores: [any]", b"worker_cores: [0]") + b"journal_records: 10000\n")
    control = start_control()
    check("without a journal its size is as asked for", status()["keys"]["journal_records"] == 10000, status()["keys"])
    fake = start_fake()
    attached(fake)
    now = status()
    cores = [w.get("core") for w in now["dataplane"]["workers"]]
    check("a journal's size is the journal's", now["keys"]["journal_records"] == 16384, now["keys"])
    check("a worker's core is its own, and one that is not pinned has none", cores == [0, None], now["dataplane"])
    control.kill()
    write(config, plain.replace(b"worker_cores: [any]", b"worker_cores: [1, 0]") + b"journal_records: 8192\n")
    control = start_control()
    fake.wait_for("applied")
    now = status()
    cores = [w.get("core") for w in now["dataplane"]["workers"]]
    check("another control's settings do not change it", now["keys"]["journal_records"] == 16384 and cores == [0, None], (now["keys"], cores))
    streams = [os.path.join(appliance, "streams", name) for name in ("edits.yaml", "edits-sealed.yaml")]
    for path in streams:
        write(path, read(path).replace(b"table: 20000", b"table: 15000"))
    check("smaller tables are asked for", apply().code == DONE and fake.wait_for("applied") is not None)
    kept = [s["keys_max"] for s in status()["streams"]]
    check("the larger ones stay, and are told of", kept == [20000, 20000], kept)
    for path in streams:
        write(path, read(path).replace(b"table: 15000", b"table: 20000"))
    write(config, plain)
    control.kill()
    control = start_control()
    fake.table = attached(fake)
    return control, fake


def an_epoch_beyond_all(control, fake):
    """Epochs only go up; a dataplane that says it is at the last one would leave none for the next plane."""
    fake.kill()
    size = int(subprocess.run([FAKE, "--message-size"], capture_output=True, text=True).stdout)
    hello = struct.pack("=IIQIIII", 1, 1, 2**64 - 1, 0, 0, 0, 0).ljust(size, b"\0")
    # A process of its own: while it lives, control takes it for the dataplane.
    done = subprocess.run([sys.executable, "-c", TELL, os.path.join(sockets, "dataplane.sock"), hello.hex()], capture_output=True, timeout=WAIT_S)
    check("a hello from the end of time is not answered", done.stdout.strip() == b"0", done)
    fake = start_fake()
    fake.table = attached(fake)
    check("and leaves epochs for others", fake.table is not None, log_text()[-500:])
    return control, fake


def a_clock_that_was_ahead(control, fake):
    """Links only ascend, so keys of a wrong time to come shift the windows of all that follow: people are told."""
    shift = write(os.path.join(work, "ahead"), str(3 * 86400))
    ahead = {"LD_PRELOAD": os.path.join(BUILD, "tests/shifted_clock.so"), "SHIFT_FILE": shift, "ASAN_OPTIONS": "verify_asan_link_order=0"}
    control.kill(signal.SIGTERM)
    fake.kill()
    control = start_control(ahead)
    fake = Process(FAKE, sockets, env=ahead)
    attached(fake)
    check("keys of a clock that is ahead become durable", waits_for_keys(fake, 100))
    check("which nobody is told of yet", "newest key" not in log_text())
    # Both are killed under way, and the clock is right from then on.
    control.popen.send_signal(signal.SIGSTOP)
    fake.tell("keys 100")
    fake.wait_for("put")
    control.kill()
    control = start_control()
    check("those that were on their way, too", wait_status(lambda s: s["dataplane"] and s["keys"]["waiting"] == 0)["keys"]["waiting"] == 0, log_text()[-500:])
    check("that the clock was ahead is told", "newest key" in log_text(), log_text()[-500:])
    check("a dataplane that started then is up for as long as it is", status()["dataplane"]["uptime_s"] < 3600, status()["dataplane"])
    fake.kill()
    fake = start_fake()
    fake.table = attached(fake)
    check("keys are made as before", waits_for_keys(fake, 100), log_text()[-500:])
    return control, fake


def another_pid_namespace():
    """A process that control can not watch: whether it lives could not be known, and its journal would be taken from it."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("      no namespaces here")
        return
    other = os.path.join(work, "n")
    shutil.copytree(appliance, other, ignore=shutil.ignore_patterns("run"))
    log = os.path.join(work, "namespace.log")
    control = Process("unshare", "--pid", "--fork", "--kill-child", CONTROL, "-c", os.path.join(other, "sealane.yaml"), log=log)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and b"ready in" not in read(log):
        time.sleep(0.02)
    fake = Process(FAKE, os.path.join(other, "run/sockets"))
    check("a dataplane that control can not watch is turned away", fake.wait_for("welcome", 1) is None, read(log))
    check("the log says why", b"can not be watched" in read(log), read(log))
    fake.kill()
    control.kill()


make_appliance()
try:
    control = start_control()
    fake = start_fake()
    fake.table = attached(fake)
    check("its keys become durable", waits_for_keys(fake, 300))
    control, fake = a_broken_journal(control, fake)
    control, fake = a_living_dataplane_with_a_broken_journal(control, fake)
    control, fake = a_journal_without_tables(control, fake)
    control, fake = a_dataplane_that_does_not_wait(control, fake)
    control, fake = a_damaged_vault(control, fake)
    control, fake = a_disk_that_fails(control, fake)
    control, fake = a_change_under_way(control, fake)
    control, fake = figures_of_a_dataplane_that_stays(control, fake)
    control, fake = an_epoch_beyond_all(control, fake)
    another_pid_namespace()
    a_clock_that_was_ahead(control, fake)
finally:
    kill_all()
checks.end()
