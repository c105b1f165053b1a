"""Against a real tfaasd with a core under the software root, and against libtfaas' command line: TFAASD names the
daemon (else build/tfaasd), TFAAS the command line. What is not built is skipped."""
import asyncio
import base64
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import time
import unittest

import httpx

import tfaas
import vectors
from core import Core
from tfaas import cbor
from tfaas.crypto import CHACHA20_POLY1305, Aead, Receiver
from tfaas.sealed import seal_log_line

sys.path.insert(0, os.path.join(vectors.REPOSITORY, "tests", "e2e"))
import lib  # noqa: E402  starts and ends daemons

CORE = lib.TFAASD.parent / "tfaas-core"
TFAAS = os.environ.get("TFAAS", str(lib.TFAASD.parent / "tfaas"))
ECHO = "module.exports = async (event) => event.body;"
WHERE = """module.exports = async (event, context) => context.status(event.query.code || 200)
    .headers({'x-seen': event.headers['x-test'] || ''}).succeed(event.method + ' ' + event.path);"""
READER = """const fs = require('fs');
module.exports = async (event) => {
    try { return fs.readFileSync('/var/openfaas/secrets/token').toString(); } catch (e) { return 'none'; }
};"""
BYTES = {"content-type": "application/octet-stream"}


@unittest.skipIf(lib.without_tender(), lib.without_tender())
@unittest.skipUnless(lib.TFAASD.exists() and CORE.exists() and os.path.exists(TFAAS), "no tfaasd is built here")
class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = lib.Server()
        cls.url = f"http://127.0.0.1:{cls.server.port}"
        measured = subprocess.run([TFAAS, "core", "measure", CORE, *lib.measured_as()], capture_output=True, text=True,
                                  check=True)
        measurement = measured.stdout.split()[0]
        cls.policy = {"version": 1, "cores": [measurement], "allow_simulated": True}
        for name, source in (("echo", ECHO), ("where", WHERE)):
            cls.server.deploy_js(name, source)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def test_verification(self):
        with tfaas.Client(self.url, self.policy, fresh=True) as client:
            report = client.verify()
            self.assertTrue(report.ok and report.simulated, report)
            self.assertTrue(tfaas.verify_bundle(client.bundle(), self.policy).ok)
        with tfaas.Client(self.url) as client:
            self.assertEqual(client.verify().error.code, "simulated_refused")
        with tfaas.Client(self.url, {**self.policy, "cores": ["00" * 48]}) as client:
            self.assertEqual(client.verify().error.code, "measurement_not_allowed")

    def test_every_form_with_its_receipt(self):
        with tfaas.Client(self.url, self.policy) as client:
            report, claims = client.verify(), []
            for form, went in (("whole", "whole"), ("chunked", "chunked"), ("session", "session"), ("auto", "session")):
                response = client.request("echo", content=form, form=form, receipt=True)
                info = tfaas.info_of(response)
                self.assertEqual((response.text, info.form, info.complete), (form, went, True))
                self.assertEqual((info.claims.function, info.claims.package), ("echo.openfaas-fn", info.package))
                self.assertGreater(info.claims.work, 0)
                claims.append(tfaas.verify_receipt(info.receipt, report))
                self.assertEqual(client.request("echo", content="p", package=info.package).text, "p")
            self.assertEqual(tfaas.check_sequences(claims), claims)
            with self.assertRaises(tfaas.TfaasError) as caught:
                client.request("echo", package="00" * 32)
            self.assertEqual(caught.exception.code, "package_mismatch")
            self.assertEqual(client.request("echo", content="g", gateway=True).text, "g")

    def test_httpx_transports(self):
        transport = tfaas.Transport(self.policy, receipt=True)
        with httpx.Client(transport=transport) as web:
            response = web.put(f"{self.url}/function/where/a/b?code=418", headers={"x-test": "hello"})
            self.assertEqual((response.status_code, response.text,
                             response.headers["x-seen"]), (418, "PUT /a/b", "hello"))
            self.assertTrue(tfaas.info_of(response).claims.work)
            with self.assertRaises(httpx.RequestError):
                web.get(f"{self.url}/system/functions")

        async def main():
            async with httpx.AsyncClient(transport=tfaas.AsyncTransport(self.policy, receipt=True)) as web:
                calls = [web.post(f"{self.url}/function/echo", content=str(i)) for i in range(20)]
                answers = await asyncio.gather(*calls)
                self.assertEqual([answer.text for answer in answers], [str(i) for i in range(20)])
        asyncio.run(main())

    def test_large_streams_both_ways(self):
        body = secrets.token_bytes(3 << 20)
        with tfaas.Client(self.url, self.policy) as client:
            for _ in range(2):  # chunked, then in the session
                pieces = (body[at:at + 50000] for at in range(0, len(body), 50000))
                with client.stream("echo", content=pieces, headers=BYTES, receipt=True) as response:
                    self.assertEqual(b"".join(response.iter_bytes()), body)
                self.assertTrue(tfaas.info_of(response).complete)
            self.assertEqual(client.request("echo", content=body, headers=BYTES, receipt=True).content, body)

    def test_sealed_secret(self):
        with tfaas.Client(self.url, self.policy) as client:
            self.server.deploy_js("reader", READER)
            package = tfaas.info_of(client.request("reader")).package
            sealed = client.seal_secret("token", b"the value", packages=[package])
            self.assertNotIn(b"the value", sealed)
            answer = self.server.request("POST", "/system/secrets",
                                         {"name": "token", "rawValue": base64.b64encode(sealed).decode()})
            self.assertIn(answer.status, (200, 201, 202), answer)
            self.server.deploy("reader", "reader:latest", method="PUT", secrets=["token"])
            self.assertEqual(self.until(lambda: client.request("reader").text, "the value"), "the value")

    def until(self, call, wanted, seconds=30):
        end = time.monotonic() + seconds
        while (got := call()) != wanted and time.monotonic() < end:
            time.sleep(0.1)
        return got

    def test_a_host_that_restarts(self):
        """Keys of keeper and workers end with them: a later call finds the next ones by itself."""
        with lib.Server() as server, tfaas.Client(f"http://127.0.0.1:{server.port}", self.policy) as client:
            server.deploy_js("echo", ECHO)
            for text in ("one", "two"):
                self.assertEqual(client.request("echo", content=text).text, text)
            server.end_process()
            server.start()
            self.assertEqual(client.request("echo", content="three", receipt=True).text, "three")


@unittest.skipUnless(os.path.exists(TFAAS), "the command line tfaas is not built here")
class CommandLine(unittest.TestCase):
    """libtfaas against the core of these tests, and each reads what the other wrote."""

    def setUp(self):
        self.core = Core()
        self.server = self.core.listen()
        self.addCleanup(self.server.__exit__)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.trust = ("--core", self.core.measurement.hex(), "--allow-simulated")

    def tfaas(self, *arguments, stdin=b"", code=0):
        done = subprocess.run([TFAAS, *map(str, arguments)], input=stdin, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout

    def test_bundles_and_receipts(self):
        bundle = self.folder / "bundle"
        self.tfaas("verify", self.server.url, *self.trust, "--save", bundle)
        report = tfaas.verify_bundle(bundle.read_text(), self.core.policy)
        self.assertTrue(report.ok, report)
        for form in ("whole", "chunked", "session", "auto"):
            receipt = self.folder / form
            self.assertEqual(self.tfaas("invoke", self.server.url, "hello", *self.trust, "--data", form, "--form", form,
                                        "--receipt", receipt), form.encode())
            self.assertEqual(tfaas.verify_receipt(receipt.read_text().strip(), report).function, "hello.openfaas-fn")
        with tfaas.Client(self.server.url, self.core.policy) as client:
            info = tfaas.info_of(client.request("hello", content="x", receipt=True))
            ours, theirs = self.folder / "ours", self.folder / "receipt"
            ours.write_text(client.bundle())
            theirs.write_text(info.receipt)
        self.tfaas("verify", "--bundle", ours, *self.trust)
        self.tfaas("receipt", "verify", theirs, "--evidence", ours, *self.trust)

    def test_sealing(self):
        digest = "ab" * 32
        sealed = cbor.decode(self.tfaas("secret", "seal", "--name", "token", "--package", f"sha256:{digest}",
                                        self.server.url, *self.trust, stdin=b"value", code=0))
        receiver = Receiver(CHACHA20_POLY1305, self.core.sealing_secret, sealed[7],
                            b"tfaas-sealed-v1" + cbor.encode({key: sealed[key] for key in range(1, 7)}))
        header = cbor.encode({key: sealed[key] for key in range(1, 9)})
        content_key = receiver.open(sealed[8])
        self.assertEqual(Aead(CHACHA20_POLY1305, content_key).open(bytes(12), header, sealed[9]), b"value")
        with tfaas.Client(self.server.url, self.core.policy) as client:
            ours = cbor.decode(client.seal_secret("token", b"value", packages=[digest]))
        self.assertEqual([ours[key] for key in range(1, 7)], [sealed[key] for key in range(1, 7)])

    def test_log_lines(self):
        key, digest = self.folder / "key", "cd" * 32
        public = self.tfaas("keygen", key).decode().strip()
        line = seal_log_line(b"said hello\n", bytes.fromhex(public), digest)
        shown = self.tfaas("logs", "open", "--key", key, "--package", digest, stdin=line.encode())
        self.assertIn(b"said hello", shown)


if __name__ == "__main__":
    unittest.main()
