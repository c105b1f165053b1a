"""The answer to one sealed request: opens it, and says what it is. Must never hand out content that did not open, nor
call an answer whole before its end opened."""
from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import AsyncIterator, NoReturn

from . import bhttp
from .bhttp import End, Head, ResponseReader
from .carrier import Answer
from .crypto import NotAuthentic
from .errors import Malformed, TfaasError
from .message import read_http_date
from .ohttp import Exchange, TooLarge, Truncated
from .receipt import Claims
from .wire import parse_json

PROBLEM_MAX = 64 << 10
_PROBLEM_TYPES = "https://iana.org/assignments/http-problem-types#"
_KEY, _DATE = _PROBLEM_TYPES + "ohttp-key", _PROBLEM_TYPES + "date"
_SESSION = "tag:tfaas,2026:session-unknown"
_HOST_SAYS = {400: "request_not_opened", 409: "replay_reported", 429: "unavailable", 503: "unavailable"}
#: What the core states inside a sealed answer, by status and type, and whether it had taken the call. Before that it names
#: no package: a function cannot say such a thing, and so have itself called again.
_CORE_PROBLEMS = {(400, _DATE, False): "date_refused", (421, "tag:tfaas,2026:misdirected", False): "function_mismatch",
                  (412, "tag:tfaas,2026:package-mismatch", True): "package_mismatch",
                  (412, "tag:tfaas,2026:package-mismatch", False): "package_mismatch"}


def _problem_type(body: bytes | None) -> str:
    try:
        kind = parse_json(body or b"").get("type")
    except Malformed:
        return ""
    return kind if isinstance(kind, str) else ""


async def refuse_plain(answer: Answer) -> NoReturn:
    """An answer in clear is the host's word: an error, or no answer at all."""
    status = answer.status
    if status < 400:
        await answer.close()
        raise TfaasError("downgrade", f"the answer is not sealed (HTTP {status}, in clear)", status=status)
    kind = _problem_type(await answer.read(PROBLEM_MAX))
    code = {_KEY: "key_unknown", _SESSION: "session_unknown"}.get(kind) or \
        _HOST_SAYS.get(status, "host_refused")
    raise TfaasError(code, f"{TfaasError(code).args[0]} (HTTP {status}, in clear)", status=status)


@dataclass
class Info:
    """response.extensions["tfaas"]: what is known beside the response itself."""

    form: str  #: "whole", "chunked", "session"
    package: str | None = None  #: SHA-256 of the package that served it
    complete: bool = False  #: all of it opened and was checked
    receipt: str | None = None  #: its text, once complete
    claims: Claims | None = None  #: what the receipt states


@dataclass
class OpenedHead:
    status: int
    fields: bhttp.Fields
    own: dict[bytes, bytes]
    is_problem: bool = False


@dataclass
class Opening:
    """Reads one sealed answer. open_head(), then content() to its end."""

    answer: Answer
    exchange: Exchange
    hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    trailers: bhttp.Fields = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reader = ResponseReader()
        self._events = self._read()
        self._held: list[bytes] = []
        self.date: int | None = None  # that the head names

    async def _read(self) -> AsyncIterator[Head | bytes | End]:
        try:
            async for part in self.answer.body():
                for plain in self.exchange.feed(part):
                    for event in self._reader.feed(plain):
                        yield event
            for event in self._reader.feed(self.exchange.finish(), last=True):
                yield event
        except Truncated as error:
            raise TfaasError("response_truncated", f"response: {error}") from None
        except NotAuthentic as error:
            raise TfaasError("response_not_authentic", f"response: {error}") from None
        except TooLarge as error:
            raise TfaasError("response_too_large", f"response: {error}") from None
        except Malformed as error:
            raise TfaasError("response_form", f"response: {error}") from None

    async def open_head(self) -> OpenedHead:
        async for event in self._events:
            assert isinstance(event, Head)
            break
        else:
            raise TfaasError("response_truncated", "response: it has no head")
        self.hash.update(bhttp.hashed_response_head(event.status, event.fields))
        head = OpenedHead(event.status, [f for f in event.fields if not bhttp.is_ours(f[0])],
                          {name: value for name, value in event.fields if bhttp.is_ours(name)})
        for name, value in head.fields:
            if name == b"date":
                self.date = read_http_date(value)
            if name == b"content-type" and value.lower().startswith(b"application/problem+json"):
                head.is_problem = head.status >= 400
        if head.is_problem:
            await self._core_problem(head)
        return head

    async def _core_problem(self, head: OpenedHead) -> None:
        """A problem that the core itself states; others are the function's answer."""
        size = 0
        async for part in self._content():
            self._held.append(part)
            size += len(part)
            if size > PROBLEM_MAX:
                return
        code = _CORE_PROBLEMS.get((head.status, _problem_type(b"".join(self._held)), b"tfaas-package" in head.own))
        if code:
            raise TfaasError(code, f"the core says: {TfaasError(code).args[0]} ({head.status}, sealed)")

    async def _content(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if isinstance(event, bytes):
                self.hash.update(event)
                yield event
            elif isinstance(event, End):
                self.trailers = event.trailers

    async def content(self) -> AsyncIterator[bytes]:
        held, self._held = self._held, []
        for part in held:
            yield part
        async for part in self._content():
            yield part

    async def close(self) -> None:
        await self._events.aclose()  # type: ignore[attr-defined]
        await self.answer.close()

    @property
    def receipt(self) -> str | None:
        for name, value in self.trailers:
            if name == b"tfaas-receipt":
                return value.decode("latin-1")
        return None


_PACKAGE = re.compile(rb"sha256:([0-9a-f]{64})\Z")


def package_of(head: OpenedHead) -> str | None:
    match = _PACKAGE.match(head.own.get(b"tfaas-package", b""))
    return match.group(1).decode("ascii") if match else None
