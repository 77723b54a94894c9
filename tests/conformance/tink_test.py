#!/usr/bin/env python3
"""Real Tink opens what we seal, and we open what real Tink seals.

usage: tink_test.py FIELD_TOOL

Needs the package tink 1.16; it is put into a virtual environment under ${XDG_CACHE_HOME:-~/.cache}/sealane when
the Python that runs this has none.
"""
import base64
import importlib.metadata
import os
import random
import subprocess
import sys

VERSION = "1.16.0"
ROUNDS = 300


def has_pip(python):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return os.path.exists(python) and subprocess.call([python, "-m", "pip", "--version"], **quiet) == 0


def run_in_venv():
    """Go on in an environment that has Tink, made when it is not there. Never returns."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    venv = os.path.join(cache, "sealane", "venv")
    python = os.path.join(venv, "bin", "python")
    if os.environ.get("SEALANE_TINK_VENV"):
        sys.exit("tink_test: the environment in %s has no working tink" % venv)
    if not has_pip(python):  # one that was left half made is made anew
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", venv])
    if subprocess.call([python, "-c", "import tink"], stderr=subprocess.DEVNULL) != 0:
        subprocess.check_call([python, "-m", "pip", "-q", "--retries", "10", "install", "tink==" + VERSION])
    os.environ["SEALANE_TINK_VENV"] = venv
    os.execv(python, [python] + sys.argv)


try:
    import tink
    from tink import aead, secret_key_access
    from tink import json_proto_keyset_format
except ImportError:
    run_in_venv()


class FieldTool:
    def __init__(self, program, level):
        environment = dict(os.environ)
        if level:
            environment["SEALANE_CPU"] = level
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("tink_test: field_tool ended")
        return answer.rstrip("\n")

    def close(self):
        self.process.stdin.close()
        return self.process.wait()


def hexadecimal(data):
    return data.hex() or "-"


def parse(json):
    return json_proto_keyset_format.parse(json, secret_key_access.TOKEN)


def refuses(primitive, sealed, path):
    try:
        primitive.decrypt(sealed, path)
    except tink.TinkError:
        return True
    return False


def check(condition, what):
    if not condition:
        raise SystemExit("tink_test: failed: " + what)
    check.count += 1


check.count = 0


def ours_in_tink(tool, rng):
    """Our keyset and sealed text, opened by Tink."""
    key, iv_key = rng.randbytes(32).hex(), rng.randbytes(32).hex()
    key_id = rng.choice([1, 0x40000000, 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(1, 1 << 32)])
    path = rng.randbytes(rng.randrange(1, 241))
    text = rng.randbytes(rng.choice([0, 1, 15, 16, 17, rng.randrange(100), rng.randrange(5000)]))
    primitive = parse(tool.ask("keyset", key, key_id)).primitive(aead.Aead)
    for iv in (iv_key, "random"):
        sealed = base64.b64decode(
            tool.ask("seal", key, key_id, path.hex(), hexadecimal(text), iv), validate=True)
        check(primitive.decrypt(sealed, path) == text, "Tink opens what we sealed")
        check(refuses(primitive, sealed, path + b"x"), "Tink refuses another path")
        changed = bytearray(sealed)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        check(refuses(primitive, bytes(changed), path), "Tink refuses a changed bit")


def tinks_in_ours(tool, rng):
    """Tink's own new keyset and sealed text, opened by us."""
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    json = json_proto_keyset_format.serialize(handle, secret_key_access.TOKEN)
    key_id, key = tool.ask("import", json.replace("\n", " ")).split(" ")
    path = rng.randbytes(rng.randrange(1, 241))
    text = rng.randbytes(rng.choice([0, 1, 15, 16, 17, rng.randrange(100), rng.randrange(5000)]))
    sealed = base64.b64encode(handle.primitive(aead.Aead).encrypt(text, path)).decode()
    opened = tool.ask("open", key, key_id, path.hex(), sealed)
    check(opened == hexadecimal(text), "we open what Tink sealed")
    check(tool.ask("open", key, key_id, (path[:239] + b"x").hex(), sealed) == "refused"
          or path[:239] + b"x" == path, "we refuse another path")
    check(tool.ask("open", key, int(key_id) ^ 1, path.hex(), sealed) == "refused", "we refuse another key id")
    check(tool.ask("open", key[::-1], key_id, path.hex(), sealed) == "refused", "we refuse another key")


def other_templates_are_refused(tool):
    for name in ("AES128_GCM", "AES256_GCM_RAW", "AES256_EAX", "XCHACHA20_POLY1305"):
        template = getattr(aead.aead_key_templates, name)
        json = json_proto_keyset_format.serialize(tink.new_keyset_handle(template), secret_key_access.TOKEN)
        check(tool.ask("import", json.replace("\n", " ")).startswith("refused"), "we refuse " + name)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    aead.register()
    rng = random.Random(20)
    levels = ["", "sse", "avx2", "avx512"]
    ran = 0
    for level in levels:
        tool = FieldTool(sys.argv[1], level)
        if level and tool.process.poll() is None:
            # A level that this CPU lacks ends the tool at once.
            try:
                tool.process.wait(timeout=0.3)
                continue
            except subprocess.TimeoutExpired:
                pass
        for _ in range(ROUNDS):
            ours_in_tink(tool, rng)
            tinks_in_ours(tool, rng)
        other_templates_are_refused(tool)
        check(tool.close() == 0, "field_tool ends well")
        ran += 1
    print("tink_test: Tink %s, %d levels, %d checks passed" % (importlib.metadata.version("tink"), ran, check.count))


if __name__ == "__main__":
    main()
