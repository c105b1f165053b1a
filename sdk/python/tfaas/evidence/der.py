"""The DER (X.690) of certificates and revocation lists, read strictly: definite and shortest lengths, low tag numbers,
nothing behind the end. Every failure is a refusal."""
from __future__ import annotations

import datetime

from ..wire import Cursor

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 1, 2, 3, 4, 5, 6
ENUMERATED, IA5_STRING, UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 10, 0x16, 0x17, 0x18, 0x30, 0x31


class Rejection(ValueError):
    """Evidence that is refused, and why."""


def moment(digits: str) -> int | None:
    """YYYYMMDDhhmmss to Unix seconds; None when there is no such moment."""
    try:
        at = datetime.datetime.strptime(digits, "%Y%m%d%H%M%S")
        return int(at.replace(tzinfo=datetime.timezone.utc).timestamp())
    except ValueError:
        return None


class Der:
    def __init__(self, data: bytes, what: str) -> None:
        self._c = Cursor(data, what)
        self._what = what

    def bad(self) -> Rejection:
        return Rejection(f"{self._what}: malformed")

    @property
    def more(self) -> bool:
        return self._c.left > 0

    @property
    def tag(self) -> int:
        return self._c.data[self._c.at] if self.more else -1

    def item(self, tag: int | None = None) -> tuple[int, bytes, bytes]:
        """The next item, of this tag if one is given: (tag, value, all of it)."""
        start = self._c.at
        if self._c.left < 2:
            raise self.bad()
        found, size = self._c.u8(), self._c.u8()
        if found & 0x1f == 0x1f or (tag is not None and found != tag):
            raise self.bad()
        if size >= 0x80:
            more = size & 0x7f
            if not 1 <= more <= 3 or more > self._c.left:
                raise self.bad()
            size = self._c.be(more)
            if size < 0x80 or size < 1 << (8 * (more - 1)):
                raise self.bad()
        if size > self._c.left:
            raise self.bad()
        value = self._c.take(size)
        return found, value, self._c.data[start:self._c.at]

    def value(self, tag: int) -> bytes:
        return self.item(tag)[1]

    def enter(self, tag: int) -> Der:
        return Der(self.value(tag), self._what)

    def end(self) -> None:
        if self.more:
            raise self.bad()

    def oid(self) -> str:
        """In hex."""
        value = self.value(OID)
        if not 1 <= len(value) <= 32:
            raise self.bad()
        return value.hex()

    def bool(self) -> bool:
        value = self.value(BOOLEAN)
        if value not in (b"\0", b"\xff"):
            raise self.bad()
        return value == b"\xff"

    def big_integer(self, size: int, tag: int = INTEGER) -> int:
        """Non-negative, of at most `size` bytes."""
        value = self.value(tag)
        if not value or value[0] & 0x80 or (len(value) > 1 and value[0] == 0 and value[1] < 0x80):
            raise self.bad()
        if len(value.lstrip(b"\0")) > size:
            raise self.bad()
        return int.from_bytes(value, "big")

    def uint(self, tag: int = INTEGER) -> int:
        return self.big_integer(4, tag)

    def bits(self) -> bytes:
        """BIT STRING of whole bytes."""
        value = self.value(BIT_STRING)
        if not value or value[0] != 0:
            raise self.bad()
        return value[1:]

    def octets(self, size: int | None = None) -> bytes:
        value = self.value(OCTET_STRING)
        if size is not None and len(value) != size:
            raise self.bad()
        return value

    def time(self) -> int:
        """UTCTime or GeneralizedTime as in RFC 5280 4.1.2.5; Unix seconds."""
        tag, value, _ = self.item()
        digits = value[:-1]
        if not value.endswith(b"Z") or not digits.isdigit() or (tag, len(digits)) not in ((UTC_TIME, 12),
                                                                                          (GENERALIZED_TIME, 14)):
            raise self.bad()
        text = digits.decode("ascii")
        if tag == UTC_TIME:
            text = ("20" if int(text[:2]) < 50 else "19") + text
        at = moment(text)
        if at is None:
            raise self.bad()
        return at
