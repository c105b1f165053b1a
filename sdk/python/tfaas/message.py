"""One call: what a caller asks for, as the inner Binary HTTP request, and the hash that its receipt must hold."""
from __future__ import annotations

import email.utils
import hashlib
import re
from dataclasses import dataclass
from typing import Any, AsyncIterator

import httpx

from . import bhttp
from .errors import Malformed, TfaasError
from .sealed import package_digest

DOMAIN_DEFAULT = "openfaas-fn"
FORMS = ("auto", "whole", "chunked", "session")
PIECE = 16000  # of content, so that with its length it fits a chunk
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_FUNCTION_PATH = re.compile(rb"(.*?)/function/([^/?]+)([^?]*)(\?.*)?\Z", re.S)
_HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
               b"host", b"expect", b"content-length"}


def usage(text: str) -> TfaasError:
    return TfaasError("usage", text)


def check_name(value: str, what: str) -> str:
    """RFC 1123 label, as OpenFaaS has them."""
    if not isinstance(value, str) or not _NAME.match(value):
        raise usage(f"{what}: not a name")
    return value


@dataclass(frozen=True)
class Options:
    """How a call is made.

    receipt: ask for one, fail without a valid one. package: SHA-256 of the package that must serve it. session: use or
    begin one. form: "auto" (a session if there is one, else chunked), "whole" (RFC 9458, 1 MiB), "chunked", "session".
    gateway: no name in the outer URL. once: a host that lies about a key or a session makes the client send a call
    twice, and could have both run; with this a call is sent once, and fails instead.
    """

    receipt: bool = False
    package: str | None = None
    session: bool = True
    form: str = "auto"
    gateway: bool = False
    once: bool = False
    namespace: str | None = None

    def with_(self, more: Any) -> Options:
        values = dict(self.__dict__)
        for name, value in dict(more or {}).items():
            if name not in values:
                raise usage(f"{name}: no such option")
            values[name] = value
        return Options(**values)

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise usage(f"form: one of {', '.join(FORMS)}")
        if self.form == "session" and not self.session:
            raise usage("form: session, but no session is allowed")
        if self.package is not None:
            object.__setattr__(self, "package", package_digest(self.package).hex())
        if self.namespace is not None:
            check_name(self.namespace, "namespace")


@dataclass(frozen=True)
class Target:
    base_url: str
    function: str
    domain: str
    rest: bytes  # "/REST?QUERY", what the function sees


def split_base(base_url: str) -> tuple[str, str, str]:
    """(URL without a slash at its end, scheme, authority)"""
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        raise usage("url: malformed") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise usage("url: not http[s]://HOST[:PORT][/PREFIX]")
    authority = url.netloc.decode("ascii")
    return f"{url.scheme}://{authority}{url.raw_path.decode('ascii')}".rstrip("/"), url.scheme, authority


def split_url(url: httpx.URL, namespace: str | None) -> Target:
    """https://HOST[/PREFIX]/function/NAME[.NAMESPACE][/REST][?QUERY]"""
    match = _FUNCTION_PATH.match(url.raw_path)
    if not match or url.userinfo:
        raise usage("url: not of the form https://HOST/function/NAME[.NAMESPACE][/REST]; nothing is sent in clear")
    prefix, full, rest, query = (part or b"" for part in match.groups())
    name, dot, its = full.decode("latin-1").partition(".")
    if dot and namespace is not None and its != namespace:
        raise usage("url: names another namespace than the options")
    domain = check_name(its if dot else namespace or DOMAIN_DEFAULT, "namespace")
    base = f"{url.scheme}://{url.netloc.decode('ascii')}{prefix.decode('ascii')}"
    return Target(base, check_name(name, "function"), domain, rest + query)


def encode_headers(headers: Any) -> bhttp.Fields:
    """Of a caller: names in lower case, without those of a connection."""
    fields = []
    for name, value in httpx.Headers(headers).raw:
        name = name.lower()
        if name == b"date" or bhttp.is_ours(name):
            raise usage(f'header "{name.decode("latin-1")}": not the caller\'s')
        if name not in _HOP_BY_HOP:
            fields.append((name, value))
    return fields


class Message:
    """One sending of a call. Its content is `body`, or comes from `stream`."""

    def __init__(self, request: bhttp.Request, body: bytes | None, stream: Any = None) -> None:
        try:
            request.check()
        except Malformed as error:
            code = "request_too_large" if "48 KiB" in str(error) else "usage"
            raise TfaasError(code, f"request: {error}") from None
        self._request, self._body, self._stream = request, body, stream
        self._hash = hashlib.sha256(request.hashed_head())

    def plain(self) -> bytes:
        """All of it, known length."""
        body = self._body or b""
        self._hash.update(body)
        return self._request.head(False) + bhttp.content(body)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Indeterminate length, in pieces that fit a chunk."""
        head = self._request.head(True)
        for at in range(0, len(head), PIECE):
            yield head[at:at + PIECE]
        async for part in iterate(self._stream):
            if not isinstance(part, (bytes, bytearray, memoryview)):
                raise usage("content: a stream gives bytes")
            part = bytes(part)
            self._hash.update(part)
            for at in range(0, len(part), PIECE):
                yield bhttp.content(part[at:at + PIECE])
        yield bhttp.STREAM_END

    @property
    def is_stream(self) -> bool:
        return self._stream is not None

    def hash(self) -> bytes:
        return self._hash.digest()


async def iterate(source: Any) -> AsyncIterator[bytes]:
    if hasattr(source, "__aiter__"):
        async for part in source:
            yield part
    else:
        for part in source:
            yield part


def http_date(unix: int) -> bytes:
    return email.utils.formatdate(unix, usegmt=True).encode("ascii")


def read_http_date(value: bytes) -> int | None:
    try:
        return int(email.utils.parsedate_to_datetime(value.decode("latin-1")).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
