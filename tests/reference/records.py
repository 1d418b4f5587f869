"""Writes tests/vectors/records/vectors.json: the key schedule and the records of secure sessions, by
an implementation that shares nothing with the library: HKDF by Python's hmac, XChaCha20-Poly1305 by
libsodium's own function with a nonce of 24 bytes, AES-256-GCM by OpenSSL, entries put together by hand.

    python3 tests/reference/records.py [--check]
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import hmac
import json
import struct
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "vectors" / "records" / "vectors.json"

TAG = 16
XCHACHA20_POLY1305, AES_256_GCM = 0, 1
MESSAGE, KEY_UPDATE, CLOSE = 0, 1, 2
EVP_CTRL_AEAD_GET_TAG = 0x10  # openssl/evp.h


def expand(secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand, RFC 5869, section 2.3."""
    out = b""
    block = b""
    count = 1
    while len(out) < length:
        block = hmac.new(secret, block + info + bytes([count]), hashlib.sha256).digest()
        out += block
        count += 1
    return out[:length]


def library(name: str, package: str) -> ctypes.CDLL:
    path = ctypes.util.find_library(name)
    if path is None:
        raise SystemExit(f"records.py: lib{name} is missing: apt-get install {package}")
    return ctypes.CDLL(path)


class XChaCha20:
    """A nonce is a prefix, fixed for an epoch, and the number."""

    number = XCHACHA20_POLY1305
    label = "prefix"
    length = 16

    def __init__(self) -> None:
        self._seal = library("sodium", "libsodium23").crypto_aead_xchacha20poly1305_ietf_encrypt

    def nonce(self, fixed: bytes, n: int) -> bytes:
        return fixed + struct.pack("<Q", n)

    def seal(self, plain: bytes, associated: bytes, nonce: bytes, key: bytes) -> bytes:
        out = ctypes.create_string_buffer(len(plain) + TAG)
        length = ctypes.c_ulonglong(0)
        self._seal(
            out,
            ctypes.byref(length),
            plain,
            ctypes.c_ulonglong(len(plain)),
            associated,
            ctypes.c_ulonglong(len(associated)),
            None,
            nonce,
            key,
        )
        return out.raw[: length.value]


class Aes:
    """A nonce is a vector, fixed for an epoch, to which the number is added without carry."""

    number = AES_256_GCM
    label = "iv"
    length = 12

    def __init__(self) -> None:
        self._crypto = library("crypto", "libssl3")
        for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm"):
            getattr(self._crypto, name).restype = ctypes.c_void_p

    def nonce(self, fixed: bytes, n: int) -> bytes:
        number = bytes(4) + struct.pack(">Q", n)
        return bytes(a ^ b for a, b in zip(fixed, number))

    def seal(self, plain: bytes, associated: bytes, nonce: bytes, key: bytes) -> bytes:
        crypto = self._crypto
        out = ctypes.create_string_buffer(len(plain))
        tag = ctypes.create_string_buffer(TAG)
        length = ctypes.c_int(0)
        context = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new())
        cipher = ctypes.c_void_p(crypto.EVP_aes_256_gcm())
        good = (
            crypto.EVP_EncryptInit_ex(context, cipher, None, key, nonce) == 1
            and crypto.EVP_EncryptUpdate(
                context, None, ctypes.byref(length), associated, len(associated)
            )
            == 1
            and crypto.EVP_EncryptUpdate(context, out, ctypes.byref(length), plain, len(plain)) == 1
            and crypto.EVP_EncryptFinal_ex(context, tag, ctypes.byref(length)) == 1
            and crypto.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1
        )
        crypto.EVP_CIPHER_CTX_free(context)
        if not good:
            raise SystemExit("records.py: libcrypto does not do AES-256-GCM")
        return out.raw + tag.raw


class Side:
    """One direction of a session."""

    def __init__(self, cipher: XChaCha20 | Aes, secret: bytes, handshake_hash: bytes) -> None:
        self.cipher = cipher
        self.secret = secret
        self.hash = handshake_hash
        self.n = 0

    def derive(self, label: bytes, length: int) -> bytes:
        info = b"netproto/1 " + label + b"\0" + bytes([self.cipher.number]) + self.hash
        return expand(self.secret, info, length)

    def record(self, plain: bytes) -> bytes:
        header = struct.pack(">IBBI", 0xDEADBEEF, 1, 4, len(plain) + TAG)
        nonce = self.cipher.nonce(self.fixed(), self.n)
        self.n += 1
        return header + self.cipher.seal(plain, header, nonce, self.derive(b"key", 32))

    def fixed(self) -> bytes:
        """What nonces of this epoch are made of."""
        return self.derive(self.cipher.label.encode(), self.cipher.length)

    def next_epoch(self) -> None:
        self.secret = self.derive(b"next", 32)
        self.n = 0


def entry(kind: int, body: bytes, flags: int = 0, stream: bytes = b"") -> bytes:
    return struct.pack("<IBB", len(body), kind, flags) + stream + body


def session(cipher: XChaCha20 | Aes, secret: bytes, handshake_hash: bytes) -> dict[str, Any]:
    """One direction, from its first record to its last."""
    side = Side(cipher, secret, handshake_hash)
    ping = struct.pack("<IQ", 0, 7)
    request = struct.pack("<I", 257) + b"what is it?"
    stream = struct.pack("<IBBH", 1, 0, 0, 0)
    plan = [
        ("one message", entry(MESSAGE, ping)),
        ("sixteen messages", entry(MESSAGE, ping) * 16),
        ("a request on a stream", entry(MESSAGE, request, 8, stream)),
        ("a fragment and what follows", entry(MESSAGE, b"f" * 1024, 16) + entry(MESSAGE, b"end")),
        ("the greatest", entry(MESSAGE, b"m" * 65536, 8, stream) + entry(MESSAGE, b"x" * 1004)),
        ("a message and a key update", entry(MESSAGE, ping) + entry(KEY_UPDATE, b"")),
        ("the next epoch", entry(MESSAGE, ping)),
        ("the close", entry(CLOSE, struct.pack("<H", 3))),
    ]
    records = []
    for name, plain in plan:
        epoch = {"key": side.derive(b"key", 32).hex(), cipher.label: side.fixed().hex()}
        n = side.n
        record = side.record(plain)
        told = {"plain": plain.hex(), "record": record.hex()}
        if len(plain) > 4096:  # long ones by their digest
            told = {
                "plain_sha256": hashlib.sha256(plain).hexdigest(),
                "record_sha256": hashlib.sha256(record).hexdigest(),
            }
        records.append({"name": name, "n": n, **epoch, "len": len(plain), **told})
        if plain.endswith(entry(KEY_UPDATE, b"")):
            side.next_epoch()
    return {"cipher": cipher.number, "next_secret": side.secret.hex(), "records": records}


def vectors() -> dict[str, Any]:
    secret = bytes(range(32))
    handshake_hash = hashlib.sha256(b"a handshake").digest()
    ciphers: list[XChaCha20 | Aes] = [XChaCha20(), Aes()]
    return {
        "about": "made by tests/reference/records.py",
        "secret": secret.hex(),
        "handshake_hash": handshake_hash.hex(),
        "sessions": [session(cipher, secret, handshake_hash) for cipher in ciphers],
    }


def main() -> int:
    text = json.dumps(vectors(), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        if FILE.read_text() != text:
            print(f"{FILE.name} is not what records.py writes", file=sys.stderr)
            return 1
        return 0
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
