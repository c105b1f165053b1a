"""Calls against the core of tests, sync and async, through clients and httpx transports."""
import asyncio
import concurrent.futures
import secrets
import unittest

import httpx

import tfaas
from case import URL, Case
from core import Signer, public_key

class Waiting(httpx.AsyncBaseTransport):
    """Others run while an answer is on its way."""

    def __init__(self, core):
        self._transport = core.transport

    async def handle_async_request(self, request):
        await asyncio.sleep(0.001)
        return await self._transport.handle_async_request(request)


class Calls(Case):
    def test_forms(self):
        client = self.client()
        for form, went in (("whole", "whole"), ("chunked", "chunked"), ("auto", "session"), ("session", "session")):
            for content in (b"", b"x", secrets.token_bytes(100000)):
                response = client.request("hello", content=content, form=form, receipt=True)
                info = tfaas.info_of(response)
                self.assertEqual((response.status_code, response.content), (200, content))
                self.assertEqual((info.form, info.package, info.complete), (went, self.core.package, True))
                self.assertEqual(info.claims.function, "hello.openfaas-fn")
        self.assertEqual(self.client().request("hello", form="session").status_code, 200)
        self.assertEqual(sum("evidence" in path for path in self.core.paths), 2)

    def test_what_the_core_sees(self):
        self.client().request("hello", "PUT", "/a/b?q=1", {"X-One": "1", "Connection": "x", "Host": "evil"}, "text",
                              package=self.core.package, receipt=True)
        request, body = self.core.calls[0]
        self.assertEqual((request.method, request.scheme, request.authority, request.path, body),
                         (b"PUT", b"https", b"core.test", b"/function/hello.openfaas-fn/a/b?q=1", b"text"))
        self.assertEqual([name for name, _ in request.fields],
                         [b"date", b"tfaas-package", b"tfaas-receipt", b"tfaas-session", b"x-one"])
        self.client().request("hello", gateway=True, namespace="openfaas-fn")
        self.assertEqual(self.core.paths[-1], "/.well-known/ohttp-gateway?namespace=openfaas-fn")

    def test_streams_both_ways(self):
        big = [secrets.token_bytes(70001), b"", b"x" * 16384, b"y"]
        client = self.client()
        for _ in range(2):  # chunked, then in the session
            with client.stream("hello", content=iter(big), receipt=True) as response:
                self.assertFalse(tfaas.info_of(response).complete)
                self.assertEqual(b"".join(response.iter_bytes()), b"".join(big))
                self.assertEqual(tfaas.info_of(response).claims.sequence, self.core.sequence)
        with client.stream("hello", content=b"".join(big), receipt=True) as response:
            next(response.iter_raw())
        self.assertFalse(tfaas.info_of(response).complete)
        self.fails("usage", client.request, "hello", content=iter(big), form="whole")
        self.fails("response_too_large", client.request, "hello", content=b"1234", response_max=3)
        self.fails("request_too_large", client.request, "hello", content=bytes(1 << 20), form="whole")

    def test_async(self):
        async def main():
            async def pieces():
                for _ in range(3):
                    await asyncio.sleep(0)
                    yield b"abc"
            core = self.core
            async with tfaas.AsyncClient(URL, core.policy, transport=Waiting(core), clock=lambda: core.now) as client:
                calls = [client.request("hello", content=str(i), receipt=True) for i in range(9)]
                answers = await asyncio.gather(*calls)
                self.assertEqual([answer.text for answer in answers], [str(i) for i in range(9)])
                self.assertEqual(sum("evidence" in path for path in core.paths), 1, "they waited for one verification")
                self.assertTrue((await client.verify()).ok)
                self.assertEqual((await client.request("hello", content=pieces())).text, "abc" * 3)
                async with client.stream("hello", content=b"z") as response:
                    self.assertEqual(await response.aread(), b"z")
                self.assertTrue(await client.seal_secret("s", b"v"))
            transport = tfaas.AsyncTransport(core.policy, transport=core.transport,
                                             clock=lambda: core.now, receipt=True)
            async with httpx.AsyncClient(transport=transport) as web:
                response = await web.post(f"{URL}/function/hello/x", content=pieces())
                self.assertEqual((response.text, tfaas.info_of(response).complete), ("abc" * 3, True))
        asyncio.run(main())

    def test_errors_of_the_function_are_answers(self):
        for status, kind in ((500, b"text/plain"), (404, b"application/problem+json"),
                             (412, b"application/problem+json")):
            self.core.handler = lambda request, body: (status, [(b"content-type", kind)], b'{"type":"mine"}')
            response = self.client().request("hello", package=self.core.package, receipt=True)
            self.assertEqual((response.status_code, response.text), (status, '{"type":"mine"}'))
        self.core.handler = lambda request, body: (400, [(b"content-type", b"application/problem+json")], b"x" * 100000)
        self.assertEqual(len(self.client().request("hello").content), 100000)

    def test_sessions_end_and_begin_again(self):
        client = self.client()
        client.request("hello", form="chunked")
        self.core.sessions.clear()
        self.assertEqual(tfaas.info_of(client.request("hello")).form, "chunked")
        self.assertEqual(tfaas.info_of(client.request("hello")).form, "session")
        self.core.sessions.clear()
        self.fails("session_unknown", client.request, "hello", once=True)
        client.request("hello")
        self.assertEqual(tfaas.info_of(client.request("hello")).form, "session")
        self.core.now += 3700  # its age, as the core told it
        self.assertEqual(tfaas.info_of(client.request("hello")).form, "chunked")

    def test_keys_and_leases_are_renewed(self):
        client = self.client()
        client.request("hello", session=False)
        self.core.key_id, self.core.request_secret = 9, secrets.token_bytes(32)
        self.assertEqual(client.request("hello", session=False, content="x").text, "x")
        self.core.key_id = 10
        self.fails("key_unknown", client.request, "hello", session=False, once=True)
        self.assertEqual(client.request("hello", session=False).status_code, 200)
        self.core.faults["key_unknown"] = True
        before = len(self.core.paths)
        self.fails("key_unknown", client.request, "hello", session=False)
        self.assertEqual(len(self.core.paths) - before, 4)  # call, evidence, domain, call
        self.core.faults.clear()
        self.core.now += 700  # the lease ended, the statement did not
        before = len(self.core.paths)
        client.request("hello", session=False)
        self.assertEqual([path.split("?")[0] for path in self.core.paths[before:-1]], ["/.well-known/tfaas/domain"])
        self.core.identity = Signer()  # another keeper
        self.core.now += 700
        client.request("hello", session=False)

    def test_another_key_of_the_same_id(self):
        client = self.client()
        client.request("hello", session=False)
        self.core.request_secret = secrets.token_bytes(32)
        self.assertEqual(client.request("hello", session=False, content="x").text, "x")
        self.core.request_secret = secrets.token_bytes(32)
        self.fails("request_not_opened", client.request, "hello", session=False, once=True)

    def test_evidence_is_fetched_again_when_it_is_too_old(self):
        client = self.client({**self.core.policy, "maximum_age_s": 60})
        for later in (0, 40, 20):
            self.core.now += later
            client.request("hello", session=False)
        self.assertEqual(sum("evidence" in path for path in self.core.paths), 2)

    def test_cache_control(self):
        client = self.client()
        self.core.cache_control = "max-age=60"
        client.request("hello", session=False)
        before = len(self.core.paths)
        client.request("hello", session=False)
        self.core.now += 61
        client.request("hello", session=False)
        self.assertEqual(len(self.core.paths) - before, 3)

    def test_chacha_alone(self):
        self.core.aeads = (3,)
        client = self.client()
        for _ in range(2):
            self.assertEqual(client.request("hello", content="x", receipt=True).text, "x")
        self.core.aeads = (1,)
        self.fails("lease_form", self.client().request, "hello")

    def test_a_clock_that_is_wrong_is_corrected_once(self):
        self.core.faults["clock"] = self.core.now + 500
        self.assertEqual(self.client().request("hello", content="x").text, "x")
        self.assertEqual(len(self.core.calls), 2)
        self.fails("date_refused", self.client().request, "hello", once=True)

    def test_threads_share_a_client(self):
        """No sequence of a session is used twice: the core would refuse it."""
        client = self.client()
        client.request("hello", form="chunked")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: client.request("hello", content=str(i), once=True), range(200)))
        self.assertEqual([answer.text for answer in answers], [str(i) for i in range(200)])
        self.assertEqual({tfaas.info_of(answer).form for answer in answers}, {"session"})

    def test_usage(self):
        client = self.client()
        for arguments in (("Hello",), ("a.b",), ("hello", "PO ST"), ("hello", "POST", "x"), ("hello", "POST", "/ a"),
                          ("hello", "POST", "/", {"tfaas-receipt": "1"}), ("hello", "POST", "/", {"Date": "x"}),
                          ("hello", "POST", "/", None, 5), ("hello", "POST", "/", None, ["text"])):
            self.fails("usage", client.request, *arguments)
        for options in ({"form": "x"}, {"package": "AB"}, {"namespace": "A"}, {"recipt": True},
                        {"form": "session", "session": False}):
            self.fails("usage", client.request, "hello", **options)
        self.fails("request_too_large", client.request, "hello", headers={"a": "x" * 50000})
        for url in ("ftp://a", "https://", "https://a@b", "https://a?b", "core"):
            self.fails("usage", tfaas.Client, url)
        self.assertEqual(self.core.calls, [])
        self.fails("usage", tfaas.info_of, httpx.Response(200))

    def test_sealing_and_logs(self):
        client = self.client()
        digest = "ab" * 32
        from tfaas import cbor
        from tfaas.crypto import CHACHA20_POLY1305, Aead, Receiver, sha256
        from tfaas.sealed import seal_log_line
        secret, log_key = tfaas.generate_log_key()
        for sealed, kind, name, policy in (
                (client.seal_secret("key", b"value", packages=[digest]), "secret", "key", {1: [bytes.fromhex(digest)]}),
                (client.seal_package("hello", b"value", log_key=log_key), "package", "hello", {2: log_key}),
                (client.seal_secret("all", b"value"), "secret", "all", {})):
            found = cbor.decode(sealed)
            self.assertEqual([found[key] for key in range(1, 7)],
                             ["tfaas-sealed-v1", kind, "openfaas-fn", name,
                              sha256(public_key(self.core.sealing_secret))[:8], cbor.encode(policy)])
            label = cbor.encode({key: found[key] for key in range(1, 7)})
            receiver = Receiver(CHACHA20_POLY1305, self.core.sealing_secret, found[7], b"tfaas-sealed-v1" + label)
            content_key = receiver.open(found[8])
            header = cbor.encode({key: found[key] for key in range(1, 9)})
            self.assertEqual(Aead(3, content_key).open(bytes(12), header, found[9]), b"value")
        line = seal_log_line(b"hello\n", log_key, digest)
        self.assertEqual(tfaas.open_log_line(line, secret, digest), b"hello\n")
        self.fails("response_not_authentic", tfaas.open_log_line, line, secret, "cd" * 32)
        self.fails("usage", tfaas.open_log_line, "hello", secret, digest)
        self.fails("usage", client.seal_secret, "", b"x")
        self.fails("usage", client.seal_package, "a", b"x", log_key=b"short")
        self.fails("simulated_refused", self.client(None).seal_secret, "a", b"x")


class Transports(Case):
    def web(self, **options):
        core = self.core
        transport = tfaas.Transport(core.policy, transport=core.transport, clock=lambda: core.now, **options)
        return httpx.Client(transport=transport)

    def test_httpx(self):
        with self.web(receipt=True) as web:
            response = web.post(f"{URL}/function/hello/a?b=c", content="world", headers={"x-a": "1"})
            self.assertEqual((response.status_code, response.text), (200, "world"))
            self.assertEqual(response.headers["content-type"], "text/plain")
            self.assertEqual(tfaas.info_of(response).claims.package, self.core.package)
            request, _ = self.core.calls[0]
            self.assertEqual(request.path, b"/function/hello.openfaas-fn/a?b=c")
            self.assertIn((b"x-a", b"1"), request.fields)
            self.assertNotIn(b"content-length", dict(request.fields))
            response = web.post(f"{URL}/function/hello", json={"a": 1}, extensions={"tfaas": {"receipt": False}})
            self.assertEqual((response.json(), tfaas.info_of(response).claims), ({"a": 1}, None))
            with web.stream("POST", f"{URL}/function/hello", content=(b"x" for _ in range(3))) as response:
                self.assertEqual(b"".join(response.iter_bytes()), b"xxx")
        self.assertEqual(sum("evidence" in path for path in self.core.paths), 1)

    def test_nothing_goes_out_in_clear(self):
        with self.web() as web:
            for url in (f"{URL}/", f"{URL}/system/info", f"{URL}/functions/hello", f"{URL}/function/a%2fb",
                        f"{URL}/function/Hello", "https://me:too@core.test/function/hello"):
                self.fails("usage", web.get, url)
            self.fails("usage", web.get, f"{URL}/function/hello.a", extensions={"tfaas": {"namespace": "b"}})
        self.assertEqual(self.core.paths, [])

    def test_failures_are_errors_of_httpx(self):
        self.core.on_post = lambda headers, body: (200, "text/plain", [b"in clear"])
        with self.web() as web, self.assertRaises(httpx.RequestError) as caught:
            web.post(f"{URL}/function/hello", content=b"secret")
        self.assertEqual(caught.exception.code, "downgrade")
        self.assertEqual(caught.exception.request.url, f"{URL}/function/hello")

    def test_redirections_of_the_function_are_sealed_again(self):
        self.core.handler = lambda request, body: (200, [], request.path) if b"/two." in request.path else \
            (307, [(b"location", b"/function/two/x")], b"")
        with self.web() as web:
            response = web.post(f"{URL}/function/hello", content=b"a", follow_redirects=True)
        self.assertEqual(response.text, "/function/two.openfaas-fn/x")
        self.assertEqual(len(self.core.calls), 2)

    def test_over_a_socket(self):
        with self.core.listen() as server, tfaas.Client(server.url, self.core.policy) as client:
            big = secrets.token_bytes(300000)
            self.assertEqual(client.request("hello", content=big, receipt=True).content, big)
            self.assertEqual(client.request("hello", content=(big[i:i + 999]
                             for i in range(0, 300000, 999))).content, big)
            self.core.faults["pieces"] = lambda pieces: [*pieces[:2], None]
            self.fails("transport", client.request, "hello", content=big)
        self.fails("transport", tfaas.Client("http://127.0.0.1:1", self.core.policy).verify)


if __name__ == "__main__":
    unittest.main()
