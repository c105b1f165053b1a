"""Byte forms against the vectors of RFCs and of the other languages (tests/vectors), and against rubbish."""
import dataclasses
import os
import re
import secrets
import unittest

import vectors
from core import Core, open_chunks
from tfaas import CODES, TfaasError, bhttp, cbor, open_log_line, read_policy, receipt, statement
from tfaas.crypto import Aead, NotAuthentic, Receiver, Sender, public_key
from tfaas.errors import Malformed
from tfaas.ohttp import (ChunkedExchange, Session, SessionExchange, TooLarge, Truncated, WholeExchange, choose_aead,
                         read_key_configuration)
from tfaas.evidence.simulated import read_simulated
from tfaas.sealed import seal
from tfaas.verify import Report
from tfaas.wire import Cursor, parse_json, unbase64url, varint, vector

unhex = bytes.fromhex


def opened(exchange, data, piece=1 << 30):
    parts = []
    for at in range(0, len(data), piece):
        parts += exchange.feed(data[at:at + piece])
    return b"".join(parts) + exchange.finish()


class Vectors(unittest.TestCase):
    def test_hpke_of_rfc_9180(self):
        found = [v for v in vectors.load("hpke", "rfc9180.json")
                 if (v["mode"], v["kem_id"], v["kdf_id"]) == (0, 0x20, 1) and v["aead_id"] <= 3 and "skEm" in v]
        for v in found:
            sender = Sender(v["aead_id"], unhex(v["pkRm"]), unhex(v["info"]), unhex(v["skEm"]))
            receiver = Receiver(v["aead_id"], unhex(v["skRm"]), sender.enc, unhex(v["info"]))
            self.assertEqual(sender.enc.hex(), v["enc"])
            for one in v["exports"]:
                self.assertEqual(sender.export(unhex(one["exporter_context"]), one["L"]).hex(), one["exported_value"])
                self.assertEqual(receiver.export(unhex(one["exporter_context"]), one["L"]).hex(), one["exported_value"])

    def check_ohttp(self, kind, v, aead):
        config = read_key_configuration(unhex(v["key_config"]))
        for piece in (1, 7, 1 << 20):
            exchange = kind(config, aead, unhex(v["skE"]))
            if kind is WholeExchange:
                self.assertEqual(exchange.seal_all(unhex(v["bhttp_request"])).hex(), v["encapsulated_request"])
            elif "request_chunks" in v:
                c, sealed = Cursor(unhex(v["bhttp_request"])), exchange.begin()
                for size in v["request_chunks"][:-1]:
                    sealed += exchange.seal(c.take(size), False)
                self.assertEqual((sealed + exchange.seal(c.rest(), True)).hex(), v["encapsulated_request"])
            self.assertEqual(opened(exchange, unhex(v["encapsulated_response"]), piece).hex(), v["bhttp_response"])

    def test_ohttp_of_rfc_9458(self):
        v = vectors.load("hpke", "rfc9458-appendix-a.json")
        self.check_ohttp(WholeExchange, v, 1)
        config = read_key_configuration(unhex(v["key_config"]))
        self.assertEqual((config.id, config.aeads, choose_aead(config)), (1, (1, 3), 3))

    def test_chunked_ohttp_of_the_draft(self):
        self.check_ohttp(ChunkedExchange, vectors.load("hpke", "chunked-ohttp.json"), 1)

    def test_ohttp_of_other_languages(self):
        count = 0
        for v in vectors.load("protocol", "ohttp.json"):
            if not v["extra"] and v["request_label"].startswith("message/bhttp "):
                self.check_ohttp(ChunkedExchange if "chunked" in v["request_label"] else WholeExchange, v, v["aead_id"])
                count += 1
        self.assertGreater(count, 0)

    def test_sessions_of_other_languages(self):
        for v in vectors.load("protocol", "session.json"):
            head = unhex(v["request_head"])
            session = Session(head[:16], unhex(v["secret"]), v["aead_id"], 0)
            for piece in (1, 1 << 20):
                exchange = SessionExchange(session, int.from_bytes(head[16:24], "big"), head[24:])
                plain, half = unhex(v["bhttp_request"]), len(unhex(v["bhttp_request"])) // 2
                sealed = exchange.begin() + exchange.seal(plain[:half], False) + exchange.seal(plain[half:], True)
                self.assertEqual(sealed.hex(), v["request"])
                self.assertEqual(opened(exchange, unhex(v["response"]), piece).hex(), v["bhttp_response"])

    def test_receipts_of_other_languages(self):
        for v in vectors.load("protocol", "receipt.json"):
            found = receipt._read(v["receipt"])
            self.assertEqual((found.claims.decode(), found.index, found.jws, found.lease.decode()),
                             (v["claims"], v["index"], v["jws"], v["lease"]))
            receipt._check_signature(found, unhex(v["receipt_key"]))
            for change in ({"claims": b"other"}, {"index": found.index + 1}, {"path": [*found.path, bytes(32)]},
                           {"path": found.path[:-1] if found.path else [bytes(32)]}, {"jws": found.jws[:-4] + "AAAA"}):
                with self.assertRaises(TfaasError) as caught:
                    receipt._check_signature(dataclasses.replace(found, **change), unhex(v["receipt_key"]))
                self.assertEqual(caught.exception.code, "receipt_invalid")

    def test_statements_of_other_languages(self):
        v = vectors.load("protocol", "statements.json")
        keys = {name: unhex(value) for name, value in v["keys"].items()}
        for name in ("key_statement", "key_statement_with_nonce"):
            data = unhex(v[name]["bytes"])
            found = statement.read_key_statement(data)
            self.assertEqual((found.identity, found.nonce), (keys["identity"], unhex(v[name].get("nonce", ""))))
            self.assertEqual(statement.key_statement_digest(data).hex(), v[name]["report_data"])
        raw = statement.open_envelope(unhex(v["lease"]["envelope"]), keys["identity"])
        lease = statement.read_lease(raw)
        self.assertEqual((raw.hex(), lease.key_configuration.hex(), lease.instance.hex()),
                         tuple(v["lease"][name] for name in ("bytes", "key_configuration", "instance")))
        self.assertEqual(read_key_configuration(lease.key_configuration).public_key, keys["request_key"])
        raw = statement.open_envelope(unhex(v["domain_statement"]["envelope"]), keys["identity"])
        domain = statement.read_domain_statement(raw)
        self.assertEqual((raw.hex(), domain.sealing_key), (v["domain_statement"]["bytes"], keys["sealing_key"]))
        self.assertRaises(statement.NotSigned, statement.open_envelope, unhex(v["lease"]["envelope"]), keys["log_key"])
        found = read_simulated(unhex(v["simulated"]["bytes"]))
        self.assertEqual(found.platform_id.hex(), v["simulated"]["platform_id"])

    def test_sealed_things_of_other_languages(self):
        v = vectors.load("protocol", "statements.json")
        keys = {name: unhex(value) for name, value in v["keys"].items()}
        for kind in ("secret", "package"):
            theirs = cbor.decode(unhex(v[f"sealed_{kind}"]["object"]))
            policy = cbor.decode(theirs[6])
            ours = cbor.decode(seal(Report(0, domain=theirs[3], sealing_key=keys["sealing_key"]), kind, theirs[4],
                                    unhex(v["sealed_content"]["content"]), log_key=policy.get(2),
                                    packages=[digest.hex() for digest in policy.get(1, [])]))
            self.assertEqual([ours[key] for key in range(1, 7)], [theirs[key] for key in range(1, 7)])
            for one in (ours, theirs):
                label = cbor.encode({key: one[key] for key in range(1, 7)})
                wrapped = Receiver(3, keys["sealing_secret"], one[7], b"tfaas-sealed-v1" + label).open(one[8])
                header = cbor.encode({key: one[key] for key in range(1, 9)})
                self.assertEqual(Aead(3, wrapped).open(bytes(12), header, one[9]).hex(), v["sealed_content"]["content"])
        line = unhex(v["log"]["line"]).decode()
        opened_line = open_log_line(line, keys["log_secret"], v["sealed_content"]["package"])
        self.assertEqual(opened_line.hex(), v["log"]["text"])

    def test_the_codes_are_libtfaas(self):
        header = vectors.read("tfaas", "client.h", root=os.path.join(vectors.REPOSITORY, "include")).decode()
        rows = re.findall(r'X\((\w+), (\d+),\s*"([^"]*)"\)', header)
        self.assertEqual({name.lower(): (int(code), text) for name, code, text in rows if name != "OK"}, CODES)


class Encapsulation(unittest.TestCase):
    def setUp(self):
        self.secret = secrets.token_bytes(32)
        key = bytes([3, 0, 0x20]) + public_key(self.secret) + bytes([0, 8, 0, 1, 0, 2, 0, 1, 0, 3])
        self.key, self.config = key, read_key_configuration(key)

    def test_key_configurations(self):
        for size in range(len(self.key)):
            self.assertRaises(Malformed, read_key_configuration, self.key[:size])
        self.assertRaises(Malformed, read_key_configuration, self.key + b"\0")
        other = self.key[:38] + b"\2" + self.key[39:]  # another KDF in the first suite
        self.assertEqual(read_key_configuration(other).aeads, (3,))

    def test_requests_of_any_size(self):
        for size in (0, 1, 16383, 16384, 16385, 50000):
            plain = secrets.token_bytes(size)
            message = ChunkedExchange(self.config, 2).seal_all(plain)
            context = Receiver(2, self.secret, message[7:39], b"message/bhttp chunked request\0" + message[:7])
            self.assertEqual(open_chunks(message[39:], context.open), plain)

    def test_keys_of_low_order(self):
        low = read_key_configuration(self.key[:3] + bytes(32) + self.key[35:])
        self.assertRaises(Malformed, WholeExchange, low, 2)

    def test_sessions(self):
        session = Session(secrets.token_bytes(16), secrets.token_bytes(32), 2, 0)
        nonce = secrets.token_bytes(16)
        one, same, other = (SessionExchange(session, sequence, nonce).seal_all(b"hello") for sequence in (1, 1, 2))
        self.assertEqual(one, same)
        self.assertNotEqual(one[40:], other[40:])
        self.assertEqual(one[:40], session.id + (1).to_bytes(8, "big") + nonce)

    def test_chunks_of_wrong_sizes(self):
        for chunk in (varint(16) + bytes(16), varint(16385 + 16), varint(1 << 40), b"\0" + bytes(16384 + 17)):
            exchange = ChunkedExchange(self.config, 2)
            self.assertRaises(NotAuthentic, exchange.feed, bytes(32) + chunk)
        self.assertRaises(Truncated, ChunkedExchange(self.config, 2).finish)
        self.assertRaises(TooLarge, WholeExchange(self.config, 2).seal_all, bytes(1 << 20))


# RFC 9292 section 5.2's response with informational ones, and the same with trailers.
INFORMATIONAL = "03406601610162004067" "0040c80161016200" "03787a79" "000174017500"


def read(data, piece=1 << 30):
    reader, events = bhttp.ResponseReader(), []
    for at in range(0, len(data), piece):
        events += reader.feed(data[at:at + piece])
    events += reader.feed(b"", last=True)
    head, *content, end = events
    return head.status, head.fields, b"".join(content), end.trailers


class BinaryHttp(unittest.TestCase):
    def test_requests_in_both_framings(self):
        request = bhttp.Request(b"GET", b"https", b"example.com", b"/", [(b"a", b"b")])
        control = "034745540568747470730b6578616d706c652e636f6d012f"
        self.assertEqual((request.head(False) + bhttp.content(b"xyz")).hex(), f"00{control}0401610162" "0378797a")
        self.assertEqual((request.head(True) + bhttp.content(b"xyz") + bhttp.STREAM_END).hex(),
                         f"02{control}0161016200" "0378797a0000")
        for change in ({"method": b"G T"}, {"scheme": b"1"}, {"authority": b"a@b"}, {"path": b"x"}, {"path": b"/ "},
                       {"fields": [(b"A", b"b")]}, {"fields": [(b"a", b"\n")]}, {"fields": [(b"a", b"b")] * 257}):
            self.assertRaises(Malformed, bhttp.Request(**{**request.__dict__, **change}).check)

    def test_responses_in_pieces_of_any_size(self):
        for piece in (1, 2, 3, 100):
            self.assertEqual(read(unhex(INFORMATIONAL), piece), (200, [(b"a", b"b")], b"xzy", [(b"t", b"u")]))
            self.assertEqual(read(unhex("0140c804016101620378797a"), piece), (200, [(b"a", b"b")], b"xyz", []))
            self.assertEqual(read(unhex("0140c8"), piece), (200, [], b"", []))
            self.assertEqual(read(unhex("0140c80001780000000000"), piece), (200, [], b"x", []))

    def test_what_is_refused(self):
        for what, data in {
                "a request": "00034745540568747470730b6578616d706c652e636f6d012f", "unknown framing": "0440c8",
                "status 600": "014258", "status 99": "014063", "padding that is not zero": "0140c8000000000001",
                "content that is cut": "0140c8000578", "a name in upper case": "0140c80401410162",
                "a name with a blank": "0140c80401200162", "a value with CR": "0140c8040161010d",
                "a section that ends inside a field": "0140c80301610162", "stream content without its end":
                "0340c8000378797a", "a field section of 4 GiB": "0140c8c000000100000000", "empty": ""}.items():
            with self.subTest(what):
                self.assertRaises(Malformed, read, unhex(data))
        many = vector(b"a") + vector(b"b")
        self.assertRaises(Malformed, read, unhex("0140c8") + vector(many * 300))
        self.assertRaises(Malformed, read, unhex("0340c8") + many * 300 + b"\0\0\0")
        self.assertRaises(Malformed, read, unhex("01") + unhex("406400") * 18 + unhex("40c8"))
        good = unhex(INFORMATIONAL)
        # Section 3.8: trailing empty sections may be left out: behind the status, the header, or the content.
        for size in range(len(good)):
            if size not in (13, 18, 23):
                with self.subTest(size):
                    self.assertRaises(Malformed, read, good[:size])


class Forms(unittest.TestCase):
    def test_cbor_has_one_form_each(self):
        for text in ("00", "17", "1818", "190100", "1a00010000", "1b0000000100000000", "1bffffffffffffffff", "4161",
                     "6161", "8201a10102", "f4", "f5", "a0"):
            self.assertEqual(cbor.encode(cbor.decode(unhex(text))).hex(), text)
        for text in ("", "1817", "190017", "1a0000ffff", "1b00000000ffffffff", "20", "5f4161ff", "4261", "61ff", "6100",
                     "9f01ff", "a201010101", "a202010101", "a1616101ff", "c001", "f6", "f93c00", "0000", "818181818181",
                     "9affffffff", "bbffffffffffffffff", "5bffffffffffffffff", "a1f401"):
            self.assertRaises(Malformed, cbor.decode, unhex(text))

    def test_base64url_and_json_are_strict(self):
        self.assertEqual(unbase64url("AQI"), b"\1\2")
        for bad in ("AQI=", "AQJ", "A", "AQ+", "A Q", "AQI\n", None):
            self.assertRaises(Malformed, unbase64url, bad)
        for bad in ('{"a":1,"a":1}', "[]", "null", '{"a":NaN}', "{} {}", "\ufeff{}", "[" * 100000, b"\xff"):
            self.assertRaises(Malformed, parse_json, bad)

    def test_statements_cut_and_changed(self):
        """No prefix of a signed statement opens, and no changed byte."""
        core = Core()
        envelope, key = core.domain_statement(), core.identity.public
        for at in range(len(envelope)):
            for changed in (envelope[:at], envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1:]):
                self.assertRaises((Malformed, statement.NotSigned), statement.open_envelope, changed, key)

    def test_policies_are_read_strictly(self):
        core = "ab" * 48
        good = read_policy({
            "version": 1, "cores": [core], "platforms": ["00" * 16], "maximum_age_s": 60, "allow_simulated": False,
            "intel_tcb": {"statuses": ["UpToDate", "SWHardeningNeeded"], "advisories": ["INTEL-SA-00615"]},
            "sgx": {"enclaves": ["cd" * 32]}, "tdx": {"domains": [{"mrtd": core, "rtmrs": [core, None, core, None]}]},
            "snp": {"launches": [core], "minimum_tcb": {
                "Turin": {"fmc": 1, "boot_loader": 1, "tee": 0, "snp": 2, "microcode": 3}}}})
        self.assertEqual(good.minimum_tcb["Turin"]["fmc"], 1)
        self.assertEqual(read_policy().cores, ())
        self.assertEqual(read_policy('{"version": 1}').tcb_statuses, ("UpToDate",))
        svns = {"boot_loader": 1, "tee": 1, "snp": 1, "microcode": 1}
        for bad in ("{", "[]", "null", {}, {"version": 2}, {"version": True}, {"version": 1, "core": []},
                    {"version": 1, "cores": ["AB" * 48]}, {"version": 1, "cores": ["ab"]},
                    {"version": 1, "allow_simulated": 1}, {"version": 1, "allow_debug": True},
                    {"version": 1, "maximum_age_s": 0}, {"version": 1, "intel_tcb": {}},
                    {"version": 1, "intel_tcb": {"statuses": ["Revoked"]}},
                    {"version": 1, "intel_tcb": {"statuses": ["Unknown"]}}, {"version": 1, "tdx": {}},
                    {"version": 1, "tdx": {"domains": [{"mrtd": core}]}}, {"version": 1, "snp": {"launches": []}},
                    {"version": 1, "snp": {"launches": [], "minimum_tcb": {"Turin": svns}}},
                    {"version": 1, "snp": {"launches": [], "minimum_tcb": {"Rome": svns}}},
                    {"version": 1, "cores": [core] * 65}, '{"version":1,"version":1}'):
            with self.subTest(bad), self.assertRaises(TfaasError) as caught:
                read_policy(bad)
            self.assertEqual(caught.exception.code, "policy_invalid")


if __name__ == "__main__":
    unittest.main()
