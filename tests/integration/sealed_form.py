"""Opens sealed values with a keys file, from docs/formats/sealed-event.md alone: nothing of Sealane is called."""

import base64
import json

from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def split_quoted(line):
    """Cells of an RFC 4180 record of which every value is quoted; nothing between commas is null."""
    cells, at = [], 0
    while True:
        if at < len(line) and line[at : at + 1] == b'"':
            end = at + 1
            while True:
                end = line.index(b'"', end)
                if line[end + 1 : end + 2] != b'"':
                    break
                end += 2
            cells.append(line[at + 1 : end].replace(b'""', b'"'))
            at = end + 1
        else:
            end = line.find(b",", at)
            end = len(line) if end < 0 else end
            cells.append(line[at:end] or None)
            at = end
        if at >= len(line):
            return cells
        assert line[at : at + 1] == b","
        at += 1


class Keys:
    """A keys file: key link -> purpose -> cipher."""

    def __init__(self, content):
        lines = content.split(b"\r\n")
        assert lines[0] == b"keyLink,encryptionKey,policyId,expiresAt", lines[0]
        assert lines[-1] == b""
        self.cipher = {}
        self.raw = {}
        self.policy = {}
        self.expires_ms = {}
        for line in lines[1:-1]:
            link, keyset, policy, expires = split_quoted(line)
            link = link.decode()
            assert link not in self.cipher, "a key link twice"
            self.policy[link] = policy
            self.expires_ms[link] = int(expires)
            self.cipher[link] = {}
            self.raw[link] = {}
            self.add_keyset(link, json.loads(keyset))

    def add_keyset(self, link, keyset):
        base = 1 << 30 | int(link.replace("-", "")[-6:], 16) << 6
        for key in keyset["key"]:
            data = key["keyData"]
            value = base64.b64decode(data["value"], validate=True)
            assert data["typeUrl"] == "type.googleapis.com/google.crypto.tink.AesGcmKey"
            assert value[:2] == b"\x1a\x20" and len(value) == 34
            assert key["outputPrefixType"] == "TINK" and key["status"] == "ENABLED"
            purpose = key["keyId"] & 63
            assert key["keyId"] == base | purpose, "a key id that is not its link's"
            self.cipher[link][purpose] = AESGCM(value[2:])
            self.raw[link][purpose] = value[2:]
        assert keyset["primaryKeyId"] == keyset["key"][0]["keyId"]

    def open(self, link, purpose, path, text):
        """The plain text of a sealed value; raises when it does not open."""
        raw = base64.b64decode(text, validate=True)
        key_id = 1 << 30 | int(link.replace("-", "")[-6:], 16) << 6 | purpose
        assert raw[0] == 1 and int.from_bytes(raw[1:5], "big") == key_id, "not the prefix of key link and purpose"
        return self.cipher[link][purpose].decrypt(raw[5:17], raw[17:], path)


def cut_path(path):
    """The associated data of an undeclared member: long ones are cut."""
    if len(path) > 240:
        path = path[:230] + b"~cut"
    return path or b"~"


_MASK64 = (1 << 64) - 1


def _rotate(word, bits):
    return (word << bits | word >> (64 - bits)) & _MASK64


def _finish(word):
    word = (word ^ word >> 33) * 0xFF51AFD7ED558CCD & _MASK64
    word = (word ^ word >> 33) * 0xC4CEB9FE1A85EC53 & _MASK64
    return word ^ word >> 33


def murmur3(data):
    """MurmurHash3 x64-128 with seed 0, as the reference prints it: two halves in hex, not padded."""
    c1, c2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
    h1 = h2 = 0
    whole = len(data) // 16 * 16
    for at in range(0, whole, 16):
        k1 = int.from_bytes(data[at : at + 8], "little")
        k2 = int.from_bytes(data[at + 8 : at + 16], "little")
        h1 ^= _rotate(k1 * c1 & _MASK64, 31) * c2 & _MASK64
        h1 = ((_rotate(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK64
        h2 ^= _rotate(k2 * c2 & _MASK64, 33) * c1 & _MASK64
        h2 = ((_rotate(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK64
    tail = data[whole:]
    if len(tail) > 8:
        h2 ^= _rotate(int.from_bytes(tail[8:], "little") * c2 & _MASK64, 33) * c1 & _MASK64
    if tail:
        h1 ^= _rotate(int.from_bytes(tail[:8], "little") * c1 & _MASK64, 31) * c2 & _MASK64
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = (h1 + h2) & _MASK64
    h2 = (h2 + h1) & _MASK64
    h1, h2 = _finish(h1), _finish(h2)
    h1 = (h1 + h2) & _MASK64
    h2 = (h2 + h1) & _MASK64
    return b"%x%x" % (h1, h2)


assert murmur3(b"hi-thereunique-5") == b"1083e8169d7138e990cc30095578452"
assert murmur3(b"strm_demo_user") == b"788d082a29fd07f61e1df95bbe98ef9f"
