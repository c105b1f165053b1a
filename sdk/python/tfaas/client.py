"""Clients: of one host (Client, AsyncClient), and as httpx transports (Transport, AsyncTransport), with which every
httpx client calls functions sealed. Answers are httpx.Response; response.extensions["tfaas"] is an answer.Info."""
from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, AsyncIterator, Callable, Iterable, Iterator, Mapping

import httpx

from . import bhttp
from .answer import Info
from .carrier import AsyncCarrier, Carrier, SyncCarrier, drive, run
from .engine import Call, Engine, Opened
from .errors import TfaasError
from .message import DOMAIN_DEFAULT, Options, Target, check_name, encode_headers, split_url, usage
from .policy import read_policy
from .verify import Report

TIMEOUT_S = 60.0
RESPONSE_MAX = 64 << 20
_ENGINES_MAX = 64


class _Config:
    """What every client is made with."""

    def __init__(self, policy: Any, clock: Callable[[], float], collateral: str | bytes | None, fresh: bool,
                 timeout: float | None) -> None:
        self.policy, self.clock, self.fresh = read_policy(policy), clock, fresh
        self.collateral = collateral.encode("utf-8") if isinstance(collateral, str) else collateral
        self.extensions = {"timeout": httpx.Timeout(timeout).as_dict()}

    def engine(self, base_url: str, carrier: Carrier) -> Engine:
        return Engine(base_url, self.policy, carrier, self.clock, self.collateral, self.fresh)


class _SealedStream(httpx.SyncByteStream):
    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def __iter__(self) -> Iterator[bytes]:
        return drive(self._opened.content())

    def close(self) -> None:
        run(self._opened.close())


class _AsyncSealedStream(httpx.AsyncByteStream):
    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._opened.content():
            yield part

    async def aclose(self) -> None:
        await self._opened.close()


def _response(opened: Opened, stream: Any, request: httpx.Request | None = None) -> httpx.Response:
    return httpx.Response(opened.head.status, headers=opened.head.fields, stream=stream,
                          extensions={"tfaas": opened.info}, request=request)


def info_of(response: httpx.Response) -> Info:
    """What is known beside the response: package, receipt and its claims, form."""
    found = response.extensions.get("tfaas")
    if not isinstance(found, Info):
        raise usage("the response did not come through tfaas")
    return found


class _OneHost:
    """What Client and AsyncClient share."""

    def __init__(self, base_url: str, policy: Any, carrier: Carrier, namespace: str, clock: Callable[[], float],
                 collateral: str | bytes | None, fresh: bool, timeout: float | None) -> None:
        self._config = _Config(policy, clock, collateral, fresh, timeout)
        self._engine = self._config.engine(base_url, carrier)
        self._namespace = check_name(namespace, "namespace")

    def bundle(self, namespace: str | None = None) -> str:
        """Everything that was verified, as JSON to verify it again offline (tfaas.verify_bundle, `tfaas verify`)."""
        return self._engine.bundle(namespace or self._namespace)

    def _call(self, name: str, method: str, path: str, headers: Any, content: Any, options: Mapping[str, Any]) -> Call:
        if not path.startswith("/"):
            raise usage("path: does not start with '/'")
        try:
            rest = path.encode("ascii")
        except UnicodeEncodeError:
            raise usage("path: not percent-encoded") from None
        made = Options().with_(options)
        namespace = made.namespace or self._namespace
        target = Target(self._engine.base_url, check_name(name, "function"), namespace, rest)
        body, stream = _content(content)
        return Call(target, method, encode_headers(headers), body, stream, made, self._config.extensions)


def _content(content: Any) -> tuple[bytes | None, Any]:
    """(bytes, None) or (None, a stream)"""
    if content is None:
        return b"", None
    if isinstance(content, str):
        return content.encode("utf-8"), None
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content), None
    if hasattr(content, "__iter__") or hasattr(content, "__aiter__"):
        return None, content
    raise usage("content: neither bytes, text nor an iterable of bytes")


class Client(_OneHost):
    """Calls functions of one host so that nobody between here and the attested core can read or change the call.

    base_url: "https://HOST[:PORT][/PREFIX]". policy: what is accepted, as JSON text or what it holds; None accepts
    nothing. transport: who carries bytes. clock: Unix seconds. collateral: Intel's, where the evidence brings none.
    fresh: ask for evidence with a nonce of ours.
    """

    def __init__(self, base_url: str, policy: Any = None, *, transport: httpx.BaseTransport | None = None,
                 namespace: str = DOMAIN_DEFAULT, clock: Callable[[], float] = time.time,
                 collateral: str | bytes | None = None, fresh: bool = False, timeout: float | None = TIMEOUT_S) -> None:
        self._transport = transport or httpx.HTTPTransport()
        super().__init__(base_url, policy, SyncCarrier(self._transport), namespace, clock, collateral, fresh, timeout)

    def verify(self, namespace: str | None = None) -> Report:
        """Fetches and checks anew: a report of numbered checks. Does not raise for what they find; calls do."""
        return run(self._engine.verify(namespace or self._namespace, self._config.extensions))

    @contextlib.contextmanager
    def stream(self, name: str, method: str = "POST", path: str = "/", headers: Any = None,
               content: bytes | str | Iterable[bytes] | None = None, **options: Any) -> Iterator[httpx.Response]:
        """As request(), the answer in pieces as they open: authentic, but whole only when they end without an error."""
        opened: Opened = run(self._engine.call(self._call(name, method, path, headers, content, options)))
        response = _response(opened, _SealedStream(opened), httpx.Request(method, self._engine.base_url))
        try:
            yield response
        finally:
            response.close()

    def request(self, name: str, method: str = "POST", path: str = "/", headers: Any = None,
                content: bytes | str | Iterable[bytes] | None = None, *, response_max: int = RESPONSE_MAX,
                **options: Any) -> httpx.Response:
        """Calls the function. path: what it sees, "/REST?QUERY". options: receipt, package, session, form, gateway,
        once, namespace (tfaas.Options). An error status of the function is a response."""
        with self.stream(name, method, path, headers, content, **options) as response:
            parts, size = [], 0
            for part in response.iter_raw():
                parts.append(part)
                size += len(part)
                if size > response_max:
                    raise TfaasError("response_too_large")
            return _whole(response, b"".join(parts))

    def seal_secret(self, name: str, value: bytes, *, packages: Iterable[str] = (),
                    namespace: str | None = None) -> bytes:
        """So that only verified workers that run one of `packages` read it."""
        return run(self._engine.seal("secret", name, value, namespace or self._namespace, self._config.extensions,
                                     packages=packages))

    def seal_package(self, name: str, value: bytes, *, log_key: bytes | None = None,
                     namespace: str | None = None) -> bytes:
        """The function `name` becomes confidential; its logs are sealed to `log_key`."""
        return run(self._engine.seal("package", name, value, namespace or self._namespace, self._config.extensions,
                                     log_key=log_key))

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _whole(response: httpx.Response, content: bytes) -> httpx.Response:
    return httpx.Response(response.status_code, headers=response.headers.raw, content=content,
                          extensions=response.extensions, request=response.request)


class AsyncClient(_OneHost):
    """Client, for asyncio and trio."""

    def __init__(self, base_url: str, policy: Any = None, *, transport: httpx.AsyncBaseTransport | None = None,
                 namespace: str = DOMAIN_DEFAULT, clock: Callable[[], float] = time.time,
                 collateral: str | bytes | None = None, fresh: bool = False, timeout: float | None = TIMEOUT_S) -> None:
        self._transport = transport or httpx.AsyncHTTPTransport()
        super().__init__(base_url, policy, AsyncCarrier(self._transport), namespace, clock, collateral, fresh, timeout)

    async def verify(self, namespace: str | None = None) -> Report:
        return await self._engine.verify(namespace or self._namespace, self._config.extensions)

    @contextlib.asynccontextmanager
    async def stream(self, name: str, method: str = "POST", path: str = "/", headers: Any = None, content: Any = None,
                     **options: Any) -> AsyncIterator[httpx.Response]:
        opened = await self._engine.call(self._call(name, method, path, headers, content, options))
        response = _response(opened, _AsyncSealedStream(opened), httpx.Request(method, self._engine.base_url))
        try:
            yield response
        finally:
            await response.aclose()

    async def request(self, name: str, method: str = "POST", path: str = "/", headers: Any = None,
                      content: Any = None, *, response_max: int = RESPONSE_MAX, **options: Any) -> httpx.Response:
        async with self.stream(name, method, path, headers, content, **options) as response:
            parts, size = [], 0
            async for part in response.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > response_max:
                    raise TfaasError("response_too_large")
            return _whole(response, b"".join(parts))

    async def seal_secret(self, name: str, value: bytes, *, packages: Iterable[str] = (),
                          namespace: str | None = None) -> bytes:
        return await self._engine.seal("secret", name, value, namespace or self._namespace, self._config.extensions,
                                       packages=packages)

    async def seal_package(self, name: str, value: bytes, *, log_key: bytes | None = None,
                           namespace: str | None = None) -> bytes:
        return await self._engine.seal("package", name, value, namespace or self._namespace, self._config.extensions,
                                       log_key=log_key)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _AnyHost:
    """What Transport and AsyncTransport share: an engine for each host."""

    def __init__(self, policy: Any, carrier: Carrier, options: Mapping[str, Any], clock: Callable[[], float],
                 collateral: str | bytes | None, fresh: bool) -> None:
        self._config = _Config(policy, clock, collateral, fresh, None)
        self._carrier, self._options = carrier, Options().with_(options)
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()

    def _call(self, request: httpx.Request) -> tuple[Engine, Call]:
        options = self._options.with_(request.extensions.get("tfaas"))
        target = split_url(request.url, options.namespace)
        with self._lock:
            if target.base_url not in self._engines:
                if len(self._engines) == _ENGINES_MAX:
                    del self._engines[next(iter(self._engines))]
                self._engines[target.base_url] = self._config.engine(target.base_url, self._carrier)
            engine = self._engines[target.base_url]
        try:
            body, stream = request.content, None
        except httpx.RequestNotRead:
            body, stream = None, request.stream
        extensions = {name: value for name, value in request.extensions.items() if name != "tfaas"}
        fields: bhttp.Fields = encode_headers(request.headers)
        return engine, Call(target, request.method, fields, body, stream, options, extensions)


class Transport(_AnyHost, httpx.BaseTransport):
    """For httpx: httpx.Client(transport=tfaas.Transport(policy=...)).post("https://HOST/function/NAME", content=...).

    Each call is sealed to a core that the policy accepts, or fails with TfaasError (an httpx.RequestError); other URLs
    are refused. options (receipt, package, session, ...: tfaas.Options) are for all calls; extensions={"tfaas": {...}}
    of one request goes before them. transport: who carries the sealed bytes.
    """

    def __init__(self, policy: Any = None, *, transport: httpx.BaseTransport | None = None,
                 clock: Callable[[], float] = time.time, collateral: str | bytes | None = None, fresh: bool = False,
                 **options: Any) -> None:
        self._transport = transport or httpx.HTTPTransport()
        super().__init__(policy, SyncCarrier(self._transport), options, clock, collateral, fresh)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        engine, call = self._call(request)
        opened: Opened = run(engine.call(call))
        return _response(opened, _SealedStream(opened))

    def close(self) -> None:
        self._transport.close()


class AsyncTransport(_AnyHost, httpx.AsyncBaseTransport):
    """Transport, for httpx.AsyncClient."""

    def __init__(self, policy: Any = None, *, transport: httpx.AsyncBaseTransport | None = None,
                 clock: Callable[[], float] = time.time, collateral: str | bytes | None = None, fresh: bool = False,
                 **options: Any) -> None:
        self._transport = transport or httpx.AsyncHTTPTransport()
        super().__init__(policy, AsyncCarrier(self._transport), options, clock, collateral, fresh)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        engine, call = self._call(request)
        opened = await engine.call(call)
        return _response(opened, _AsyncSealedStream(opened))

    async def aclose(self) -> None:
        await self._transport.aclose()
