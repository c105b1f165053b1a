"""Oblivious HTTP (RFC 9458), chunked OHTTP (draft-ietf-ohai-chunked-ohttp-08) and sessions (common/session.h), the
client's side. An exchange seals one request and opens its response; bytes go in and come out in pieces of any size."""
from __future__ import annotations

import secrets
from dataclasses import dataclass

from .crypto import (AES_256_GCM, CHACHA20_POLY1305, NONCE_SIZE, PUBLIC_SIZE, TAG_SIZE, Aead, NotAuthentic, Sender,
                     counter_nonce, hkdf_expand, hkdf_extract, key_size)
from .errors import Malformed
from .wire import Cursor, varint

KEM_X25519, KDF_SHA256 = 0x20, 1
CHUNK_MAX = 16384  # plaintext of one chunk
WHOLE_MAX = 1 << 20  # a whole message either way (SPECIFICATION 14.3)
SUITES_MAX = 8
SESSION_EXPORT_LABEL = b"tfaas session"


class Truncated(ValueError):
    """The message ends before its end."""


class TooLarge(ValueError):
    """The message is larger than its form takes."""


@dataclass(frozen=True)
class KeyConfiguration:
    id: int
    public_key: bytes
    aeads: tuple[int, ...]


def read_key_configuration(data: bytes) -> KeyConfiguration:
    """RFC 9458 section 3.1."""
    c = Cursor(data, "key configuration")
    number, kem = c.u8(), c.be(2)
    if kem != KEM_X25519:
        raise Malformed("key configuration: the KEM is not X25519 with HKDF-SHA256")
    public = c.take(PUBLIC_SIZE)
    size = c.be(2)
    if size != c.left or size < 4 or size % 4:
        raise Malformed("key configuration: the suites are not a row of four-byte pairs to its end")
    aeads: list[int] = []
    while c.left:
        kdf, aead = c.be(2), c.be(2)
        if kdf == KDF_SHA256 and len(aeads) < SUITES_MAX:
            aeads.append(aead)
    if not aeads:
        raise Malformed("key configuration: no suite with HKDF-SHA256")
    return KeyConfiguration(number, public, tuple(aeads))


def choose_aead(config: KeyConfiguration) -> int:
    for aead in config.aeads:
        if aead in (AES_256_GCM, CHACHA20_POLY1305):
            return aead
    raise Malformed("key configuration: no AEAD that this client has")


# --- chunks ---

class ChunkOpener:
    """Opens chunks in order. `open_one(sealed, aad)` counts them."""

    def __init__(self, aead: Aead, base: bytes) -> None:
        self._aead, self._base, self._count = aead, base, 0
        self._buffer = bytearray()
        self._last = False

    def _open(self, sealed: bytes, aad: bytes) -> bytes:
        plain = self._aead.open(counter_nonce(self._base, self._count), aad, sealed)
        self._count += 1
        return plain

    def _length(self) -> tuple[int, int] | None:
        """(size of the chunk, bytes of its length)"""
        if not self._buffer:
            return None
        width = 1 << (self._buffer[0] >> 6)
        if len(self._buffer) < width:
            return None
        return Cursor(bytes(self._buffer[:width])).varint(), width

    def feed(self, data: bytes) -> list[bytes]:
        """The plaintexts of the chunks that are whole now."""
        self._buffer += data
        opened = []
        while not self._last:
            found = self._length()
            if found is None:
                break
            size, width = found
            if size == 0:
                self._last = True
                del self._buffer[:width]
                break
            if not TAG_SIZE < size <= CHUNK_MAX + TAG_SIZE:
                raise NotAuthentic("a chunk of a size that is not allowed")
            if len(self._buffer) < width + size:
                break
            opened.append(self._open(bytes(self._buffer[width:width + size]), b""))
            del self._buffer[:width + size]
        if self._last and len(self._buffer) > CHUNK_MAX + TAG_SIZE:
            raise NotAuthentic("the final chunk is larger than a chunk may be")
        return opened

    def finish(self) -> bytes:
        """No byte follows: the final chunk."""
        if not self._last:
            raise Truncated("it ends before its final chunk does")
        if len(self._buffer) < TAG_SIZE:
            raise NotAuthentic("the final chunk is too short")
        return self._open(bytes(self._buffer), b"final")


def _frame(sealed: bytes, final: bool) -> bytes:
    return varint(0 if final else len(sealed)) + sealed


class Exchange:
    """One request and its response. The bytes for the wire are seal_all(), or begin() and then seal() for each piece,
    the last one final. Then feed() and finish() open the response."""

    request_type = response_type = ""
    in_session = False
    aead = 0

    def begin(self) -> bytes:
        """What the sealed request begins with."""
        raise NotImplementedError

    def seal(self, plain: bytes, final: bool) -> bytes:
        raise NotImplementedError

    def seal_all(self, plain: bytes) -> bytes:
        parts = [self.begin()]
        for at in range(0, max(len(plain), 1), CHUNK_MAX):
            parts.append(self.seal(plain[at:at + CHUNK_MAX], at + CHUNK_MAX >= len(plain)))
        return b"".join(parts)

    def feed(self, data: bytes) -> list[bytes]:
        raise NotImplementedError

    def finish(self) -> bytes:
        raise NotImplementedError

    def session_secret(self) -> bytes:
        raise NotImplementedError


class _Encapsulated(Exchange):
    request_label = response_label = b""

    def __init__(self, config: KeyConfiguration, aead: int, ephemeral: bytes | None = None) -> None:
        self.aead = aead
        self._header = (bytes([config.id]) + KEM_X25519.to_bytes(2, "big") + KDF_SHA256.to_bytes(2, "big") +
                        aead.to_bytes(2, "big"))
        self._sender = Sender(aead, config.public_key, self.request_label + b"\0" + self._header, ephemeral)
        self.key_id = config.id

    def begin(self) -> bytes:
        return self._header + self._sender.enc

    def session_secret(self) -> bytes:
        return self._sender.export(SESSION_EXPORT_LABEL, 32)

    @property
    def _nonce_size(self) -> int:
        return max(NONCE_SIZE, key_size(self.aead))

    def _response_key(self, nonce: bytes) -> tuple[Aead, bytes]:
        secret = self._sender.export(self.response_label, self._nonce_size)
        prk = hkdf_extract(self._sender.enc + nonce, secret)
        return Aead(self.aead, hkdf_expand(prk, b"key", key_size(self.aead))), hkdf_expand(prk, b"nonce", NONCE_SIZE)


class WholeExchange(_Encapsulated):
    request_type, response_type = "message/ohttp-req", "message/ohttp-res"
    request_label, response_label = b"message/bhttp request", b"message/bhttp response"

    def __init__(self, config: KeyConfiguration, aead: int, ephemeral: bytes | None = None) -> None:
        super().__init__(config, aead, ephemeral)
        self._buffer = bytearray()

    def seal_all(self, plain: bytes) -> bytes:
        sealed = self.begin() + self._sender.seal(plain)
        if len(sealed) > WHOLE_MAX:
            raise TooLarge("the request is larger than 1 MiB")
        return sealed

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        if len(self._buffer) > WHOLE_MAX + self._nonce_size + TAG_SIZE:
            raise TooLarge("more than 1 MiB in one message")
        return []

    def finish(self) -> bytes:
        data, size = bytes(self._buffer), self._nonce_size
        if len(data) < size + TAG_SIZE:
            raise NotAuthentic("the response is too short")
        aead, nonce = self._response_key(data[:size])
        return aead.open(nonce, b"", data[size:])


class _Chunked(Exchange):
    """What chunked OHTTP and sessions share: a nonce, then chunks."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._opener: ChunkOpener | None = None

    def _start(self, nonce: bytes) -> ChunkOpener:
        raise NotImplementedError

    def _head_size(self) -> int:
        raise NotImplementedError

    def feed(self, data: bytes) -> list[bytes]:
        if self._opener is None:
            self._head += data
            size = self._head_size()
            if len(self._head) < size:
                return []
            self._opener = self._start(bytes(self._head[:size]))
            data = bytes(self._head[size:])
        return self._opener.feed(data)

    def finish(self) -> bytes:
        if self._opener is None:
            raise Truncated("it ends before its nonce does")
        return self._opener.finish()


class ChunkedExchange(_Chunked, _Encapsulated):
    request_type, response_type = "message/ohttp-chunked-req", "message/ohttp-chunked-res"
    request_label, response_label = b"message/bhttp chunked request", b"message/bhttp chunked response"

    def __init__(self, config: KeyConfiguration, aead: int, ephemeral: bytes | None = None) -> None:
        _Encapsulated.__init__(self, config, aead, ephemeral)
        _Chunked.__init__(self)

    def seal(self, plain: bytes, final: bool) -> bytes:
        return _frame(self._sender.seal(plain, b"final" if final else b""), final)

    def _head_size(self) -> int:
        return self._nonce_size

    def _start(self, nonce: bytes) -> ChunkOpener:
        return ChunkOpener(*self._response_key(nonce))


@dataclass
class Session:
    id: bytes
    secret: bytes
    aead: int
    ends_at: int
    sequence: int = 0


class SessionExchange(_Chunked):
    request_type = "application/vnd.tfaas.session-req"
    response_type = "application/vnd.tfaas.session-res"
    in_session = True

    def __init__(self, session: Session, sequence: int, nonce: bytes | None = None) -> None:
        """`sequence` is used once in a session. `nonce`: for test vectors only."""
        super().__init__()
        self.aead = session.aead
        self._session_head = session.id + sequence.to_bytes(8, "big") + (nonce or secrets.token_bytes(16))
        self._secret = session.secret
        self._sealer = Aead(self.aead, self._key(b"request", b""))
        self._count = 0

    def _key(self, which: bytes, nonce: bytes) -> bytes:
        return hkdf_expand(self._secret, b"tfaas session " + which + self._session_head + nonce, key_size(self.aead))

    def begin(self) -> bytes:
        return self._session_head

    def seal(self, plain: bytes, final: bool) -> bytes:
        nonce = counter_nonce(bytes(NONCE_SIZE), self._count)
        self._count += 1
        return _frame(self._sealer.seal(nonce, b"final" if final else b"", plain), final)

    def _head_size(self) -> int:
        return 16

    def _start(self, nonce: bytes) -> ChunkOpener:
        return ChunkOpener(Aead(self.aead, self._key(b"response", nonce)), bytes(NONCE_SIZE))
