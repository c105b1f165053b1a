"""Hosts that lie about the core, its answers and its receipts: each check and each attack has its error code."""
import dataclasses
import hashlib
import json
import secrets
import unittest

import httpx

import tfaas
from core import PROBLEMS, Core, Signer
from case import URL, Case
from tfaas.wire import base64url


class Verification(Case):
    def test_report(self):
        report = self.client().verify()
        self.assertTrue(report.ok and report.simulated)
        self.assertEqual([check.name for check in report.checks],
                         ["form", "tee", "genuine", "platform", "report-data", "nonce", "measurement", "times", "age",
                          "domain-signature", "domain", "domain-times", "leases", "lease-times"])
        self.assertTrue(all(check.result == "passed" for check in report.checks))
        self.assertRegex(report.not_covered[0], "SIMULATED")
        self.assertIn("report-data: passed", str(report))
        refused = self.client(None).verify()
        self.assertEqual((refused.ok, refused.error.code), (False, "simulated_refused"))
        self.assertEqual({check.name: check.result for check in refused.checks}["leases"], "not made")

    def test_bundles_hold_offline(self):
        client = self.client(fresh=True)
        self.fails("usage", client.bundle)
        report = client.verify()
        bundle = client.bundle()
        again = tfaas.verify_bundle(bundle, self.core.policy, domain="openfaas-fn")
        self.assertEqual((again.ok, again.identity, again.checks), (True, report.identity, report.checks))
        self.assertEqual(tfaas.verify_bundle(bundle, self.core.policy, at=self.core.now + 9000).error.code,
                         "evidence_expired")
        self.assertEqual(tfaas.verify_bundle(bundle, self.core.policy, domain="x").error.code, "domain_mismatch")
        self.fails("evidence_form", tfaas.verify_bundle, "{}")

    def lie(self, code, policy=..., **faults):
        self.core.faults = faults
        report = self.client(policy, fresh=True).verify()
        self.assertEqual(None if report.ok else report.error.code, code, report)
        self.assertEqual(sum(check.result == "failed" for check in report.checks), 1)
        self.assertEqual(report.leases, [])
        error = self.fails(code, self.client(policy, fresh=True).request, "hello", content=b"secret")
        self.assertFalse(error.report.ok)
        self.assertTrue(all(path.startswith("/.well-known/tfaas/") for path in self.core.paths), "something was sent")

    def test_a_host_that_lies(self):
        now, simulated = self.core.now, "application/vnd.tfaas.simulated+cbor"
        kind = lambda name, data="AAAA": {"collection": {"evidence": [name, data, 4]}}
        times = lambda begin, end: {"key_statement": {4: now + begin, 5: now + end}}
        other = bytes([1])
        for what, code, faults in (
                ("not a collection", "evidence_form", {"collection": {"__cmwc_t": "other"}}),
                ("no key statement", "evidence_form", {"collection": {"key-statement": ["a", "AA", 4]}}),
                ("padded base64", "evidence_form", kind(simulated, "AA==")),
                ("unknown kind", "evidence_unknown", kind("application/x")),
                ("hardware outside the policy", "tee_not_allowed", kind("application/vnd.intel.tdx-quote")),
                ("SNP without certificates", "evidence_form", kind("application/vnd.amd.snp-report")),
                ("another report_data", "statement_mismatch", {"simulated": {3: other * 64}}),
                ("rubbish", "evidence_form", kind(simulated)),
                ("changed", "evidence_signature", {"simulated_signed": {4: 1}}),
                ("old evidence: another nonce", "evidence_nonce", {"nonce": other * 32}),
                ("old evidence: no nonce", "evidence_nonce", {"nonce": None}),
                ("measures another core", "statement_mismatch", {"key_statement": {8: other * 48}}),
                ("another core", "measurement_not_allowed",
                 {"key_statement": {8: other * 48}, "simulated": {2: other * 48}}),
                ("a key too many", "evidence_form", {"key_statement": {14: 1}}),
                ("a short identity", "evidence_form", {"key_statement": {2: other * 31}}),
                ("of the future", "evidence_not_yet_valid", times(300, 4000)),
                ("that ended", "evidence_expired", times(-9000, -300)),
                ("too old", "evidence_too_old", times(-5000, 100)),
                ("another domain", "domain_mismatch", {"domain": {2: "other"}}),
                ("a domain statement that ended", "domain_expired", {"domain": {4: 1, 5: 2}}),
                ("a malformed domain statement", "domain_form", {"domain": {6: other * 31}}),
                ("a domain statement of another", "domain_signature", {"domain_signer": Signer()}),
                ("a lease of another", "lease_signature", {"lease_signer": Signer()}),
                ("a lease of another domain", "lease_mismatch", {"lease": {2: "other"}}),
                ("a lease of another core", "lease_mismatch", {"lease": {9: other * 48}}),
                ("a lease that ended", "lease_expired", {"lease": {5: 1, 6: 2}}),
                ("another KEM", "lease_form", {"lease": {7: other * 43}}),
                ("a malformed lease", "lease_form", {"lease": {3: other * 15}})):
            with self.subTest(what):
                self.lie(code, **faults)

    def test_a_domain_without_a_worker(self):
        self.core.faults = {"domain": {7: []}}
        self.assertTrue(self.client().verify().ok)
        self.assertTrue(self.client().seal_secret("name", b"value"))
        self.fails("lease_missing", self.client().request, "hello")
        self.assertEqual(self.core.calls, [])

    def test_swapped_leases(self):
        another = Core(domain="other", identity=self.core.identity, measurement=self.core.measurement)
        self.lie("lease_mismatch", domain={7: [another.lease()]})  # of another domain, rightly signed
        stranger = Core(measurement=self.core.measurement)
        self.lie("lease_signature", domain={7: [stranger.lease()]})  # of another machine

    def test_another_platform(self):
        self.lie("platform_not_allowed", {**self.core.policy, "platforms": ["00" * 32]})
        self.core.faults = {}
        own = hashlib.sha256(self.core.root.public).hexdigest()
        self.assertTrue(self.client({**self.core.policy, "platforms": [own]}).verify().ok)

    def test_without_a_policy(self):
        self.lie("simulated_refused", None)
        self.lie("measurement_not_allowed", {"version": 1, "allow_simulated": True})

    def test_what_only_a_core_may_say(self):
        """A function that could say it would have its calls made twice, and the client's dates moved."""
        for status, kind in ((400, "https://iana.org/assignments/http-problem-types#date"),
                             (421, "tag:tfaas,2026:misdirected")):
            fields = [(b"content-type", b"application/problem+json"), (b"date", b"Thu, 01 Jan 2099 00:00:00 GMT")]
            self.core.handler = lambda request, body: (status, fields, json.dumps({"type": kind}).encode())
            before = len(self.core.calls)
            response = self.client().request("hello")
            self.assertEqual((response.status_code, response.json()["type"]), (status, kind))
            self.assertEqual(len(self.core.calls), before + 1)

    def test_a_clock_that_is_rewound(self):
        """The host cannot show yesterday's statements for today's; yesterday's core refuses today's date."""
        core, real = self.core, self.core.now
        core.now -= 86400
        client = tfaas.Client(URL, core.policy, transport=core.transport, clock=lambda: real)
        self.assertEqual(client.verify().error.code, "evidence_expired")
        core.now = real
        core.faults["clock"] = real - 86400
        self.fails("date_refused", self.client().request, "hello", once=True)

    def test_hosts_that_do_not_answer(self):
        def answer(status, body=b"x"):
            return httpx.MockTransport(lambda request: httpx.Response(status, content=body))
        for status, body, code in ((503, b"x", "unavailable"), (429, b"x", "unavailable"), (404, b"x", "host_refused"),
                                   (200, b"", "host_refused"), (200, bytes(2 << 20), "evidence_form"),
                                   (302, b"x", "host_refused")):
            self.fails(code, tfaas.Client(URL, self.core.policy, transport=answer(status, body)).verify)


class Answers(Case):
    def post(self, code, answer, **options):
        self.core.on_post = lambda headers, body: answer
        self.fails(code, self.client().request, "hello", content=b"x", **options)

    def test_answers_in_clear(self):
        problem = lambda kind: ("application/problem+json", [b'{"type":"%s"}' % kind])
        chunked = "message/ohttp-chunked-res"
        for code, answer in (
                ("downgrade", (200, "text/plain", [b"hello"])), ("downgrade", (302, "text/plain", [b""])),
                ("downgrade", (200, "message/ohttp-res", [bytes(100)])),
                ("response_not_authentic", (200, chunked, [bytes(73)])),
                ("response_truncated", (200, chunked, [])), ("response_truncated", (200, chunked, [bytes(32)])),
                ("host_refused", (500, "text/html", [b"oops"])), ("host_refused", (426, "text/plain", [b""])),
                ("replay_reported", (409, *problem(b"about:blank"))), ("request_not_opened", (400, *problem(b"x"))),
                ("unavailable", (503, "text/plain", [b"no core"])), ("unavailable", (429, "text/plain", [b""])),
                ("session_unknown", (400, *problem(b"tag:tfaas,2026:session-unknown"))),
                ("key_unknown", (400, *problem((PROBLEMS + "ohttp-key").encode())))):
            with self.subTest(code):
                self.post(code, answer)
        self.post("response_not_authentic", (200, "message/ohttp-res", [bytes(100)]), form="whole")
        self.post("response_too_large", (200, "message/ohttp-res", [bytes(2 << 20)]), form="whole")

    def test_what_the_core_states(self):
        self.core.faults["misdirected"] = True
        self.fails("function_mismatch", self.client().request, "hello")
        self.core.faults = {}
        self.fails("package_mismatch", self.client().request, "hello", package="ab" * 32)
        self.core.faults["ignore_package"] = True
        self.fails("package_mismatch", self.client().request, "hello", package="ab" * 32)

    def test_cut_changed_reordered_doubled(self):
        self.core.handler = lambda request, body: (200, [], secrets.token_bytes(40000))
        flip = lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:]
        for session in (False, True):
            for what, change, code in (
                    ("no final chunk", lambda p: p[:-1], "response_truncated"),
                    ("half a chunk", lambda p: [*p[:-2], p[-2][:4]], "response_truncated"),
                    ("half the final chunk", lambda p: [*p[:-1], p[-1][:9]], "response_not_authentic"),
                    ("a chunk left out", lambda p: p[:2] + p[3:], "response_not_authentic"),
                    ("two swapped", lambda p: [*p[:2], p[3], p[2], *p[4:]], "response_not_authentic"),
                    ("one twice", lambda p: [*p[:2], *p[1:]], "response_not_authentic"),
                    ("a bit", lambda p: [*p[:3], flip(p[3]), *p[4:]], "response_not_authentic"),
                    ("another nonce", lambda p: [secrets.token_bytes(len(p[0])), *p[1:]], "response_not_authentic"),
                    ("bytes behind", lambda p: [*p, b"xyz"], "response_not_authentic")):
                with self.subTest(what, session=session):
                    self.core.faults = {}
                    client = self.client()
                    if session:
                        client.request("hello")
                    self.core.faults = {"pieces": change}
                    self.fails(code, client.request, "hello", session=session)

    def test_rubbish_inside(self):
        self.core.serve = lambda plain, context, name: [b"\x00\x03GET"]
        self.fails("response_form", self.client().request, "hello")
        self.core.serve = lambda plain, context, name: [b"\x03\x40\xc8\x00\x05hell"]
        self.fails("response_form", self.client().request, "hello")

    def test_swapped_responses(self):
        """An answer to another request does not open, nor does an old one."""
        for form in ("whole", "chunked", "session"):
            with self.subTest(form):
                self.core.faults = {}
                client, kept = self.client(), []
                client.request("hello", form="chunked")
                self.core.faults = {"pieces": lambda pieces: kept or kept.extend(pieces) or pieces}
                client.request("hello", form=form)
                self.fails("response_not_authentic", client.request, "hello", form=form)

    def test_requests_played_again(self):
        sent = []
        self.core.on_post = lambda headers, body: sent.append((headers["content-type"], body))
        client = self.client()
        client.request("hello")
        client.request("hello")
        for kind, body in sent:
            self.assertEqual(self.core._sealed("/function/hello", kind, body)[0], 409)


class Receipts(Case):
    def test_a_host_that_strips_or_changes_them(self):
        other = base64url(bytes(32))
        for what, code, faults in (
                ("none", "receipt_missing", {"no_receipt": True}),
                ("rubbish", "receipt_form", {"receipt": {1: "other"}}),
                ("a claim is missing", "receipt_form", {"claims": {"work": None}}),
                ("a claim of another kind", "receipt_form", {"claims": {"exact": 1}}),
                ("another request", "receipt_mismatch", {"claims": {"req": other}}),
                ("another response", "receipt_mismatch", {"claims": {"res": other}}),
                ("another function", "function_mismatch", {"claims": {"fn": "other.openfaas-fn"}}),
                ("another instance", "receipt_lease", {"claims": {"iss": "00" * 16}}),
                ("outside the lease", "receipt_lease", {"claims": {"iat": 1}}),
                ("other weights", "receipt_invalid", {"claims": {"weights": "00" * 32}}),
                ("claims that were not signed", "receipt_invalid", {"other_claims": b"{}"}),
                ("another index", "receipt_invalid", {"receipt": {3: 1}}),
                ("an index outside", "receipt_invalid", {"receipt": {3: 3}}),
                ("another path", "receipt_invalid", {"receipt": {4: [bytes(32)]}}),
                ("a longer path", "receipt_invalid", {"more_path": [bytes(32)]}),
                ("no path", "receipt_invalid", {"receipt": {4: []}}),
                ("no JWS", "receipt_invalid", {"receipt": {5: "a.b"}}),
                ("another signer", "receipt_invalid", {"receipt_signer": Signer()}),
                ("nobody's lease", "receipt_lease", {"receipt": {6: bytes(100)}})):
            for form in ("whole", "chunked"):
                with self.subTest(what, form=form):
                    self.core.faults = faults
                    self.fails(code, self.client().request, "hello", content=b"x", receipt=True, form=form)

    def test_offline(self):
        client = self.client()
        infos = [tfaas.info_of(client.request("hello", content="x", receipt=True)) for _ in range(3)]
        report = client.verify()
        for info in infos:
            self.assertEqual(tfaas.verify_receipt(info.receipt, report), info.claims)
        claims = [info.claims for info in infos]
        self.assertEqual([one.sequence for one in tfaas.check_sequences(claims[::-1])], [1, 2, 3])
        self.fails("receipt_gap", tfaas.check_sequences, [claims[0], claims[2]])
        self.fails("receipt_duplicate", tfaas.check_sequences,
                   [*claims, dataclasses.replace(claims[0], digest=bytes(32))])
        report.identity = bytes(32)
        self.fails("receipt_lease", tfaas.verify_receipt, infos[0].receipt, report)
        self.fails("simulated_refused", tfaas.verify_receipt, infos[0].receipt, self.client(None).verify())
        self.fails("receipt_form", tfaas.verify_receipt, infos[0].receipt[:-1], client.verify())


if __name__ == "__main__":
    unittest.main()
