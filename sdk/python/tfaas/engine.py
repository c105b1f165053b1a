"""Calls of one host: verify, choose a form, seal, send, open, check; again when a key, a session or a date was refused,
once for each. Must never send anything in clear, nor use what was fetched before verify() took it."""
from __future__ import annotations

import re
import secrets
import threading
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, AsyncIterator, Callable, Mapping

from . import bhttp
from .answer import Info, OpenedHead, Opening, package_of, refuse_plain
from .carrier import Carrier
from .errors import Malformed, TfaasError
from .message import Message, Options, Target, check_name, http_date, split_base, usage
from .ohttp import (ChunkedExchange, Exchange, Session, SessionExchange, TooLarge, WholeExchange, choose_aead)
from .policy import Policy
from .receipt import Expected, verify_receipt
from .sealed import seal
from .verify import Fetched, LiveLease, Report, verify
from .wire import base64url, unbase64url

EVIDENCE_MAX, DOMAIN_MAX = 1 << 20, 64 << 10
LEASE_MARGIN_S = 5  # a lease that ends sooner is not begun with
MAX_AGE_MOST_S = 300  # that a host may ask to keep its answers for
SESSION_AGE_MAX_S = 366 * 86400
_FOREVER = 1 << 62
_SESSION_FIELD = re.compile(rb"([A-Za-z0-9_-]{22}); ?max-age=([0-9]{1,8})\Z")
_MAX_AGE = re.compile(r"(?:^|[ ,])max-age=([0-9]{1,9})(?:$|[ ,])")


@dataclass
class _Domain:
    """What is known of one trust domain."""

    name: str
    renewing: AbstractAsyncContextManager[None]  # one verification at a time
    fetched: Fetched | None = None
    report: Report | None = None  # that holds
    refetch_at: int = 0
    session: Session | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Call:
    target: Target
    method: str
    fields: bhttp.Fields
    body: bytes | None
    stream: Any
    options: Options
    extensions: Mapping[str, Any]


@dataclass
class Opened:
    """An answer whose head has opened; content() checks it to its end."""

    head: OpenedHead
    info: Info
    content: Callable[[], AsyncIterator[bytes]]
    close: Callable[[], Any]


class Engine:
    def __init__(self, base_url: str, policy: Policy, carrier: Carrier, clock: Callable[[], float],
                 collateral: bytes | None = None, fresh: bool = False) -> None:
        self.base_url, self._scheme, self._authority = split_base(base_url)
        self._policy, self._carrier, self._clock = policy, carrier, clock
        self._collateral, self._fresh = collateral, fresh
        self._domains: dict[str, _Domain] = {}
        self._date_offset_s = 0  # the core's clock, as told inside sealed answers, minus ours

    def _now(self) -> int:
        return int(self._clock())

    def _domain(self, name: str) -> _Domain:
        found = self._domains.get(check_name(name, "namespace"))
        return found or self._domains.setdefault(name, _Domain(name, self._carrier.lock()))

    # --- verification ---

    async def _get(self, what: str, query: str, most: int, extensions: Mapping[str, Any]) -> tuple[bytes, int]:
        """(body, seconds it may be kept)"""
        url = f"{self.base_url}/.well-known/tfaas/{what}{query}"
        answer = await self._carrier.send("GET", url, {}, None, extensions)
        if answer.status != 200:
            await answer.close()
            code = "unavailable" if answer.status in (429, 503) else "host_refused"
            raise TfaasError(code, f"{what}: HTTP {answer.status}", status=answer.status)
        match = _MAX_AGE.search(answer.headers.get("cache-control", "").lower())
        body = await answer.read(most)
        if body is None:
            raise TfaasError("domain_form" if what == "domain" else "evidence_form", f"{what}: too large")
        if not body:
            raise TfaasError("host_refused", f"{what}: HTTP 200, empty")
        return body, min(int(match.group(1)), MAX_AGE_MOST_S) if match else _FOREVER

    async def _fetch(self, domain: _Domain, evidence: Fetched | None,
                     extensions: Mapping[str, Any]) -> tuple[Fetched, int]:
        """All of it, or, with `evidence`, a new domain statement to go with that."""
        if evidence is None:
            nonce = secrets.token_bytes(32) if self._fresh else b""
            query = f"?namespace={domain.name}" + (f"&nonce={base64url(nonce)}" if nonce else "")
            said, _ = await self._get("evidence", query, EVIDENCE_MAX, extensions)
        else:
            said, nonce = evidence.evidence, evidence.nonce
        statement, max_age = await self._get("domain", f"?namespace={domain.name}", DOMAIN_MAX, extensions)
        return Fetched(said, statement, self._now(), nonce), max_age

    async def _renew(self, domain: _Domain, evidence: Fetched | None, extensions: Mapping[str, Any]) -> Report:
        if evidence is None:
            domain.report = None
        fetched, max_age = await self._fetch(domain, evidence, extensions)
        report = verify(fetched, self._policy, self._now(), domain.name, self._collateral)
        if report.ok:
            domain.fetched, domain.report = fetched, report
            domain.refetch_at = min(_FOREVER, self._now() + max_age)
        else:
            domain.report = None
        return report

    async def verify(self, namespace: str, extensions: Mapping[str, Any]) -> Report:
        """Fetches and checks anew. Does not raise for what the checks find."""
        domain = self._domain(namespace)
        async with domain.renewing:
            report = await self._renew(domain, None, extensions)
        if not report.ok:
            domain.session = None
        return report

    def bundle(self, namespace: str) -> str:
        domain = self._domain(namespace)
        if domain.report is None or domain.fetched is None:
            raise usage("bundle: nothing is verified")
        return domain.fetched.to_bundle()

    def _good(self, domain: _Domain, stale: Report | None) -> Report | None:
        """What was verified, while it holds."""
        now, report = self._now(), domain.report
        if report is None or report is stale or now > report.not_after:
            return None
        return report if now - report.not_before <= self._policy.maximum_age_s else None

    def _usable(self, domain: _Domain, stale: Report | None) -> Report | None:
        report = self._good(domain, stale)
        return report if report and self._now() < domain.refetch_at and self._lease(report) else None

    async def ready(self, domain: _Domain, extensions: Mapping[str, Any], stale: Report | None = None) -> Report:
        """A verification that holds now, with a lease to begin with. Not `stale`: its keys are gone."""
        found = self._usable(domain, stale)
        if found:
            return found
        async with domain.renewing:
            found = self._usable(domain, stale)  # somebody else was quicker
            if found is None and self._good(domain, stale):
                # Only the leases ran out: the same evidence, a new domain statement.
                found = await self._renew(domain, domain.fetched, extensions)
                # Another keeper may be there by now: then its evidence is needed.
                if found.error is not None and found.error.code == "domain_signature":
                    found = None
            found = found or await self._renew(domain, None, extensions)
        if found.error is not None:
            domain.session = None
            raise found.error
        return found

    def _lease(self, report: Report) -> LiveLease | None:
        """Any that still has time, so that workers share the load."""
        live = [one for one in report.leases if one.not_after - self._now() > LEASE_MARGIN_S]
        return secrets.choice(live) if live else None

    # --- calls ---

    async def call(self, call: Call) -> Opened:
        domain = self._domain(call.target.domain)
        once = call.options.once or call.stream is not None
        mended: set[str] = set()  # each reason may be mended once
        stale: Report | None = None
        while True:
            try:
                return await self._attempt(domain, call, stale)
            except TfaasError as error:
                # A key's id is one byte: under another key of the same id a request does not open.
                reason = "key_unknown" if error.code == "request_not_opened" else error.code
                stale = domain.report if reason == "key_unknown" else None
                if reason in ("key_unknown", "session_unknown"):
                    domain.session = None
                elif error.code == "date_refused" and error.offset_s is not None:
                    if self._date_offset_s == error.offset_s:
                        raise
                    self._date_offset_s = int(error.offset_s)  # type: ignore[call-overload]
                else:
                    raise
                if once or reason in mended:
                    raise
                mended.add(reason)

    async def _attempt(self, domain: _Domain, call: Call, stale: Report | None) -> Opened:
        session = self._session(domain, call)
        report = domain.report
        if session is None or report is None or report is stale:
            report = await self.ready(domain, call.extensions, stale)
        exchange = self._exchange(domain, call, session, report)
        asks = call.options.session and not exchange.in_session
        message = self._message(call, asks)
        answer = await self._post(call, exchange, message)
        if answer.media_type != exchange.response_type:
            await refuse_plain(answer)
        opening = Opening(answer, exchange)
        try:
            head = await opening.open_head()
        except BaseException as error:
            await opening.close()
            if isinstance(error, TfaasError) and error.code == "date_refused":
                error.offset_s = self._offset(opening)
            raise
        if asks:
            self._begin_session(domain, head, exchange)
        return await self._opened(call, report, message, opening, head, exchange)

    def _session(self, domain: _Domain, call: Call) -> Session | None:
        session, options = domain.session, call.options
        if session is None or not options.session or options.form in ("whole", "chunked"):
            return None
        return session if self._now() < session.ends_at else None

    def _exchange(self, domain: _Domain, call: Call, session: Session | None, report: Report) -> Exchange:
        if session is not None:
            with domain.lock:
                session.sequence += 1
                sequence = session.sequence
            return SessionExchange(session, sequence)
        lease = self._lease(report)
        if lease is None:
            raise TfaasError("lease_expired", "every lease ends now") if report.leases else TfaasError("lease_missing")
        whole = call.options.form == "whole"
        if whole and call.stream is not None:
            raise usage("content: a stream cannot go whole")
        try:
            return (WholeExchange if whole else ChunkedExchange)(lease.config, choose_aead(lease.config))
        except Malformed as error:
            raise TfaasError("lease_form", f"lease: {error}") from None

    def _message(self, call: Call, asks_session: bool) -> Message:
        target, options = call.target, call.options
        fields = [(b"date", http_date(self._now() + self._date_offset_s))]
        if options.package:
            fields.append((b"tfaas-package", b"sha256:" + options.package.encode("ascii")))
        if options.receipt:
            fields.append((b"tfaas-receipt", b"1"))
        if asks_session:
            fields.append((b"tfaas-session", b"1"))
        rest = b"" if target.rest == b"/" else target.rest
        path = f"/function/{target.function}.{target.domain}".encode("ascii") + rest
        request = bhttp.Request(call.method.encode("latin-1", "replace"), self._scheme.encode("ascii"),
                                self._authority.encode("ascii"), path, [*fields, *call.fields])
        return Message(request, call.body, call.stream)

    async def _post(self, call: Call, exchange: Exchange, message: Message) -> Any:
        target = call.target
        path = f"/.well-known/ohttp-gateway?namespace={target.domain}" if call.options.gateway else \
            f"/function/{target.function}.{target.domain}"
        content: Any
        if message.is_stream:
            content = _seal_pieces(exchange, message.pieces())
        else:
            try:
                content = exchange.seal_all(message.plain())
            except TooLarge as error:
                raise TfaasError("request_too_large", f"request: {error}") from None
        return await self._carrier.send("POST", self.base_url + path, {"content-type": exchange.request_type}, content,
                                        call.extensions)

    # --- the opened answer ---

    def _offset(self, opening: Opening) -> int | None:
        return None if opening.date is None else opening.date - self._now()

    def _begin_session(self, domain: _Domain, head: OpenedHead, exchange: Exchange) -> None:
        match = _SESSION_FIELD.match(head.own.get(b"tfaas-session", b""))
        age = int(match.group(2)) if match else 0
        if match and 0 < age <= SESSION_AGE_MAX_S:
            try:
                number = unbase64url(match.group(1).decode("ascii"), 16)
            except Malformed:
                return  # no session then
            domain.session = Session(number, exchange.session_secret(), exchange.aead, self._now() + age)

    async def _opened(self, call: Call, report: Report, message: Message, opening: Opening, head: OpenedHead,
                      exchange: Exchange) -> Opened:
        options = call.options
        package = package_of(head)
        # Without a name, and an error: the core's own failure, no package ran.
        if options.package and package != options.package and (package is not None or head.status < 400):
            await opening.close()
            raise TfaasError("package_mismatch", f"the response is of package {package or '(none named)'}")
        form = "session" if exchange.in_session else "whole" if isinstance(exchange, WholeExchange) else "chunked"
        info = Info(form, package)

        async def content() -> AsyncIterator[bytes]:
            async for part in opening.content():
                yield part
            if options.receipt:
                if opening.receipt is None:
                    raise TfaasError("receipt_missing")
                expected = Expected(message.hash(), opening.hash.digest(),
                                    f"{call.target.function}.{call.target.domain}", options.package)
                info.claims = verify_receipt(opening.receipt, report, expected)
                info.receipt = opening.receipt
            info.complete = True

        return Opened(head, info, content, opening.close)

    # --- sealing to the verified domain ---

    async def seal(self, kind: str, name: str, content: bytes, namespace: str, extensions: Mapping[str, Any],
                   **options: Any) -> bytes:
        domain = self._domain(namespace)
        return seal(await self.ready(domain, extensions), kind, name, content, **options)


async def _seal_pieces(exchange: Exchange, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield exchange.begin()
    async for piece in pieces:
        yield exchange.seal(piece, False)
    yield exchange.seal(b"", True)
