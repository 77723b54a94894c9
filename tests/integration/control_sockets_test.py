#!/usr/bin/env python3
"""What clients of control's sockets can do to it, by accident or not, and what many attachments and starts leave behind."""
import json
import os
import resource
import select
import shutil
import socket
import time

from control_rig import (BUILD, CONTROL, WAIT_S, Process, appliance, check, checks, kill_all, log_text, make_appliance, sockets,
                         start_control, start_fake, status, stream_socket, wait_status, work)
from sealane_cli import DONE, read, run, write

RELINKS = 1000
# The address sanitizer keeps what was freed.
GROWTH_KIB = 1024 if b"__asan_init" not in read(CONTROL) else 1 << 20


def pid():
    return status()["control"]["pid"]


def cpu_s(process):
    fields = read(f"/proc/{process}/stat").decode().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(process):
    return int([l for l in read(f"/proc/{process}/status").decode().split("\n") if l.startswith("VmRSS")][0].split()[1])


def open_fds(process):
    return len(os.listdir(f"/proc/{process}/fd"))


def ask(line):
    s = stream_socket()
    s.sendall(line)
    answer = s.makefile().readline()
    s.close()
    return json.loads(answer)


def slow_readers():
    control = pid()
    slow = []
    for _ in range(20):
        s = stream_socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b'{"request": "status"}\n' * 2900)
        slow.append(s)
    started = time.monotonic()
    check("20 who ask and do not read stop nobody", status()["ok"] and time.monotonic() - started < 2)
    for s in slow:
        s.shutdown(socket.SHUT_RDWR)
    before = cpu_s(control)
    time.sleep(1)
    check("nor does one who hangs up half keep control busy", cpu_s(control) - before < 0.3, cpu_s(control) - before)
    for s in slow:
        s.close()


def lines_behind_a_line():
    s = stream_socket()
    s.sendall(json.dumps({"request": "apply", "directory": appliance}).encode() + b'\n{"request": "status"}\n')
    lines = s.makefile()
    s.settimeout(3)
    try:
        answers = [json.loads(lines.readline()), json.loads(lines.readline())]
    except OSError as error:
        answers = [error]
    check("a request behind an apply is answered, too", len(answers) == 2 and "dataplane" in answers[1], answers)
    s.close()


def names_of_directories():
    for what, name in (("a line feed", "a\nb"), ("a control character", "a\x1bb"), ("too many characters", "/".join(["a" * 200] * 6))):
        directory = os.path.join(work, name)
        shutil.copytree(appliance, directory, ignore=shutil.ignore_patterns("run"))
        answer = ask(json.dumps({"request": "apply", "directory": directory}).encode() + b"\n")
        check(f"a directory with {what} in its name is refused", answer["ok"] is False, answer)
    check("and what holds after a restart is as before", status()["control"]["definitions"] == appliance)


def thousand_connections():
    many = []
    for _ in range(1000):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            s.connect(os.path.join(sockets, "control.sock"))
        except OSError:
            pass
        many.append(s)
    check("1,000 connections fill the sessions only", open_fds(many_pid) < 120, open_fds(many_pid))
    check("and are told of once", log_text().count("too many connections") <= 2, log_text().count("too many connections"))
    for s in many:
        s.close()
    check("then it answers again", wait_status(lambda s: s["ok"])["ok"])


def no_descriptor_left():
    """Clients take all that control may have: it sends them away, and does not spin over who waits."""
    was = resource.prlimit(many_pid, resource.RLIMIT_NOFILE)
    resource.prlimit(many_pid, resource.RLIMIT_NOFILE, (open_fds(many_pid) + 8, was[1]))
    many = []
    for _ in range(20):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(os.path.join(sockets, "control.sock"))
        s.settimeout(WAIT_S)
        many.append(s)
    gone = select.select(many[10:], [], [], WAIT_S)[0] and [s for s in many[10:] if s.recv(1) == b""]
    check("without descriptors it sends clients away", len(gone) == 10, len(gone))
    before = cpu_s(many_pid)
    time.sleep(1)
    check("does not spin", cpu_s(many_pid) - before < 0.2, cpu_s(many_pid) - before)
    told = log_text().count("no file descriptor is left")
    check("and says so, once", told == 1, told)
    for s in many:
        s.close()
    check("then it answers again", wait_status(lambda s: s["ok"])["ok"])
    resource.prlimit(many_pid, resource.RLIMIT_NOFILE, was)


def thousand_attachments(fake):
    """Each brings journal, image and tables, gets the plane again, and leaves."""
    process = pid()
    fake.tell("relink 200")  # what grows once has grown
    fake.wait_for("relinked", 30)
    fds, kib = open_fds(process), resident_kib(process)
    started = time.monotonic()
    fake.tell(f"relink {RELINKS}")
    done = fake.wait_for("relinked", 60)
    check(f"{RELINKS} attachments", done is not None, log_text()[-500:])
    print(f"      {RELINKS / (time.monotonic() - started):.0f} a second")
    end = time.monotonic() + 5
    while open_fds(process) > fds + 2 and time.monotonic() < end:
        time.sleep(0.05)  # the last one is being looked at
    now_fds, now_kib = open_fds(process), resident_kib(process)
    check("leave no descriptors", now_fds <= fds + 2, (fds, now_fds))
    check("and no memory", now_kib - kib < GROWTH_KIB, (kib, now_kib))
    s = stream_socket()
    lines = s.makefile()
    for _ in range(RELINKS):
        s.sendall(b'{"request": "apply"}\n')
        lines.readline()
    s.close()
    after_fds, after_kib = open_fds(process), resident_kib(process)
    check(f"nor do {RELINKS} applies", after_fds <= now_fds + 2 and after_kib - now_kib < GROWTH_KIB, (now_fds, after_fds, now_kib, after_kib))


def a_closed_umask():
    """The dataplane's user gets through to its socket whatever umask control was started with."""
    other = os.path.join(work, "u")
    shutil.copytree(appliance, other, ignore=shutil.ignore_patterns("run"))
    mine = os.path.join(other, "sealane.yaml")
    write(mine, read(mine) + b"dataplane_user: nobody\n")
    log = os.path.join(work, "umask.log")
    before = os.umask(0o077)
    control = Process(CONTROL, "-c", mine, log=log)
    os.umask(before)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and b"ready in" not in read(log):
        time.sleep(0.02)
    mode = os.stat(os.path.join(other, "run/sockets")).st_mode & 0o777
    check("the run directory lets the dataplane's user through", mode == 0o711, oct(mode))
    control.kill()


def two_at_once():
    """Starts that meet at what a killed control left: one serves, the other says why not."""
    other = os.path.join(work, "t")
    shutil.copytree(appliance, other, ignore=shutil.ignore_patterns("run"))
    mine = os.path.join(other, "sealane.yaml")
    env = {"SEALANE_CONFIG": mine}
    log = os.path.join(work, "two.log")
    slow = {"LD_PRELOAD": os.path.join(BUILD, "tests/slow_unlink.so"), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    first = Process(CONTROL, "-c", mine, log=log)
    while b"ready in" not in read(log):
        time.sleep(0.02)
    first.kill()
    both = []
    for _ in range(2):
        both.append(Process(CONTROL, "-c", mine, log=log, env=slow))
        time.sleep(0.1)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and all(p.popen.poll() is None for p in both):
        time.sleep(0.02)
    living = [p.popen.poll() is None for p in both]
    done = run("status", env=env)
    check("two controls at once: one serves", sum(living) == 1 and done.code == DONE, (living, done.text, read(log)[-800:]))
    for p in both:
        p.kill()


make_appliance()
try:
    start_control()
    fake = start_fake()
    fake.wait_for("applied")
    many_pid = pid()
    slow_readers()
    lines_behind_a_line()
    names_of_directories()
    thousand_connections()
    no_descriptor_left()
    thousand_attachments(fake)
    a_closed_umask()
    two_at_once()
finally:
    kill_all()
checks.end()
