"""Bytes: a cursor with bounds, QUIC's variable-length integers (RFC 9000 16), strict base64url, hex and JSON."""
from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from .errors import Malformed

VARINT_MAX = (1 << 62) - 1
_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")


class Cursor:
    """Reads bytes from front to back. What runs past the end is Malformed."""

    def __init__(self, data: bytes, what: str = "message") -> None:
        self.data = bytes(data)
        self.at = 0
        self.what = what

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, size: int) -> bytes:
        if size < 0 or size > self.left:
            raise Malformed(f"{self.what}: truncated")
        self.at += size
        return self.data[self.at - size:self.at]

    def rest(self) -> bytes:
        return self.take(self.left)

    def u8(self) -> int:
        return self.take(1)[0]

    def be(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def le(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        first = self.u8()
        return int.from_bytes(bytes([first & 0x3f]) + self.take((1 << (first >> 6)) - 1), "big")

    def vector(self) -> bytes:
        return self.take(self.varint())

    def end(self) -> None:
        if self.left:
            raise Malformed(f"{self.what}: bytes behind its end")


def varint(value: int) -> bytes:
    if not 0 <= value <= VARINT_MAX:
        raise Malformed("a number is out of range")
    for prefix, size in ((0, 1), (1, 2), (2, 4), (3, 8)):
        if value < 1 << (8 * size - 2):
            return (value | prefix << (8 * size - 2)).to_bytes(size, "big")
    raise AssertionError


def vector(data: bytes) -> bytes:
    return varint(len(data)) + data


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unbase64url(text: Any, size: int | None = None) -> bytes:
    """RFC 4648 section 5 without padding; one text for each bytes."""
    if not isinstance(text, str) or not _BASE64URL.match(text) or len(text) % 4 == 1:
        raise Malformed("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise Malformed("not base64url") from None
    if base64url(data) != text or (size is not None and len(data) != size):
        raise Malformed("not base64url of this size")
    return data


def is_hex(text: Any, size: int) -> bool:
    """Lower case, of `size` bytes."""
    return isinstance(text, str) and len(text) == 2 * size and _HEX.match(text) is not None


def unhex_any_case(text: Any, size: int | None = None) -> bytes:
    """As Intel writes it: either case."""
    if not isinstance(text, str) or not _HEX.match(text.lower()) or not text.isascii():
        raise Malformed("not hex")
    if size is not None and len(text) != 2 * size:
        raise Malformed("hex of another size")
    return bytes.fromhex(text)


def is_zero(data: bytes) -> bool:
    return not any(data)


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("JSON: a member twice")
    return found


def _no_constants(name: str) -> Any:
    raise Malformed(f"JSON: {name} is no value")


def _whole(text: str) -> int:
    if len(text) > 20 or not -(1 << 63) <= int(text) < 1 << 63:
        raise Malformed("JSON: a number is no integer of 64 bits")
    return int(text)


def _check_texts(value: Any) -> None:
    """NUL, and half of a surrogate pair, are no text."""
    if isinstance(value, str):
        value.encode("utf-8")  # UnicodeEncodeError is a ValueError
        if "\0" in value:
            raise Malformed("JSON: a text holds NUL")
    for part in value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else ():
        _check_texts(part)


def parse_json(text: str | bytes, what: str = "JSON") -> dict[str, Any]:
    """An object, as the C client reads it: no member twice, no NaN, only integers of 64 bits, nothing behind it. (A byte
    order mark is no JSON.)"""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constants,
                           parse_int=_whole, parse_float=_no_constants)
        _check_texts(value)
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what}: {error}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{what}: not an object")
    return value


def is_int(value: Any, least: int = 0, most: int = (1 << 63) - 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
