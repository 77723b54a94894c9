"""An appliance on a wire of its own: a network namespace with control and dataplane, and a neighbour's namespace.

    neighbour: wire (10.77.0.1, fd77::1) ──veth── port: appliance; its kernel behind: sealane0 (10.77.0.2, fd77::2)
"""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import sealane_cli as cli

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(cli.SEALANE)))
CONTROL = os.environ.get("SEALANE_CONTROL", os.path.join(BUILD, "control/sealane-control"))
DATAPLANE = os.environ.get("SEALANE_DATAPLANE", os.path.join(BUILD, "dataplane/sealane-dataplane"))
OWN = "10.77.0.2"
OWN6 = "fd77::2"
HOST_INTERFACE = "sealane0"
USER = "65534"
CAPABILITIES = "-all,+net_raw,+net_admin,+ipc_lock"
UNDELIVERED = 6  # how a dataplane ends that was told to, and could not deliver all

# Sends each line of standard input as a datagram: ADDRESS PORT RATE.
SENDER = """
import socket, sys, time
address, port, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
out = socket.socket(family, socket.SOCK_DGRAM)
out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
started, sent = time.monotonic(), 0
for line in sys.stdin.buffer:
    while sent > (time.monotonic() - started) * rate:
        time.sleep(0.001)
    # What was missed in a standstill is not made good at once: the port's ring has not room for all of it.
    if time.monotonic() - started > sent / rate + 0.05:
        started = time.monotonic() - sent / rate
    out.sendto(line.rstrip(b"\\n"), (address, port))
    sent += 1
"""


def command(*words, **options):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, **options).stdout


def wait_until(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Appliance:
    """Namespaces, files and processes; all are gone when the test ends."""

    def __init__(self, folder, streams, settings=None, files=None):
        cli.keep_clear_of_midnight()
        self.folder = folder
        self.box = f"sealane-box-{os.getpid()}"
        self.neighbour = f"sealane-peer-{os.getpid()}"
        self.control = None
        self.dataplane = None
        self.logs = []
        atexit.register(self.remove)
        self._make_wire()
        self.config = self._write_files(streams, settings or {}, files or {})

    def _make_wire(self):
        for name in (self.box, self.neighbour):
            command("ip", "netns", "add", name)
        command("ip", "link", "add", "wire", "netns", self.neighbour, "type", "veth", "peer", "port", "netns", self.box)
        self.in_neighbour("ip", "address", "add", "10.77.0.1/24", "dev", "wire")
        self.in_neighbour("ip", "address", "add", "fd77::1/64", "dev", "wire", "nodad")
        self.in_neighbour("ip", "link", "set", "wire", "up")
        self.in_neighbour("ip", "link", "set", "lo", "up")
        # The port is the dataplane's: the kernel must neither answer by it nor hear from it.
        self.in_box("sysctl", "-qw", "net.ipv6.conf.port.disable_ipv6=1")
        drop = 'add chain netdev sealane in { type filter hook ingress device "port" priority 0; policy drop; }'
        self.in_box("nft", "add table netdev sealane; " + drop)
        self.in_box("ip", "link", "set", "port", "up")
        self.in_box("ip", "link", "set", "lo", "up")

    def _write_files(self, streams, settings, files):
        definitions = os.path.join(self.folder, "definitions")
        for name, text in files.items():
            cli.write(os.path.join(definitions, name), text)
        for name, stream in streams.items():
            cli.write_definition(os.path.join(definitions, "streams", name + ".yaml"), {"stream": name, **stream})
        config = {
            "vault": "vault",
            "dataplane_user": "nobody",
            "run_directory": "run",
            "definitions": "definitions",
            "data_directory": "data",
            "state_directory": "state",
            "port": "af_packet",
            "device": "port",
            "addresses": [OWN, OWN6],
            "host_interface": HOST_INTERFACE,
            "rx_descriptors": 4096,
            "frames": 8192,
            "memory_mib": 256,
            "idle_us_max": 500,
            "commit_ms": 10,
            "eal_prefix": self.box,
        }
        config.update(settings)
        return cli.write_definition(os.path.join(self.folder, "sealane.yaml"), config)

    def in_box(self, *words, **options):
        return command("ip", "netns", "exec", self.box, *words, **options)

    def in_neighbour(self, *words, **options):
        return command("ip", "netns", "exec", self.neighbour, *words, **options)

    def _start(self, name, *words):
        log = open(os.path.join(self.folder, name + ".log"), "ab")
        self.logs.append(log.name)
        return subprocess.Popen(
            ["ip", "netns", "exec", self.box, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )

    def start_control(self):
        self.control = self._start("control", CONTROL, "-c", self.config)

    def start_dataplane(self, *before):
        """As a user of its own, with the capabilities that it needs and no others. `before` are words of a command that starts it."""
        user = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--no-new-privs"]
        user += ["--inh-caps", CAPABILITIES, "--ambient-caps", CAPABILITIES, "--bounding-set", CAPABILITIES]
        for name in ("data", "state"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
            os.chown(os.path.join(self.folder, name), int(USER), int(USER))
        os.chmod(self.folder, 0o711)
        self.dataplane = self._start(
            "dataplane", *before, *user, DATAPLANE, "--control", os.path.join(self.folder, "run/dataplane.sock")
        )

    def start(self):
        self.start_control()
        self.start_dataplane()
        return self.wait_for_policy()

    def wait_for_policy(self):
        return wait_until(self.has_interface) and self.wait_for_epoch()

    def wait_for_epoch(self):
        """For a dataplane at work, whose interface is as it was left."""
        return wait_until(lambda: (self.report().get("dataplane") or {}).get("epoch", 0) > 0)

    def delivered(self):
        return sum(s["sink"]["rows_delivered"] for s in self.report().get("streams", []))

    def has_interface(self):
        """The interface of the exception path, given its addresses once it is there."""
        done = subprocess.run(
            ["ip", "-n", self.box, "-o", "address", "show", "dev", HOST_INTERFACE], capture_output=True, text=True
        )
        if done.returncode != 0:
            return False
        if OWN not in done.stdout:
            self.in_box("ip", "link", "set", HOST_INTERFACE, "up")
            self.in_box("ip", "address", "add", OWN + "/24", "dev", HOST_INTERFACE)
            self.in_box("ip", "address", "add", OWN6 + "/64", "dev", HOST_INTERFACE, "nodad")
        return True

    def cli(self, *words):
        return cli.run(*words, "-c", self.config)

    def report(self):
        result = self.cli("status", "-o", "json")
        return json.loads(result.out) if result.code == 0 else {}

    def send(self, port, lines, rate=8000, address=OWN):
        self.in_neighbour(sys.executable, "-c", SENDER, address, port, rate, input=b"\n".join(lines) + b"\n")

    def send_by_socat(self, port, lines, rate=8000):
        """Each line a datagram, by an ordinary tool: socat takes datagrams off a socket of the file system and sends them on."""
        path = os.path.join(self.folder, "lines.sock")
        words = ["socat", "-u", "-b", "65536", f"UNIX-RECV:{path}", f"UDP4-SENDTO:{OWN}:{port}"]
        relay = subprocess.Popen(["ip", "netns", "exec", self.neighbour, *words])
        wait_until(lambda: os.path.exists(path))
        out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        started = time.monotonic()
        for sent, line in enumerate(lines):
            while sent > (time.monotonic() - started) * rate:
                time.sleep(0.001)
            if time.monotonic() - started > sent / rate + 0.05:  # as in SENDER
                started = time.monotonic() - sent / rate
            out.sendto(line, path)  # waits while socat has ten of them
        time.sleep(0.5)
        out.close()
        relay.terminate()
        relay.wait()

    def ping(self, address, size, namespace=None):
        """None when all pings are answered, else what was said."""
        words = ["ping", "-c", "3", "-i", "0.1", "-W", "2", "-s", str(size), address]
        done = subprocess.run(
            ["ip", "netns", "exec", namespace or self.neighbour, *words], capture_output=True, text=True
        )
        return None if " 0% packet loss" in done.stdout else done.stdout + done.stderr

    def opened(self, name):
        """Events of a stream's files, in their order, opened with the vault's keys."""
        lines = []
        directory = os.path.join(self.folder, "data", name)
        for file in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            if file.startswith("."):
                continue
            result = cli.run("open", os.path.join(directory, file), "--vault", os.path.join(self.folder, "vault"))
            if result.code != cli.DONE:
                raise RuntimeError(f"{file} does not open: {result.text}")
            lines += result.out.splitlines()
        return lines

    def stop(self, process, number=signal.SIGTERM, timeout=30):
        """End a process; its exit code."""
        process.send_signal(number)
        return process.wait(timeout)

    def text_of_logs(self):
        return "".join(cli.read(log).decode(errors="replace") for log in dict.fromkeys(self.logs))

    def remove(self):
        for process in (self.dataplane, self.control):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        for name in (self.box, self.neighbour):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


class Requests:
    """Control's socket: one line asks, one answers."""

    def __init__(self, folder):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(os.path.join(folder, "run/control.sock"))
        self.socket.settimeout(60)
        self.file = self.socket.makefile("rwb")

    def ask(self, **request):
        self.file.write(json.dumps(request).encode() + b"\n")
        self.file.flush()
        return json.loads(self.file.readline())

    def apply(self, directory):
        return self.ask(request="apply", directory=directory)

    def dataplane(self):
        return self.ask(request="status")["dataplane"]
