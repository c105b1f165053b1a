"""Evidence made by real hardware and by invented platforms: verdicts, fields, and negatives made from them."""
import base64
import datetime
import hashlib
import json
import os
import re
import sys
import unittest

import vectors
from tfaas.evidence import Appraisal, Evidence, appraise, appraise_under
from tfaas.evidence import roots as pinned
from tfaas.evidence.roots import roots_of
from tfaas.policy import read_policy
from tfaas.verify import Fetched, _Verifier
from tfaas.wire import base64url

sys.path.insert(0, os.path.join(vectors.REPOSITORY, "tests", "evidence"))
import run as negatives  # noqa: E402  what changes one thing in a vector, as the C verifier's tests have it

DAY = 86400


def inside_validity(quote):
    """A day after the PCK certificate's notBefore."""
    der = base64.b64decode(re.search(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", quote, re.S).group(1))
    begin = re.search(rb"\x30\x1e\x17\x0d(\d{12})Z\x17\x0d\d{12}Z", der).group(1).decode()
    start = datetime.datetime.strptime(begin, "%y%m%d%H%M%S").replace(tzinfo=datetime.timezone.utc)
    return int(start.timestamp()) + DAY


def judge(evidence, at, **change):
    return appraise(Evidence(**{**evidence, **change}, at_unix=at))


class Vectors(unittest.TestCase):
    def test_verdicts_and_fields(self):
        count = 0
        for name, expected, evidence in vectors.evidence_vectors():
            with self.subTest(name):
                at = expected.get("verify_at_unix") or inside_validity(evidence["quote"])
                verdict, status, error = expected["verdict"], expected.get("tcb_status"), expected.get("error", "")
                if verdict == "signature-ok":
                    debug = expected["fields"]["debug"]
                    verdict, status = ("reject", None) if debug else ("policy", "Unknown")
                    error = "Verification failed: Debug mode is enabled" if debug else ""
                found = judge(evidence, at)
                self.assertEqual((found.verdict, found.tcb_status, found.advisory_ids),
                                 (verdict, status, expected.get("advisory_ids", [])), found.error)
                if expected["tee"] != "snp":
                    self.assertEqual(found.error and f"Verification failed: {found.error}", error)
                self.assertEqual(bool(found.error), verdict == "reject")
                for key, value in expected["fields"].items():
                    self.assertEqual(found.fields.get(key), value, key)
                if "expired_at_unix" in expected:
                    old = judge(evidence, expected["expired_at_unix"])
                    self.assertEqual(f"Verification failed: {old.error}", expected["expired_verdict"]["error"])
                if evidence.get("collateral") and verdict != "reject":
                    less = judge(evidence, at, collateral=None)
                    self.assertEqual((less.verdict, less.tcb_status), ("policy", "Unknown"))
                count += 1
        self.assertGreaterEqual(count, 10)

    def test_every_negative_is_rejected(self):
        everything = [(name, expected, evidence) for name, expected, evidence in vectors.evidence_vectors()
                      if expected["verdict"] in ("accept", "policy") and {"collateral", "vek"} & set(evidence)]
        count = 0
        for name, expected, evidence in everything:
            at, tee = expected["verify_at_unix"], expected["tee"]
            others = [e for n, x, e in everything if n != name and x["tee"] == tee]
            if tee == "snp":
                changes = list(negatives.snp_negatives(evidence, others))
                changes += [(what, {"hcl": data}) for what, data in negatives.hcl_negatives(evidence["hcl"])] \
                    if "hcl" in evidence else []
            else:
                changes = [(what, {"quote": data}) for what, data in negatives.quote_negatives(evidence["quote"])]
                changes += [(what, {"collateral": data}) for what, data in negatives.collateral_negatives(
                    evidence["collateral"], [e["collateral"] for e in others if "collateral" in e])]
                changes += [("another TEE", {"tee": "sgx" if tee == "tdx" else "tdx"})]
            for what, change in changes:
                found = judge(evidence, at, **change)
                self.assertTrue(found.verdict == "reject" and found.error, f"{name}: {what}: {found}")
                self.assertEqual((found.tcb_status, found.expires_unix), (None, 0))
                count += 1
            for when in (at - 20 * 365 * DAY, at + 30 * 365 * DAY, 0, 2 ** 62):
                self.assertEqual(judge(evidence, when).verdict, "reject", name)
        self.assertGreater(count, 500)

    def test_the_roots_are_the_repositorys(self):
        for name, file in (("INTEL", "intel_sgx_root"), ("MILAN", "amd_ark_milan"), ("GENOA", "amd_ark_genoa"),
                           ("TURIN", "amd_ark_turin")):
            theirs = vectors.read(f"{file}.der", root=os.path.join(vectors.REPOSITORY, "client", "roots"))
            self.assertEqual(base64.b64decode(getattr(pinned, name)), theirs)
        self.assertEqual(hashlib.sha256(base64.b64decode(pinned.INTEL)).hexdigest(),
                         "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3")

    def test_a_root_that_allows_no_intermediate(self):
        """The path length of a CA counts; no vector has such a chain."""
        _, expected, evidence = next(v for v in vectors.evidence_vectors() if v[0] == "sgx/sgx-v3-confighard")
        decode = base64.b64decode
        roots = roots_of(decode(pinned.INTEL))
        given = Evidence(**evidence, at_unix=expected["verify_at_unix"])
        self.assertEqual(appraise_under(roots, given).verdict, "policy")
        roots.intel.path_length = 0
        self.assertEqual(appraise_under(roots, given).error, "PCK chain: an issuer is no CA")

    def test_no_tee(self):
        self.assertEqual(judge({"tee": "sev", "quote": b""}, 1).error, "no TEE named")
        self.assertEqual(judge({"tee": "sgx", "quote": bytes(70000)}, 1).error, "the quote is larger than 65536 bytes")


@unittest.skipUnless(vectors.has("synthetic.json"), "no tests/vectors/synthetic.json here")
class Synthetic(unittest.TestCase):
    """Evidence of invented platforms under invented roots, one change in each. Under the real roots none holds."""

    OUR_WORDS = {"snp: revocation list without PSS": "not the vendor's algorithms"}

    def test_every_case(self):
        everything = vectors.load("synthetic.json")

        def blob(key):
            return None if key is None else base64.b64decode(everything["blobs"][key])
        intel, *arks = (blob(everything["roots"][name]) for name in ("intel", "milan", "genoa", "turin"))
        roots = roots_of(intel, **dict(zip(("Milan", "Genoa", "Turin"), arks)))
        for case in everything["cases"]:
            collateral = case.get("collateral")
            if isinstance(collateral, dict):
                collateral = json.dumps({key: blob(value).decode() for key, value in collateral.items()}).encode()
            elif collateral is not None:
                collateral = blob(collateral)
            evidence = Evidence(case["tee"], blob(case.get("quote")) or b"", case["at"], collateral,
                                *(blob(case.get(key)) for key in ("vek", "ca", "hcl")))
            with self.subTest(case["name"]):
                found = appraise_under(roots, evidence)
                self.assertEqual((found.verdict, found.tcb_status, found.advisory_ids),
                                 (case["verdict"], case.get("tcb_status"), case.get("advisory_ids") or []), found.error)
                self.assertIn(self.OUR_WORDS.get(case["name"], case["error"]), found.error)
                if found.verdict != "reject":
                    self.assertEqual(found.debug, case["debug"])
                    self.assertGreater(found.expires_unix, 0)
                self.assertEqual(appraise(evidence).verdict, "reject")


class Policies(unittest.TestCase):
    """What a policy makes of an appraisal."""

    SNP = {"Milan": {"boot_loader": 3, "tee": 0, "snp": 8, "microcode": 100},
           "Turin": {"fmc": 1, "boot_loader": 1, "tee": 1, "snp": 1, "microcode": 1}}

    def judged(self, policy, **found):
        verifier = _Verifier(Fetched(b"", b"", 0), read_policy({"version": 1, **policy}), 0, None, None)
        verifier._evidence = lambda: verifier.judge(Appraisal(**found))
        verifier._domain = lambda: None
        error = verifier.run().error
        return error and error.code

    def test_snp(self):
        tcb = {"fmc": 0, "boot_loader": 3, "tee": 0, "snp": 8, "microcode": 115}
        found = dict(tee="snp", verdict="accept", measurement=b"m" * 48, generation="Milan", reported_tcb=tcb,
                     platform_id=b"p" * 64)
        policy = {"snp": {"launches": [(b"m" * 48).hex()], "minimum_tcb": self.SNP}}
        self.assertIsNone(self.judged(policy, **found))
        self.assertEqual(self.judged({}, **found), "tee_not_allowed")
        for change, code in (({"verdict": "reject", "error": "x"}, "evidence_signature"),
                             ({"debug": True}, "debug_refused"), ({"generation": "Genoa"}, "tcb_refused"),
                             ({"vmpl": 1}, "launch_not_allowed"), ({"measurement": bytes(48)}, "launch_not_allowed"),
                             ({"reported_tcb": {**tcb, "snp": 7}}, "tcb_refused"),
                             ({"generation": "Turin"}, "tcb_refused")):
            self.assertEqual(self.judged(policy, **{**found, **change}), code)
        only_turin = {"snp": {**policy["snp"], "minimum_tcb": {"Turin": self.SNP["Turin"]}}}
        self.assertEqual(self.judged(only_turin, **found), "milan_refused")
        self.assertEqual(self.judged({**policy, "platforms": ["00" * 64]}, **found), "platform_not_allowed")
        self.assertIsNone(self.judged({**policy, "platforms": [(b"p" * 64).hex()]}, **found))

    def test_intel(self):
        rt_mrs = [bytes([i]) * 48 for i in range(4)]
        found = dict(tee="tdx", verdict="accept", tcb_status="UpToDate", measurement=b"t" * 48, rt_mrs=rt_mrs)
        domain = {"mrtd": (b"t" * 48).hex(), "rtmrs": [rt_mrs[0].hex(), None, rt_mrs[2].hex(), None]}
        policy = {"tdx": {"domains": [domain]}}
        self.assertIsNone(self.judged(policy, **found))
        wrong = {"tdx": {"domains": [{**domain, "rtmrs": [rt_mrs[1].hex(), None, None, None]}]}}
        self.assertEqual(self.judged(wrong, **found), "launch_not_allowed")
        for change, code in (({"tcb_status": "OutOfDate", "verdict": "policy"}, "tcb_refused"),
                             ({"tcb_status": "Unknown", "verdict": "policy"}, "tcb_refused"),
                             ({"advisory_ids": ["INTEL-SA-1"]}, "tcb_refused"),
                             ({"debug": True, "verdict": "reject"}, "debug_refused"),
                             ({"tee": "sgx"}, "tee_not_allowed")):
            self.assertEqual(self.judged(policy, **{**found, **change}), code)
        more = {**policy, "intel_tcb": {"statuses": ["UpToDate", "OutOfDate"], "advisories": ["INTEL-SA-1"]}}
        self.assertIsNone(self.judged(more, **{**found, "tcb_status": "OutOfDate", "advisory_ids": ["INTEL-SA-1"]}))
        sgx = {"sgx": {"enclaves": [(b"e" * 32).hex()]}}
        self.assertIsNone(self.judged(sgx, tee="sgx", verdict="accept", tcb_status="UpToDate", measurement=b"e" * 32))
        self.assertEqual(self.judged(sgx, tee="sgx", verdict="accept", tcb_status="UpToDate", measurement=b"f" * 32),
                         "launch_not_allowed")

    def test_real_evidence_through_a_collection(self):
        """Up to the key statement, which a quote of somebody else's cannot be about."""
        from core import Core
        core, found = Core(), {name: (expected, evidence) for name, expected, evidence in vectors.evidence_vectors()}
        guids = ("63da758de6644564adc5f4b93be8accd", "4ab7b379bbac4fe4a02f05aef327c782",
                 "c0b406a4a803495297433fb6014cd0ae")
        for name, kind in (("snp/milan-v2-virtee", "amd.snp-report"), ("tdx/tdx-v4-uptodate", "intel.tdx-quote"),
                           ("sgx/sgx-v3-confighard", "intel.sgx-quote")):
            expected, evidence = found[name]
            core.now, fields = expected["verify_at_unix"], expected["fields"]
            if expected["tee"] == "snp":
                parts = [evidence["vek"], *(base64.b64decode(part) for part in re.findall(
                    rb"-----BEGIN CERTIFICATE-----(.*?)-----END", evidence["ca"], re.S))]
                table, at = b"", 24 * 4
                for guid, part in zip(guids, parts):
                    table += bytes.fromhex(guid) + at.to_bytes(4, "little") + len(part).to_bytes(4, "little")
                    at += len(part)
                endorsements = ["application/vnd.amd.snp-certificates",
                                base64url(table + bytes(24) + b"".join(parts)), 2]
                zeros = {name: 0 for name in ("boot_loader", "tee", "snp", "microcode")}
                policy = {"snp": {"launches": [fields["measurement"]], "minimum_tcb": {"Milan": zeros}}}
            else:
                endorsements = ["application/vnd.tfaas.collateral+json", base64url(evidence["collateral"]), 2]
                policy = {"sgx": {"enclaves": [fields["mr_enclave"]]}} if expected["tee"] == "sgx" else \
                    {"tdx": {"domains": [{"mrtd": fields["mr_td"], "rtmrs": [fields[f"rt_mr{i}"] for i in range(4)]}]}}
                policy["intel_tcb"] = {"statuses": [expected["tcb_status"]], "advisories": expected["advisory_ids"]}
            core.faults = {"collection": {"evidence": [f"application/vnd.{kind}", base64url(evidence["quote"]), 4],
                                          "endorsements": endorsements}}
            fetched = Fetched(core.evidence().encode(), core.domain_statement(), core.now)
            from tfaas.verify import verify
            report = verify(fetched, read_policy({"version": 1, **policy}), core.now)
            self.assertEqual((report.tee, report.error.code), (expected["tee"], "statement_mismatch"), report)
            self.assertEqual(sum(check.result == "passed" for check in report.checks), 7)


if __name__ == "__main__":
    unittest.main()
