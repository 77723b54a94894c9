#!/usr/bin/env python3
"""The worked example of docs/formats/sealed-event.md, recomputed: by its own words with another implementation, and by ours.

usage: example_test.py [FIELD_TOOL]      default: build/release/tests/conformance/field_tool
"""
import base64
import pathlib
import re
import subprocess
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = 2
checks = 0


def check(found, wanted, what):
    global checks
    checks += 1
    if found != wanted:
        sys.exit(f"example_test: {what}: the page says {wanted}, computed was {found}")


def cmac(key, message):
    function = CMAC(AES(key))
    function.update(message)
    return function.finalize()


def derive(data_key, label, purpose):
    """SP 800-108 in counter mode."""
    tail = label + b"\0" + purpose.to_bytes(4, "big") + (256).to_bytes(2, "big")
    return b"".join(cmac(data_key, bytes([i]) + tail) for i in (1, 2))


def read_page():
    """Rows of the two tables of the example: name -> cells."""
    text = (ROOT / "docs/formats/sealed-event.md").read_text(encoding="utf-8")
    section = re.search(r"(?ms)^## A worked example$(.*?)^## ", text)[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return {row[0]: [cell.strip("`") for cell in row[1:]] for row in rows}


def seal_with_ours(tool, field_key, key_id, path, text, iv_key):
    line = f"seal {field_key.hex()} {key_id} {path.hex()} {text.hex()} {iv_key.hex()}\n"
    return subprocess.run([tool], input=line, capture_output=True, text=True, check=True).stdout.strip()


def main():
    tool = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/tests/conformance/field_tool"
    page = read_page()
    data_key = bytes.fromhex(page["data key"][0])
    link = bytes.fromhex(page["key link"][0].replace("-", ""))
    purpose = int(page["purpose"][0])
    field_key = derive(data_key, b"sl-field", purpose)
    iv_key = derive(data_key, b"sl-ivkey", 0)
    key_id = 0x40000000 | int.from_bytes(link[13:], "big") << 6 | purpose

    check(field_key.hex(), page["field key of purpose 1"][0], "field key")
    check(iv_key.hex(), page["IV key"][0], "IV key")
    check("%08x" % key_id, next(cells for name, cells in page.items() if name.startswith("key id"))[0], "key id")
    for column in range(COLUMNS):
        cell = {name: cells[column] for name, cells in page.items() if len(cells) == COLUMNS}
        text = bytes.fromhex(cell["plain text"])
        path = cell["associated data"].encode()
        head = len(path).to_bytes(2, "big") + path
        head += bytes(-len(head) % 16)
        iv = cmac(iv_key, head + text)[:12]
        sealed = AESGCM(field_key).encrypt(iv, text, path)
        whole = base64.b64encode(b"\x01" + key_id.to_bytes(4, "big") + iv + sealed).decode()

        check((head + text).hex(), cell["CMAC input"], "CMAC input")
        check(iv.hex(), cell["IV"], "IV")
        check(sealed[:-16].hex(), cell["ciphertext"], "ciphertext")
        check(sealed[-16:].hex(), cell["tag"], "tag")
        check(whole, cell["sealed text"], "sealed text")
        check(seal_with_ours(tool, field_key, key_id, path, text, iv_key), cell["sealed text"], "sealed text by Sealane")
    print(f"example_test: {checks} checks passed")


main()
