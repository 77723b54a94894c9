"""The client's side of sealed datagrams, written from docs/formats/datagram.md alone, with nothing of ours."""

import os
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

HELLO, WELCOME, PING, RESET, DATA, ACK = range(1, 7)
NO_SESSION = 0xFFFFFFFF


def mac(key, text):
    made = CMAC(AES(key))
    made.update(text)
    return made.finalize()


def derive(key, label, context):
    text = label.encode() + b"\0" + context + struct.pack(">I", 256)
    return b"".join(mac(key, struct.pack(">I", i) + text) for i in (1, 2))


def head(kind):
    return b"SL" + bytes([1, kind])


def closed(key, text):
    """A datagram with its MAC behind."""
    return text + mac(key, text)


def opened(key, datagram):
    """A datagram without its MAC, or None when that is wrong."""
    return datagram[:-16] if mac(key, datagram[:-16]) == datagram[-16:] else None


class Client:
    def __init__(self, client_id, key, client_nonce=None):
        self.id = client_id
        self.key = key
        self.client_nonce = client_nonce or os.urandom(16)
        self.hello_key = derive(key, "sealane datagram hello", client_id)
        self.number = 0
        self.session = None

    def hello(self, stream=b""):
        text = head(HELLO) + self.id + self.client_nonce + struct.pack(">I100s", len(stream), stream)
        return closed(self.hello_key, text)

    def take_welcome(self, datagram):
        text = opened(self.hello_key, datagram)
        if not text or text[:4] != head(WELCOME) or text[8:24] != self.client_nonce:
            raise ValueError("no WELCOME")
        (status,) = struct.unpack(">I", text[4:8])
        if status == 0:
            self.use_nonce(text[24:40])
        return status

    def use_nonce(self, server_nonce):
        self.server_nonce = server_nonce
        names = self.id + self.client_nonce + server_nonce
        self.control_key = derive(self.key, "sealane datagram control", names)
        self.data_key = derive(self.key, "sealane datagram data", names)

    def ping(self):
        self.number += 1
        session, generation = self.session or (NO_SESSION, 0)
        text = head(PING) + struct.pack(">III", session, generation, int(not self.session))
        text += self.id + self.client_nonce + self.server_nonce + struct.pack(">Q", self.number) + bytes(40)
        return closed(self.control_key, text)

    def take_reset(self, datagram):
        text = opened(self.control_key, datagram)
        if not text or text[:4] != head(RESET) or text[8:40] != self.client_nonce + self.server_nonce:
            raise ValueError("no RESET")
        return struct.unpack(">I", text[4:8])[0], struct.unpack(">Q", text[40:48])[0]

    def data(self, sequence, lines):
        aad = head(DATA) + struct.pack(">IIQ", *self.session, sequence)
        return aad + AESGCM(self.data_key).encrypt(struct.pack(">IQ", 0, sequence), lines, aad)

    def take_ack(self, datagram):
        """(credit, stamp, number, next, set of stored sequences from next on)"""
        text = opened(self.control_key, datagram)
        if not text or text[:4] != head(ACK):
            raise ValueError("no ACK")
        session, generation, credit, stamp, number, following, first = struct.unpack(">IIIQQQQ", text[4:48])
        self.session = (session, generation)
        bits = text[48:]
        stored = {first + 8 * j + i for j in range(len(bits)) for i in range(8) if bits[j] >> i & 1}
        return credit, stamp, number, following, stored
