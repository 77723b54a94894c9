#!/usr/bin/env python3
"""sealane send through a bad link to a receiver that is killed again and again: every event arrives once."""

import collections
import gzip
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sealane_cli as cli

checks = cli.Checks()
folder = cli.scratch()
rng = cli.seeded("datagram")
SINK = os.path.join(cli.ROOT, "build/release/tests/datagram_sink")
SINK = os.path.abspath(os.environ.get("DATAGRAM_SINK", SINK))
RELAY = os.path.join(cli.ROOT, "tests/support/relay.py")
STRANGERS_KEY = os.path.join(folder, "stranger.key")
KEYS = [os.path.join(folder, f"client-{i}.key") for i in range(2)]
BAD_LINK = ["--lose", "5", "--repeat", "5", "--late", "20", "--late-ms", "8"]
KILLS = 12

with gzip.open(cli.EDITS) as file:
    EDITS = file.read().splitlines()
running = []


def write_key(path, number):
    text = f"client test-{number}\nid 0192f0c1-7d2a-7c11-9b1e-2f5a6c7d8e{number:02x}\n"
    text += "key " + ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="][number % 2]
    with open(path, "w") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write(text + "\n")


def start(*words):
    """A program that prints the port it listens on."""
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    running.append(process)
    return process, int(process.stdout.readline())


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    process.wait()
    process.stdout.close()
    running.remove(process)


class Receiver:
    def __init__(self, name):
        self.state = os.path.join(folder, name + ".state")
        self.output = os.path.join(folder, name + ".ndjson")
        self.process, self.port = start(SINK, 0, self.state, self.output, 5, 1024, *KEYS)

    def restart(self):
        end(self.process, signal.SIGKILL)
        time.sleep(rng.random() * 0.05)
        self.process, _ = start(SINK, self.port, self.state, self.output, 5, 1024, *KEYS)

    def lines(self):
        with open(self.output, "rb") as got:
            return got.read().splitlines()


def sender(file, port, key=KEYS[0], *words):
    command = [cli.SEALANE, "send", file, "--to", f"127.0.0.1:{port}", "--key", key, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_exact(what, receiver, wanted):
    got = collections.Counter(receiver.lines())
    lost = sum((wanted - got).values())
    more = sum((got - wanted).values())
    checks.check(what, not lost and not more, f"{lost} lost, {more} that are too many, of {sum(wanted.values())}")


def a_good_link():
    receiver = Receiver("good")
    process = sender(cli.EDITS, receiver.port)
    _, err = process.communicate(timeout=60)
    checks.check("all edits are sent", process.returncode == 0 and f"{len(EDITS)} stored" in err, err)
    checks.check("and there in their order", receiver.lines() == EDITS)
    end(receiver.process)


def a_bad_link():
    receiver = Receiver("bad")
    relay, port = start(RELAY, receiver.port, "--seed", 7, *BAD_LINK, "--hostile", 50)
    process = sender(cli.EDITS, port, KEYS[0], "--stream", "edits")
    _, err = process.communicate(timeout=120)
    checks.check("5 % lost, 5 % doubled, 20 % late, hostile ones between: all sent", process.returncode == 0, err)
    print("      " + err.strip())
    check_exact("each edit is there once", receiver, collections.Counter(EDITS))
    end(relay)
    end(receiver.process)


def killed_receivers():
    receiver = Receiver("killed")
    relay, port = start(RELAY, receiver.port, "--seed", 8, *BAD_LINK)
    events = EDITS * 2
    files = []
    for i in range(2):
        files.append(os.path.join(folder, f"part-{i}.ndjson"))
        with open(files[i], "wb") as part:
            part.write(b"\n".join(events[i::2]) + b"\n")
    senders = [sender(files[i], port, KEYS[i], "--datagram-bytes", "9000") for i in range(2)]
    kills = 0
    while any(process.poll() is None for process in senders) and kills < KILLS:
        time.sleep(0.05 + rng.random() * 0.2)
        receiver.restart()
        kills += 1
    for process in senders:
        _, err = process.communicate(timeout=120)
        checks.check("a sender comes to its end", process.returncode == 0, err)
        print("      " + err.strip())
    checks.check(f"the receiver was killed {kills} times", kills >= 3)
    check_exact("each event is there once", receiver, collections.Counter(events))
    end(relay)
    end(receiver.process)


def refusals():
    receiver = Receiver("refusals")
    few = os.path.join(folder, "few.ndjson")
    with open(few, "wb") as out:
        out.write(b"\n".join(EDITS[:3]) + b"\n")
    long = os.path.join(folder, "long.ndjson")
    with open(long, "w") as out:
        out.write('{"a":"' + "x" * 2000 + '"}\n')
    open_key = os.path.join(folder, "open.key")
    write_key(open_key, 0)
    os.chmod(open_key, 0o644)
    cases = [
        ("another stream than the one named", cli.KEYS, "another stream", few, KEYS[0], ["--stream", "orders"]),
        ("a client that is not known", cli.ENVIRONMENT, "no answer", few, STRANGERS_KEY, ["--timeout", "1"]),
        ("a key file that others may read", cli.KEYS, "open to others", few, open_key, []),
        ("no key file", cli.KEYS, "can not be opened", few, folder + "/none", []),
        ("a file that is none", cli.KEYS, "no key file", few, few, []),
        ("an event that does not fit", cli.INPUT, "row 1", long, KEYS[0], []),
        ("no input", cli.ENVIRONMENT, "none.ndjson", folder + "/none.ndjson", KEYS[0], []),
        ("a size out of range", cli.USAGE, "256 to 9000", few, KEYS[0], ["--datagram-bytes", "9001"]),
    ]
    os.chmod(few, 0o600)
    for what, code, text, file, key, words in cases:
        process = sender(file, receiver.port, key, *words)
        _, err = process.communicate(timeout=30)
        checks.check(what, process.returncode == code and text in err, f"exit code {process.returncode}: {err}")
    checks.check("nothing of it was stored", receiver.lines() == [])
    end(receiver.process)
    process = sender(few, receiver.port, KEYS[0], "--timeout", "1")
    _, err = process.communicate(timeout=30)
    checks.check("nobody there", process.returncode == cli.ENVIRONMENT and "no answer" in err, err)


def a_slow_input():
    """An input that waits is no appliance that does not answer."""
    receiver = Receiver("slow")
    process = subprocess.Popen(
        [cli.SEALANE, "send", "-", "--to", f"127.0.0.1:{receiver.port}", "--key", KEYS[0], "--timeout", "2"],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    time.sleep(3)
    _, err = process.communicate(b"\n".join(EDITS[:100]) + b"\n", timeout=60)
    checks.check("events that come later than --timeout are sent", process.returncode == 0 and b"100 stored" in err, err)
    checks.check("each once", receiver.lines() == EDITS[:100])
    checks.check("into a file goes a line, without a carriage return", err.startswith(b"100 events sent") and err.count(b"\n") == 1, err)
    end(receiver.process)


def a_narrow_terminal():
    receiver = Receiver("narrow")
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    process = subprocess.Popen([cli.SEALANE, "send", cli.EDITS, "--to", f"127.0.0.1:{receiver.port}", "--key", KEYS[0]], stderr=terminal)
    os.close(terminal)
    seen = b""
    try:
        while some := os.read(screen, 65536):
            seen += some
    except OSError:
        pass  # the last one who had the terminal open has gone
    os.close(screen)
    *progress, last = [line.split(b"\033[K")[0] for line in seen.split(b"\r") if line not in (b"", b"\n")]
    checks.check("progress is shown", process.wait(60) == 0 and progress, seen[-300:])
    checks.check("and does not scroll", all(len(line) < 40 for line in progress), progress[-3:])
    checks.check("the last line is whole", last.endswith(b"of them again"), last)
    end(receiver.process)


for number, path in enumerate(KEYS):
    write_key(path, number)
write_key(STRANGERS_KEY, 2)
try:
    a_good_link()
    a_bad_link()
    killed_receivers()
    refusals()
    a_slow_input()
    a_narrow_terminal()
finally:
    for left in running[:]:
        end(left, signal.SIGKILL)
checks.end()
