"""The deterministic CBOR (RFC 8949 4.2.1) of TFaaS: unsigned integers, bytes, text, arrays, maps, booleans; shortest
forms only. The reader refuses a second encoding of anything."""
from __future__ import annotations

from typing import Any

from .errors import Malformed
from .wire import Cursor

_DEPTH_MAX = 4


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << (8 * size):
            return bytes([major << 5 | info]) + value.to_bytes(size, "big")
    raise Malformed("CBOR: a number is out of range")


def encode(value: Any) -> bytes:
    """dict (keys in any order), list, bytes, str, bool, int >= 0."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int) and value >= 0:
        return _head(0, value)
    if isinstance(value, (bytes, bytearray)):
        return _head(2, len(value)) + bytes(value)
    if isinstance(value, str):
        data = value.encode("utf-8")
        return _head(3, len(data)) + data
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise Malformed("CBOR: no such value")


def _argument(c: Cursor, info: int) -> int:
    if info < 24:
        return info
    if info > 27:
        raise Malformed("CBOR: indefinite or reserved length")
    size = 1 << (info - 24)
    value = c.be(size)
    if value < (24 if size == 1 else 1 << (4 * size)):
        raise Malformed("CBOR: not the shortest form")
    return value


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("CBOR: text is not UTF-8") from None
    if "\0" in text:
        raise Malformed("CBOR: text holds NUL")
    return text


def _map(c: Cursor, count: int, depth: int) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    last = b""
    for _ in range(count):
        start = c.at
        key = _item(c, depth)
        encoded = c.data[start:c.at]
        if not isinstance(key, (int, str)) or isinstance(key, bool) or encoded <= last:
            raise Malformed("CBOR: keys are not in order")
        last = encoded
        found[key] = _item(c, depth)
    return found


def _item(c: Cursor, depth: int) -> Any:
    first = c.u8()
    major, info = first >> 5, first & 0x1f
    if major == 7 and info in (20, 21):
        return info == 21
    if major not in (0, 2, 3, 4, 5) or depth > _DEPTH_MAX:
        raise Malformed("CBOR: an item of a kind that is not used")
    value = _argument(c, info)
    if major == 0:
        return value
    if major == 2:
        return c.take(value)
    if major == 3:
        return _text(c.take(value))
    if value > c.left // (major - 3):  # every item takes a byte at least
        raise Malformed("CBOR: truncated")
    if major == 4:
        return [_item(c, depth + 1) for _ in range(value)]
    return _map(c, value, depth + 1)


def decode(data: bytes) -> Any:
    c = Cursor(data, "CBOR")
    value = _item(c, 0)
    c.end()
    return value
