"""Who carries bytes: an httpx transport, sync or async. The rest of the package is written once, as coroutines; with a
sync transport they never wait, so run() takes them to their end at once."""
from __future__ import annotations

import threading
from contextlib import AbstractAsyncContextManager
from typing import Any, AsyncIterator, Coroutine, Iterator, Mapping, Protocol, TypeVar

import anyio
import httpx

from .errors import TfaasError

T = TypeVar("T")


def run(awaitable: Coroutine[Any, Any, T] | Any) -> T:
    """To the end of a coroutine that does not wait."""
    try:
        awaitable.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    awaitable.close()
    raise AssertionError("a coroutine over a sync transport waits")


def drive(source: AsyncIterator[T]) -> Iterator[T]:
    """An async generator that does not wait, as a generator."""
    try:
        while True:
            try:
                part: T = run(source.__anext__())
            except StopAsyncIteration:
                return
            yield part
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            run(close())


class Answer:
    """The host's: its body comes in pieces."""

    def __init__(self, response: httpx.Response, carrier: Carrier) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self._response, self._carrier = response, carrier

    @property
    def media_type(self) -> str:
        return str(self.headers.get("content-type", "")).split(";")[0].strip().lower()

    async def body(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._carrier.parts(self._response):
                yield part
        except httpx.TransportError as error:
            await self.close()
            raise _failed(error) from error
        await self.close()

    async def close(self) -> None:
        await self._carrier.close(self._response)

    async def read(self, most: int) -> bytes | None:
        """All of it; None: more than that."""
        data = bytearray()
        try:
            async for part in self.body():
                data += part
                if len(data) > most:
                    return None
        finally:
            await self.close()
        return bytes(data)


def _failed(error: Exception) -> TfaasError:
    return TfaasError("transport", f"no answer came through: {error or type(error).__name__}")


class _ThreadLock:
    """A lock of threads, in the clothes of one of tasks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


class Carrier(Protocol):
    def lock(self) -> AbstractAsyncContextManager[None]: ...

    def parts(self, response: httpx.Response) -> AsyncIterator[bytes]: ...

    async def close(self, response: httpx.Response) -> None: ...

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: Any,
                   extensions: Mapping[str, Any]) -> Answer: ...


class SyncCarrier:
    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def lock(self) -> AbstractAsyncContextManager[None]:
        return _ThreadLock()

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: Any,
                   extensions: Mapping[str, Any]) -> Answer:
        if hasattr(content, "__aiter__"):
            content = drive(content)
        request = httpx.Request(method, url, headers=dict(headers), content=content, extensions=dict(extensions))
        try:
            return Answer(self._transport.handle_request(request), self)
        except httpx.TransportError as error:
            raise _failed(error) from error

    async def parts(self, response: httpx.Response) -> AsyncIterator[bytes]:
        assert isinstance(response.stream, httpx.SyncByteStream)
        for part in response.stream:
            yield part

    async def close(self, response: httpx.Response) -> None:
        response.close()


class AsyncCarrier:
    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def lock(self) -> AbstractAsyncContextManager[None]:
        return anyio.Lock()

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: Any,
                   extensions: Mapping[str, Any]) -> Answer:
        request = httpx.Request(method, url, headers=dict(headers), content=content, extensions=dict(extensions))
        try:
            return Answer(await self._transport.handle_async_request(request), self)
        except httpx.TransportError as error:
            raise _failed(error) from error

    async def parts(self, response: httpx.Response) -> AsyncIterator[bytes]:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for part in response.stream:
            yield part

    async def close(self, response: httpx.Response) -> None:
        await response.aclose()
