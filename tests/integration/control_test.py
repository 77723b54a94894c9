#!/usr/bin/env python3
"""The control process beside a dataplane without packets: apply, refusal, status, top, stop, deaths on either side,
strangers and rubbish at its sockets."""
import array
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time

from control_rig import (BUILD, CONTROL, FAKE, WAIT_S, Process, appliance, apply, check, checks, config, kill_all, log_text, make_appliance,
                         processes, seqpacket, sealane, sockets, start_control, start_fake, status, stream_socket, wait_status, work)
from sealane_cli import DEFINITION, DONE, ENVIRONMENT, SEALANE, USAGE, read, run, seeded, write


def the_command_line():
    done = subprocess.run([CONTROL, "--help"], capture_output=True)
    check("--help explains every key", done.returncode == 0 and all(b"default " + w in b" ".join(done.stdout.split()) for w in (b"af_packet)", b"auto)", b"50)")))
    done = subprocess.run([CONTROL, "--check-config", config], capture_output=True)
    check("--check-config takes the example", done.returncode == 0 and b": ok: port af_packet veth-sealane, 1 worker, vault " in done.stdout, done)
    broken = write(os.path.join(work, "broken.yaml"), "device: e\ncommit_ms: 0\nprot: pci\n")
    done = subprocess.run([CONTROL, "--check-config", broken], capture_output=True)
    check("--check-config tells file, line and column", done.returncode == 3 and b"broken.yaml:" in done.stderr, done)
    done = subprocess.run([CONTROL, "--nothing"], capture_output=True)
    check("an unknown option is a usage error", done.returncode == 2 and b"usage:" in done.stderr)
    done = sealane("validate", "streams", appliance)
    check("validate streams takes the example", done.code == DONE and b"7001" in done.out, done.text)
    done = sealane("status")
    check("status without control says so", done.code == ENVIRONMENT and b"no control process runs" in done.err, done.text)
    done = sealane("top")
    check("top without control and terminal says so", done.code == ENVIRONMENT and b"no control process runs" in done.err)
    for words in (["apply"], ["status", "x"], ["stop", "x"], ["top", "x"], ["create", "client"], ["status", "-o", "xml"]):
        check("usage: " + " ".join(words), sealane(*words).code == USAGE)


def the_first_hour():
    """Control alone, then a dataplane, then changes."""
    control = start_control()
    mode = os.stat(sockets).st_mode & 0o777
    check("the run directory is closed to others", mode == 0o700, oct(mode))
    modes = [os.stat(os.path.join(sockets, n)).st_mode & 0o777 for n in ("dataplane.sock", "control.sock")]
    check("so are the sockets", modes == [0o600, 0o600], modes)
    now = status()
    text = sealane("status").out.decode()
    check("what was not measured is not told as zero", "0ns" not in text and text.count("     -      -      -") == 2, text)
    check("status without a dataplane", now["ok"] and now["dataplane"] is None and len(now["streams"]) == 2, now)
    second = subprocess.run([CONTROL, "-c", config], capture_output=True, timeout=WAIT_S)
    check("a second control is refused", second.returncode == ENVIRONMENT and second.stderr, second)
    check("the first one goes on", status()["ok"])
    fake = start_fake()
    check("a dataplane is welcomed with a journal", fake.wait_for("welcome") == "welcome journal 1")
    check("it gets the plane", (fake.wait_for("applied") or "").endswith("streams 2"))
    done = apply()
    check("apply says that it is at work", done.code == DONE and b"at work on every core" in done.out, done.text)
    check("the dataplane has it", fake.wait_for("applied") is not None)
    fake.tell("keys 3000")
    check("keys go into the journal", fake.wait_for("put 3000") is not None)
    now = wait_status(lambda s: s["keys"]["waiting"] == 0 and s["keys"]["in_vault"] >= 3000)
    check("and into the vault", now["keys"]["in_vault"] >= 3000 and now["keys"]["waiting"] == 0, now["keys"])
    return control, fake


def refusals(fake):
    epoch = status()["dataplane"]["epoch"]
    broken = os.path.join(appliance, "streams/x-broken.yaml")
    write(broken, "stream: x\ncontract: wikimedia/edit/1.0.0\nlisten: {port: 7001, mode: plain}\n"
          "sealed: {null: true}\ndead_letters: {null: true}\n")
    done = apply()
    check("a broken directory is refused", done.code == DEFINITION, done.text)
    check("with file, line, column and remedy", b"streams/x-broken.yaml:3:" in done.err and b"\n    " in done.err, done.text)
    check("and what was at work stays", b"nothing has changed" in done.err and status()["dataplane"]["epoch"] == epoch)
    fake.tell("events 1")
    check("the dataplane was not asked", fake.wait_for("applied", 0.3) is None)
    os.remove(broken)
    fake.order("refuse")
    done = apply()
    check("what the dataplane refuses is refused", done.code == ENVIRONMENT and b"the fake was told to refuse" in done.err and b"nothing has changed" in done.err, done.text)
    now = status()
    check("the old one is still at work", now["dataplane"]["epoch"] == epoch and now["control"]["epoch"] == epoch, now["control"])
    check("a directory that is none", apply(os.path.join(work, "nothing")).code == DEFINITION)
    check("afterwards a good one goes through", apply().code == DONE)


def figures(fake):
    # From row to row of the image: the streams' order is that of their files.
    first = status()["streams"][0]["stream"]
    fake.tell("events 1000")
    fake.wait_for("counted")
    now = status()
    for _ in range(40):  # a busy machine may miss a second
        fake.tell("events 1000")
        fake.wait_for("counted")
        time.sleep(0.25)
        now = status()
        if now["streams"][0]["per_second"]["events_in"] > 1000:
            break
    fake.tell("events 4000")
    fake.wait_for("counted")
    rates = now["streams"][0]["per_second"]
    now = status()
    stream = now["streams"][0]
    check("counts arrive", stream["counts"]["events_in"] >= 5000 and stream["counts"]["events_sealed"] >= 5000, stream)
    check("as rates, too", 1000 < rates["events_in"] < 40000, rates)
    check("drops have their reasons", stream["frame_drops"].get("ip-header", 0) >= 2 and stream["event_drops"].get("syntax", 0) >= 2, stream)
    check("latency has percentiles", 140000 <= stream["latency_ns"]["p99"] <= 150000 and stream["latency_ns"]["count"] >= 5000, stream)
    check("workers tell how busy they are", any(w["busy_percent"] > 0 or w["events_in"] > 0 for w in now["dataplane"]["workers"]))
    done = sealane("status")
    check("status for people", done.code == DONE and first.encode() in done.out and b"ip-header" in done.out, done.text)
    done = sealane("top")
    check("top into a pipe is one picture", done.code == DONE and first.encode() in done.out and b"\033" not in done.out, done.text)
    done = sealane("top", "--count", "2")
    check("or as many as are asked for", done.code == DONE and done.out.count(b"control ") == 2 and done.seconds > 0.9, done.text)


def top_on_a_terminal():
    """80x24 and smaller; q ends, ^C ends, the screen is left as it was."""
    for rows, columns, key in ((24, 80, b"q"), (6, 30, b"\x03"), (24, 80, b"\x03")):
        child, terminal = pty.fork()
        if child == 0:
            os.environ["SEALANE_CONFIG"] = config
            os.execv(SEALANE, [SEALANE, "top"])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        seen = b""
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 65536)
        os.write(terminal, key)
        code = None
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            try:
                if select.select([terminal], [], [], 0.1)[0]:
                    seen += os.read(terminal, 65536)
            except OSError:
                pass
            done, raw = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(raw)
                break
        os.close(terminal)
        if code is None:
            os.kill(child, signal.SIGKILL)
        pictures = seen.split(b"\033[H\033[2J")[2:]
        lines = [p.split(b"\033[%d;1H" % rows)[0].split(b"\r\n") for p in pictures]
        fits = pictures and all(len(l) <= rows and all(len(x) <= columns for x in l) for l in lines)
        check(f"top at {columns}x{rows} ends by {key!r}", code == 0, (code, seen[-300:]))
        check(f"top at {columns}x{rows} fits", fits, lines)
        check("and leaves the screen as it was", seen.rstrip().endswith(b"\033[?25h\033[?1049l"), seen[-60:])
    child, terminal = pty.fork()
    if child == 0:
        os.environ["SEALANE_CONFIG"] = config
        os.execv(SEALANE, [SEALANE, "top", "--count", "1"])
    seen = b""
    try:
        while some := os.read(terminal, 65536):
            seen += some
    except OSError:
        pass  # it has ended
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = seen.split(b"\033[?1049l")[-1]
    check("top --count 1 leaves its picture on the terminal", code == 0 and b"since the start" in left and b"\033" not in left, seen[-600:])


def deaths(control, fake):
    rng = seeded("control")
    keys = status()["keys"]["in_vault"]
    for number in range(6):
        fake.tell("keys 500")
        if number % 2:
            fake.wait_for("put")
        time.sleep(rng.random() * 0.05)
        control.kill()
        control = start_control()
        line = fake.wait_for("welcome journal 0")
        keys += 500
        if line is None or fake.wait_for("applied") is None:
            check(f"control comes back ({number})", False, log_text()[-2000:])
            break
    now = wait_status(lambda s: s["keys"]["in_vault"] >= keys and s["dataplane"])
    check("control killed six times: every key is in the vault", now["keys"]["in_vault"] == keys, (keys, now["keys"]))
    check("and the dataplane works by its plane", now["dataplane"]["epoch"] == now["control"]["epoch"], now)
    for number in range(6):
        fake.tell("keys 500")
        fake.wait_for("put")
        fake.kill()
        fake = start_fake()
        if fake.wait_for("welcome journal 1") is None or fake.wait_for("applied") is None:
            check(f"a new dataplane is served ({number})", False, log_text()[-2000:])
            break
        keys += 500
    now = wait_status(lambda s: s["keys"]["in_vault"] >= keys)
    check("dataplane killed six times: every key is in the vault", now["keys"]["in_vault"] == keys, (keys, now["keys"]))
    epoch = now["control"]["epoch"]
    # Definitions that break while control is dead: the dataplane goes on by what it has.
    broken = write(os.path.join(appliance, "streams/broken.yaml"), "stream: x\n")
    control.kill()
    control = start_control()
    check("control starts with broken definitions", fake.wait_for("welcome journal 0") is not None)
    now = wait_status(lambda s: s["dataplane"])
    check("the dataplane goes on with its epoch", now["dataplane"]["epoch"] == epoch and len(now["streams"]) == 2, now)
    os.remove(broken)
    check("and gets the next good ones", apply().code == DONE and fake.wait_for("applied") is not None)
    # Both die.
    control.kill()
    fake.kill()
    control = start_control()
    fake = start_fake()
    check("both come back", fake.wait_for("welcome journal 1") is not None and fake.wait_for("applied") is not None)
    return control, fake


def second_dataplane(fake):
    other = start_fake()
    check("a second dataplane is turned away", other.wait_for("lost") is not None)
    other.kill()
    fake.tell("events 1")
    check("the first one is not touched", fake.wait_for("counted") is not None and status()["dataplane"] is not None)


def signals(control, fake):
    control.popen.send_signal(signal.SIGHUP)
    check("SIGHUP applies again", fake.wait_for("applied") is not None)
    fake.order("mute")
    asking = subprocess.Popen([SEALANE, "apply", "-f", appliance], env=dict(os.environ, SEALANE_CONFIG=config),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check("a dataplane that does not answer", fake.wait_for("ignored") is not None)
    done = apply()
    check("a second change meanwhile is refused", done.code == ENVIRONMENT and b"on its way" in done.err, done.text)
    fake.kill()
    out = asking.communicate(timeout=WAIT_S)[0]
    check("its death settles the first", asking.returncode == DONE and b"when it attaches" in out, out)
    fake = start_fake()
    check("the next dataplane gets it", fake.wait_for("applied") is not None)
    code = control.kill(signal.SIGTERM)
    check("SIGTERM is a clean end", code == 0, code)
    check("the sockets are gone", not os.path.exists(os.path.join(sockets, "control.sock")))
    check("the dataplane goes on", fake.wait_for("lost") is not None and fake.popen.poll() is None)
    # Started as systemd does it.
    notify = os.path.join(work, "notify")
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(notify)
    told.settimeout(WAIT_S)
    control = start_control({"NOTIFY_SOCKET": notify})
    check("readiness is told", told.recv(100) == b"READY=1")
    check("the dataplane is back", fake.wait_for("applied") is not None)
    return control, fake


def another_directory(control, fake):
    other = os.path.join(work, "b")
    shutil.copytree(appliance, other, ignore=shutil.ignore_patterns("run"))
    os.remove(os.path.join(other, "streams/edits-sealed.yaml"))
    check("another directory is applied", apply(other).code == DONE and (fake.wait_for("applied") or "").endswith("streams 1"))
    control.kill()
    control = start_control()
    check("it holds after a restart, too", (fake.wait_for("applied") or "").endswith("streams 1") and status()["control"]["definitions"] == other)
    check("the first one again", apply().code == DONE and (fake.wait_for("applied") or "").endswith("streams 2"))
    return directory_of_the_configuration(control, fake, other)


def directory_of_the_configuration(control, fake, other):
    """What is applied holds until the configuration changes its mind; that one changed it, too, and is told when it can not hold."""
    partial = os.path.join(appliance, "run/vault/applied.partial")
    os.mkdir(partial)
    done = apply(other)
    check("a directory that can not be remembered is at work", done.code == DONE and b"at work on every core" in done.out and (fake.wait_for("applied") or "").endswith("streams 1"), done.text)
    check("with a warning", b"run/vault/applied: warning: this can not be written (Is a directory): after a restart " + appliance.encode() + b" holds\n    " in done.err, done.text)
    os.rmdir(partial)
    done = apply(other)
    check("and without one as soon as it can", done.code == DONE and done.err == b"" and fake.wait_for("applied"), done.text)
    new = os.path.join(work, "new")
    shutil.copytree(appliance, new, ignore=shutil.ignore_patterns("run"))
    written = read(config)
    write(config, written.replace(b"definitions: .\n", f"definitions: {new}\n".encode()))
    control.kill()
    control = start_control()
    check("another configuration, another directory", fake.wait_for("applied") and status()["control"]["definitions"] == new, status()["control"])
    check("which is applied", apply(new).code == DONE and fake.wait_for("applied"))
    write(config, written)
    control.kill()
    control = start_control()
    check("the configuration of before brings back no older directory", fake.wait_for("applied") and status()["control"]["definitions"] == appliance, status()["control"])
    return control


def clients(fake):
    done = sealane("create", "client", "shop-1", "--streams", "edits-sealed", "-f", appliance)
    check("create client", done.code == DONE, done.text)
    key = os.path.join(appliance, "shop-1.key")
    check("its key file is its owner's alone", os.stat(key).st_mode & 0o777 == 0o600)
    lines = read(key).decode().split("\n")
    check("and has three lines", [l.split(" ")[0] for l in lines] == ["client", "id", "key", ""], len(lines))
    secret = lines[2].split(" ")[1]
    check("the key is not told", secret not in done.text and secret not in read(os.path.join(appliance, "clients.yaml")).decode())
    check("a second client", sealane("create", "client", "shop-2", "--streams", "edits-sealed", "-f", appliance).code == DONE)
    check("apply takes them", apply().code == DONE and fake.wait_for("applied") is not None)
    done = sealane("create", "client", "shop-1", "--streams", "edits-sealed", "-f", appliance)
    check("the same client again is refused", done.code != DONE and read(key).decode().split("\n")[2] == lines[2], done.text)
    done = sealane("create", "client", "shop-3", "--streams", "edits", "-f", appliance)
    check("a client of a plain stream is refused", done.code == DEFINITION and not os.path.exists(os.path.join(appliance, "shop-3.key")), done.text)
    os.chmod(key, 0o644)
    done = apply()
    check("a key that others can read is refused", done.code == DEFINITION and b"is open to others" in done.err, done.text)
    os.chmod(key, 0o600)


def midnight(control, fake):
    """A new day has a new dead-letter key, and the dataplane gets it by itself."""
    shift = write(os.path.join(work, "shift"), "0")
    control.kill()
    # A preloaded library of ours comes before a sanitizer's own.
    control = start_control({
        "LD_PRELOAD": os.path.join(BUILD, "tests/shifted_clock.so"), "SHIFT_FILE": shift, "ASAN_OPTIONS": "verify_asan_link_order=0"})
    fake.wait_for("applied")
    keys = status()["keys"]["in_vault"]
    check("nothing changes by itself", fake.wait_for("applied", 2.5) is None)
    write(shift, "86400")
    check("at midnight the plane is renewed", fake.wait_for("applied", 5) is not None, log_text()[-1000:])
    now = status()
    check("with a key of the new day", now["keys"]["in_vault"] == keys + 1 and "key of the new day" in log_text(), now["keys"])
    check("once a day", fake.wait_for("applied", 2.5) is None)
    control.kill()
    control = start_control()
    check("an earlier day is served again", fake.wait_for("applied") is not None)
    return control


def rubbish(fake):
    rng = seeded("rubbish")
    epoch = status()["dataplane"]["epoch"]
    for number in range(300):
        s = stream_socket()
        kind = number % 6
        try:
            if kind == 0:
                s.sendall(rng.randbytes(rng.randrange(1, 3000)))
            elif kind == 1:
                s.sendall(b'{"request": "status"' + b"\n")
            elif kind == 2:
                s.sendall(json.dumps({"request": rng.choice([None, 7, "x", [], "apply", "stop"]), "directory": rng.choice([1, "x", "/nowhere"])}).encode() + b"\n")
            elif kind == 3:
                s.sendall(b"[" * rng.randrange(1, 60000) + b"\n")
            elif kind == 4:
                s.sendall(b"x" * (70 << 10))
            else:
                s.sendall(b'{"request": "status"}\n' * 3)
            if kind in (1, 2):
                answer = json.loads(s.makefile().readline())
                if answer.get("ok") is not False or not answer["problems"]:
                    check("rubbish is answered by a problem", False, answer)
        except OSError:
            pass
        s.close()
    s = stream_socket()
    s.sendall(b'{"request": "status"}\n{"request": "status"}\n')
    lines = s.makefile()
    check("two requests on one connection", all(json.loads(lines.readline())["ok"] for _ in range(2)))
    s.close()
    many = [stream_socket() for _ in range(80)]
    for one in many:
        one.close()
    check("control.sock stands 300 pieces of rubbish and 80 idle connections", wait_status(lambda s: s["ok"])["dataplane"]["epoch"] == epoch)
    fake.kill()
    message = 4 * 4 + 8 * 2
    for number in range(300):
        s = seqpacket()
        size = rng.choice([1, 16, message, 1000, 2400, rng.randrange(1, 5000)])
        body = bytearray(rng.randbytes(size))
        if number % 2 and size >= 8:
            body[0:8] = struct.pack("II", 1, rng.randrange(0, 9))
        fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(rng.randrange(0, 5))]
        try:
            s.sendmsg([bytes(body)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        except OSError:
            pass
        for fd in fds:
            os.close(fd)
        s.close()
    check("dataplane.sock stands 300 pieces of rubbish", status()["ok"])
    control_pid = status()["control"]["pid"]
    open_fds = len(os.listdir(f"/proc/{control_pid}/fd"))
    check("no descriptor of theirs stays open", open_fds < 40, open_fds)
    # A well-formed hello with memory that is no journal.
    for fd_count in (1, 2, 3):
        s = seqpacket()
        fds = [os.memfd_create("x") for _ in range(fd_count)]
        size = HELLO_SIZE
        body = struct.pack("=IIQIIII", 1, 1, 7, os.getpid(), 0, fd_count, 1 if fd_count > 1 else 0).ljust(size, b"\0")
        s.sendmsg([body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        s.settimeout(WAIT_S)
        ended = s.recv(5000) == b""
        check(f"a journal that is none ({fd_count} descriptors) ends the link", ended, log_text()[-500:])
        s.close()
    fake = start_fake()
    check("a real dataplane is served afterwards", fake.wait_for("applied") is not None, log_text()[-2000:])
    return fake


def thousand_applies(fake):
    started = time.monotonic()
    s = stream_socket()
    lines = s.makefile()
    good = 0
    before = status()["dataplane"]["epoch"]
    for number in range(1000):
        s.sendall(json.dumps({"request": "apply", "directory": appliance}).encode() + b"\n")
        good += json.loads(lines.readline())["ok"]
        if number % 100 == 50:
            fake.tell("keys 10")
    s.close()
    now = status()
    check("1,000 applies", good == 1000 and now["dataplane"]["epoch"] == before + 1000, (good, now["dataplane"]["epoch"], before))
    pid = now["control"]["pid"]
    fds = len(os.listdir(f"/proc/{pid}/fd"))
    check("leave no descriptors", fds < 40, fds)
    print(f"      {1000 / (time.monotonic() - started):.0f} applies a second")
    return fake


def secrets_stay_inside():
    text = log_text()
    key = read(os.path.join(appliance, "shop-1.key")).decode().split("\n")[2].split(" ")[1]
    root = read(os.path.join(appliance, "run/vault/root.key"))
    check("no key stands in the log", key not in text and root.hex() not in text)
    check("no error was logged without a cause", "AddressSanitizer" not in text and "runtime error" not in text, text[-3000:])


def users():
    """The dataplane as a user of its own; other users are turned away from both sockets."""
    if os.geteuid() != 0:
        print("      not root: no other users to be")
        return
    other = os.path.join(work, "c")
    shutil.copytree(appliance, other, ignore=shutil.ignore_patterns("run"))
    os.chmod(work, 0o711)
    os.chmod(other, 0o755)
    os.mkdir(os.path.join(other, "run"), 0o755)
    mine = os.path.join(other, "sealane.yaml")
    write(mine, read(mine) + b"dataplane_user: nobody\n")
    log = os.path.join(work, "users.log")
    control = Process(CONTROL, "-c", mine, log=log)
    place = os.path.join(other, "run/sockets")
    fake = Process(FAKE, place, user="nobody")
    check("the dataplane's own user may attach", fake.wait_for("applied") is not None, read(log))
    fake.kill()
    stranger = Process(FAKE, place, user="daemon")
    check("another user may not", stranger.wait_for("lost") is not None and stranger.wait_for("welcome", 0.5) is None)
    stranger.kill()
    ask = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
    for user in ("nobody", "daemon"):
        done = subprocess.run(["python3", "-c", ask, os.path.join(place, "control.sock")], user=user, capture_output=True)
        check(f"{user} may not ask control", b"PermissionError" in done.stderr, done.stderr)
    check("the stranger stands in the log", b"its user is not a dataplane's" in read(log), read(log))
    check("the end", control.kill(signal.SIGTERM) == 0)


def the_end(control, fake):
    done = sealane("stop", "--dataplane")
    check("stop --dataplane drains it", done.code == DONE and b"has drained" in done.out and fake.popen.wait(WAIT_S) == 0, done.text)
    check("control goes on", status()["dataplane"] is None)
    done = sealane("stop")
    check("stop ends control", done.code == DONE and control.popen.wait(WAIT_S) == 0, done.text)
    check("its vault opens again", run("status", env={"SEALANE_CONFIG": config}).code == ENVIRONMENT)


make_appliance()
HELLO_SIZE = int(subprocess.run([FAKE, "--message-size"], capture_output=True, text=True).stdout)
try:
    the_command_line()
    control, fake = the_first_hour()
    refusals(fake)
    figures(fake)
    top_on_a_terminal()
    second_dataplane(fake)
    control, fake = deaths(control, fake)
    control, fake = signals(control, fake)
    control = another_directory(control, fake)
    clients(fake)
    control = midnight(control, fake)
    fake = rubbish(fake)
    fake = thousand_applies(fake)
    secrets_stay_inside()
    users()
    the_end(control, fake)
finally:
    kill_all()
checks.end()
