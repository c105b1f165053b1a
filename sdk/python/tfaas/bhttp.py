"""Binary HTTP (RFC 9292): requests written in either framing, responses read in pieces of any size in either framing,
with informational responses, trailers and padding."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Generator, Iterable, TypeVar

from .errors import Malformed
from .wire import Cursor, is_zero, varint, vector

KNOWN_REQUEST, KNOWN_RESPONSE, STREAM_REQUEST, STREAM_RESPONSE = range(4)
HEAD_MAX, FIELDS_MAX, INFORMATIONAL_MAX = 48 * 1024, 256, 16
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_LOWER_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+\Z")
_PARTS = {
    "method": _TOKEN,
    "scheme": re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*\Z"),
    "authority": re.compile(rb"[\x21-\x7e]*\Z"),
    "path": re.compile(rb"/[^\x00-\x20\x7f]*\Z"),
}
Fields = list[tuple[bytes, bytes]]
T = TypeVar("T")
Steps = Generator[None, None, T]  # yields when it needs more bytes, and goes on when they are there


@dataclass
class Request:
    method: bytes
    scheme: bytes
    authority: bytes
    path: bytes
    fields: Fields = field(default_factory=list)

    def check(self) -> None:
        for name, pattern in _PARTS.items():
            if not pattern.match(getattr(self, name)):
                raise Malformed(f"head: {name} is malformed")
        if re.search(rb"[/?#@\\]", self.authority):
            raise Malformed("head: authority is malformed")
        check_fields(self.fields)
        if len(self.head(False)) > HEAD_MAX:
            raise Malformed("head: larger than 48 KiB")

    def _control(self) -> bytes:
        return b"".join(vector(part) for part in (self.method, self.scheme, self.authority, self.path))

    def head(self, stream: bool) -> bytes:
        """Up to the content."""
        if stream:
            return varint(STREAM_REQUEST) + self._control() + _lines(self.fields) + varint(0)
        return varint(KNOWN_REQUEST) + self._control() + vector(_lines(self.fields))

    def hashed_head(self) -> bytes:
        """What receipts hash before the content (common/receipt.h)."""
        return varint(KNOWN_REQUEST) + self._control() + vector(_lines(f for f in self.fields if not is_ours(f[0])))


def hashed_response_head(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return varint(KNOWN_RESPONSE) + varint(status) + vector(_lines(f for f in fields if not is_ours(f[0])))


def is_ours(name: bytes) -> bool:
    return name.startswith(b"tfaas-")


def _lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(vector(name) + vector(value) for name, value in fields)


#: Known length: the content; its trailers are empty. Indeterminate length: a piece of it.
content = vector
STREAM_END = varint(0) + varint(0)  # of the content, and of no trailers


def check_fields(fields: Fields) -> None:
    if len(fields) > FIELDS_MAX:
        raise Malformed("head: more than 256 fields")
    for name, value in fields:
        if not _LOWER_TOKEN.match(name):
            raise Malformed("head: a field name is not a lower-case token")
        if re.search(rb"[\0\r\n]", value):
            raise Malformed("head: a field value holds CR, LF or NUL")


# --- reading ---

@dataclass
class Head:
    status: int
    fields: Fields


@dataclass
class End:
    trailers: Fields


class ResponseReader:
    """feed() gives a Head, then bytes of content, then, at the end of input, an End. What is missing at the end counts
    as empty where section 3.8 allows that: whole parts, never half a part."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._last = False
        self._steps = self._read()

    def feed(self, data: bytes, last: bool = False) -> list[Head | bytes | End]:
        self._buffer += data
        self._last = last
        events: list[Head | bytes | End] = []
        for event in self._steps:
            if event is None:  # more bytes are needed
                if last:
                    raise Malformed("message: it ends before its end")
                break
            events.append(event)
        if self._at:
            del self._buffer[:self._at]
            self._at = 0
        return events

    def _available(self) -> int:
        return len(self._buffer) - self._at

    def _take(self, size: int) -> Steps[bytes]:
        while self._available() < size:
            yield None
        self._at += size
        return bytes(self._buffer[self._at - size:self._at])

    def _varint(self) -> Steps[int]:
        first = yield from self._take(1)
        more = yield from self._take((1 << (first[0] >> 6)) - 1)
        return Cursor(first + more).varint()

    def _is_missing(self) -> Steps[bool]:
        """Does the message end here?"""
        while self._available() == 0 and not self._last:
            yield None
        return self._available() == 0

    def _sized(self, budget: int) -> Steps[bytes]:
        size = yield from self._varint()
        if size > budget:
            raise Malformed("message: a head or its trailers are larger than the limit")
        return (yield from self._take(size))

    def _known_section(self, may_be_missing: bool) -> Steps[Fields]:
        if may_be_missing and (yield from self._is_missing()):
            return []
        c = Cursor((yield from self._sized(HEAD_MAX)), "field section")
        fields: Fields = []
        while c.left:
            fields.append((c.vector(), c.vector()))
        return fields

    def _stream_section(self, may_be_missing: bool) -> Steps[Fields]:
        fields: Fields = []
        if may_be_missing and (yield from self._is_missing()):
            return fields
        budget = HEAD_MAX
        while True:
            name = yield from self._sized(budget)
            if not name:
                return fields
            value = yield from self._sized(budget)
            budget -= len(name) + len(value) + 2
            fields.append((name, value))
            if budget < 0 or len(fields) > FIELDS_MAX:
                raise Malformed("message: a head or its trailers are larger than the limit")

    def _content(self, size: int) -> Generator[bytes | None, None, None]:
        while size:
            part = min(size, self._available())
            if part == 0:
                yield None
                continue
            self._at += part
            size -= part
            yield bytes(self._buffer[self._at - part:self._at])

    def _read(self) -> Generator[Head | bytes | End | None, None, None]:
        framing = yield from self._varint()
        if framing not in (KNOWN_RESPONSE, STREAM_RESPONSE):
            raise Malformed("message: not a response")
        section = self._known_section if framing == KNOWN_RESPONSE else self._stream_section
        for informational in range(INFORMATIONAL_MAX + 2):
            status = yield from self._varint()
            if not 100 <= status <= 599:
                raise Malformed("message: status is not in 100..599")
            fields = yield from section(True)
            check_fields(fields)
            if status >= 200:
                break
            if informational == INFORMATIONAL_MAX:
                raise Malformed("message: more than 16 informational responses")
        yield Head(status, fields)
        first = True
        while not (first and (yield from self._is_missing())):
            size = yield from self._varint()
            yield from self._content(size)
            if size == 0 or framing == KNOWN_RESPONSE:
                break
            first = False
        trailers = yield from section(True)
        check_fields(trailers)
        while not (yield from self._is_missing()):
            if not is_zero(bytes(self._buffer[self._at:])):
                raise Malformed("message: padding is not zero")
            self._at = len(self._buffer)
        yield End(trailers)
