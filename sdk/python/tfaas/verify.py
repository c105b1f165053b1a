"""The checks of SPECIFICATION.md 14.2, in its order, numbered and named, until one fails. Must never hand out a key
that no checked lease holds."""
from __future__ import annotations

import datetime
import hmac
import json
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .errors import Malformed, TfaasError
from .evidence import Appraisal, Evidence, appraise
from .evidence.simulated import read_simulated
from .evidence.snp import read_certificate_table
from .ohttp import KeyConfiguration, choose_aead, read_key_configuration
from .policy import Policy
from .statement import (KeyStatement, Lease, NotSigned, key_statement_digest, open_envelope, read_domain_statement,
                        read_key_statement, read_lease)
from .wire import base64url, parse_json, unbase64url

SKEW_S = 120  # SPECIFICATION.md 14.2
_COLLECTION, _BUNDLE = "tag:tfaas,2026:evidence", "tag:tfaas,2026:bundle"
_STATEMENT_TYPE = "application/vnd.tfaas.key-statement+cbor"
_SIMULATED_TYPE = "application/vnd.tfaas.simulated+cbor"
_TEES = {"application/vnd.intel.sgx-quote": "sgx", "application/vnd.intel.tdx-quote": "tdx",
         "application/vnd.amd.snp-report": "snp"}
_COLLATERAL_TYPE, _CERTIFICATES_TYPE = "application/vnd.tfaas.collateral+json", "application/vnd.amd.snp-certificates"
_EVIDENCE, _ENDORSEMENTS = 4, 2  # draft-ietf-rats-msg-wrap: cm-type bits
_NAMES = ("form", "tee", "genuine", "tcb", "debug", "launch", "platform", "report-data", "nonce", "measurement",
          "times", "age", "domain-signature", "domain", "domain-times", "leases", "lease-times")
_HARDWARE_ONLY = ("tcb", "debug", "launch")
_NOT_COVERED = (
    "availability: the host may refuse, delay or drop calls",
    "traffic: who calls which function, when, and how much",
    "what a function does with its data: only which package runs, if you name it",
    "the machine's owner taking it apart; side channels of the processor",
    "the build of the core: that its measurement is of the source you read",
)
_SIMULATED = "EVERYTHING: the evidence is SIMULATED, whoever runs the host can read and change all"


@dataclass(frozen=True)
class Check:
    number: int
    name: str
    result: str  #: "passed", "failed", "not made"
    expected: str = ""
    got: str = ""

    def __str__(self) -> str:
        detail = f" (expected: {self.expected}; got: {self.got})" if self.result == "failed" else ""
        return f"{self.number:2}. {self.name}: {self.result}{detail}"


@dataclass(frozen=True)
class LiveLease:
    config: KeyConfiguration
    instance: bytes
    not_before: int
    not_after: int


@dataclass
class Report:
    """What a verification found. `error` None: everything was checked and holds."""

    verified_at: int
    error: TfaasError | None = None
    simulated: bool = False  #: then nothing is proved, whatever `error` says
    tee: str = ""
    domain: str = ""
    core_version: str = ""
    identity: bytes = b""
    measurement: bytes = b""
    weights: bytes = b""
    sealing_key: bytes = b""
    platform_id: bytes = b""
    epoch: int = 0
    not_before: int = 0
    not_after: int = 0
    checks: list[Check] = field(default_factory=list)
    not_covered: list[str] = field(default_factory=list)
    leases: list[LiveLease] = field(default_factory=list)  #: that live

    @property
    def ok(self) -> bool:
        return self.error is None

    def __str__(self) -> str:
        said = "SIMULATED evidence holds" if self.ok and self.simulated else "holds" if self.ok else str(self.error)
        return "\n".join([said, *map(str, self.checks), *(f"not covered: {line}" for line in self.not_covered)])


@dataclass(frozen=True)
class Fetched:
    """What a host said, as it said it. None of it is believed before verify() took it."""

    evidence: bytes  #: JSON
    domain_statement: bytes
    fetched_at: int
    nonce: bytes = b""  #: that was sent

    def to_bundle(self) -> str:
        """To verify it again offline; the file that libtfaas writes and reads."""
        bundle = {"type": _BUNDLE, "fetched_at": self.fetched_at, "evidence": parse_json(self.evidence),
                  "domain": base64url(self.domain_statement)}
        if self.nonce:
            bundle["nonce"] = base64url(self.nonce)
        return json.dumps(bundle, indent=1)

    @classmethod
    def from_bundle(cls, text: str | bytes) -> Fetched:
        try:
            bundle = parse_json(text)
            if bundle.get("type") != _BUNDLE or not isinstance(bundle.get("fetched_at"), int):
                raise Malformed("bundle")
            nonce = unbase64url(bundle["nonce"]) if "nonce" in bundle else b""
            evidence, statement = json.dumps(bundle["evidence"]).encode(), unbase64url(bundle["domain"])
            return cls(evidence, statement, bundle["fetched_at"], nonce)
        except (Malformed, KeyError, ValueError):
            raise TfaasError("evidence_form", "not a bundle that tfaas saved") from None


def read_collection(data: bytes) -> tuple[tuple[str, bytes], bytes, tuple[str, bytes] | None]:
    """((type, evidence), key statement, (type, endorsements) or None)"""
    root = parse_json(data, "evidence")
    if root.get("__cmwc_t") != _COLLECTION:
        raise Malformed(f'"__cmwc_t" is not {_COLLECTION}')

    def message(name: str, indicator: int) -> tuple[str, bytes]:
        value = root.get(name)
        if not isinstance(value, list) or len(value) != 3 or not isinstance(value[0], str) or value[2] != indicator:
            raise Malformed(f'"{name}" is not [type, base64url, indicator]')
        try:
            decoded = unbase64url(value[1])
        except Malformed:
            decoded = b""
        if not decoded or len(value[0]) > 63:
            raise Malformed(f'"{name}" is not base64url of at least one byte')
        return value[0], decoded

    evidence, (kind, statement) = message("evidence", _EVIDENCE), message("key-statement", _EVIDENCE)
    if kind != _STATEMENT_TYPE:
        raise Malformed(f'"key-statement" is not of the type {_STATEMENT_TYPE}')
    endorsements = message("endorsements", _ENDORSEMENTS) if "endorsements" in root else None
    return evidence, statement, endorsements


def _time(unix: int) -> str:
    try:
        return datetime.datetime.fromtimestamp(unix, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "?"


def _outside(now: int, begin: int, end: int) -> int:
    """-1 too early, 1 too late, with the skew."""
    return -1 if now + SKEW_S < begin else 1 if now - SKEW_S > end else 0


class _Verifier:
    def __init__(self, fetched: Fetched, policy: Policy, now: int, domain: str | None,
                 collateral: bytes | None) -> None:
        self.fetched, self.policy, self.now, self.domain, self.collateral = fetched, policy, now, domain, collateral
        self.report = Report(now)
        self.report_data = b""
        self.measured: bytes | None = None  # the core, where the evidence measures it itself

    def run(self) -> Report:
        report = self.report
        try:
            self._evidence()
            self._domain()
        except TfaasError as error:
            report.error = error
            report.leases = []
            error.report = report
        self._name_the_rest()
        report.not_covered = [*([_SIMULATED] if report.simulated else []), *_NOT_COVERED]
        return report

    def check(self, name: str, good: bool, code: str, expected: str, got: str) -> None:
        """Notes a check; TfaasError with `code` unless it is good."""
        self.report.checks.append(Check(_NAMES.index(name) + 1, name, "passed" if good else "failed", expected, got))
        if not good:
            error = TfaasError(code)
            raise TfaasError(code, f"{name}: {error.args[0]}; expected: {expected}; got: {got}")

    def _fail(self, name: str, code: str, expected: str, got: object) -> NoReturn:
        self.check(name, False, code, expected, str(got))
        raise AssertionError

    def _name_the_rest(self) -> None:
        made = {check.name: check for check in self.report.checks}
        skip = _HARDWARE_ONLY if self.report.simulated else ()
        self.report.checks = [made.get(name) or Check(number, name, "not made")
                              for number, name in enumerate(_NAMES, 1) if name in made or name not in skip]

    # --- evidence and key statement ---

    def _evidence(self) -> None:
        try:
            evidence, raw, endorsements = read_collection(self.fetched.evidence)
            statement = read_key_statement(raw)
        except Malformed as error:
            self._fail("form", "evidence_form", "evidence and a key statement", error)
        self.check("form", True, "", "evidence and a key statement", "it is")
        if evidence[0] == _SIMULATED_TYPE:
            self._simulated(evidence[1])
        elif evidence[0] in _TEES:
            self._hardware(_TEES[evidence[0]], evidence[1], endorsements)
        else:
            self._fail("tee", "evidence_unknown", "sgx, tdx, snp or simulated", evidence[0])
        self._statement(raw, statement)

    def _simulated(self, evidence: bytes) -> None:
        self.report.tee, self.report.simulated = "simulated", True
        allowed = self.policy.allow_simulated
        self.check("tee", allowed, "simulated_refused", "simulated or hardware" if allowed else "hardware", "SIMULATED")
        expected = "signed by the key that it names"
        try:
            found = read_simulated(evidence)
        except (Malformed, NotSigned) as error:
            code = "evidence_form" if isinstance(error, Malformed) else "evidence_signature"
            self._fail("genuine", code, expected, error)
        self.check("genuine", True, "", expected, "it is; whoever runs the host holds that key")
        self.report_data, self.measured = found.report_data, found.measurement
        self._platform(found.platform_id)

    def _hardware(self, tee: str, quote: bytes, endorsements: tuple[str, bytes] | None) -> None:
        kind, given = endorsements or ("", b"")
        try:
            if tee == "snp":
                if kind != _CERTIFICATES_TYPE:
                    raise Malformed("certificates are missing")
                vek, ca = read_certificate_table(given)
                evidence = Evidence(tee, quote, self.now, vek=vek, ca=ca)
            else:
                if endorsements and self.collateral is None and kind != _COLLATERAL_TYPE:
                    raise Malformed("endorsements do not fit the evidence")
                collateral = self.collateral if self.collateral is not None else given if endorsements else None
                evidence = Evidence(tee, quote, self.now, collateral=collateral)
        except Malformed as error:
            self._fail("tee", "evidence_form", "evidence with its endorsements", error)
        self.judge(appraise(evidence))

    def judge(self, found: Appraisal) -> None:
        """The policy's part of it, apart so that tests can give the appraisal."""
        policy, tee = self.policy, found.tee
        allowed = {"sgx": policy.enclaves, "tdx": policy.tds, "snp": policy.launches}[tee] is not None
        self.report.tee, self.report_data = tee, found.report_data
        self.check("tee", allowed, "tee_not_allowed", "hardware that the policy names", tee)
        self.check("genuine", found.verdict in ("accept", "policy"),
                   "debug_refused" if found.debug else "evidence_signature",
                   "signed by the maker's key, nothing revoked or expired", found.error or "it is")
        if tee == "snp":
            self._tcb_snp(found)
        else:
            self._tcb_intel(found)
        self.check("debug", not found.debug, "debug_refused", "off", "on" if found.debug else "off")
        self._launch(found)
        self._platform(found.platform_id)

    def _tcb_snp(self, found: Appraisal) -> None:
        minimum = self.policy.minimum_tcb.get(found.generation)
        got = f"{found.generation} " + ", ".join(f"{name} {svn}" for name, svn in found.reported_tcb.items())
        if minimum is None:
            self._fail("tcb", "milan_refused" if found.generation == "Milan" else "tcb_refused",
                       "a minimum for this generation in the policy", got)
        expected = "at least " + ", ".join(f"{name} {svn}" for name, svn in minimum.items())
        good = all(found.reported_tcb[name] >= svn for name, svn in minimum.items())
        self.check("tcb", good, "tcb_refused", expected, got)

    def _tcb_intel(self, found: Appraisal) -> None:
        is_open = next((one for one in found.advisory_ids if one not in self.policy.advisories), None)
        got = (found.tcb_status or "no statement") + (f", open advisory {is_open}" if is_open else "")
        self.check("tcb", found.tcb_status in self.policy.tcb_statuses and is_open is None, "tcb_refused",
                   "a status and advisories that the policy accepts", got)

    def _launch(self, found: Appraisal) -> None:
        policy, got = self.policy, found.measurement
        if found.tee == "sgx":
            good, expected = got in (policy.enclaves or ()), "an MRENCLAVE of the policy"
        elif found.tee == "tdx":
            expected = "MRTD and RTMRs of the policy"
            good = any(td.mr_td == got and all(want in (None, have) for want, have in zip(td.rt_mrs, found.rt_mrs))
                       for td in policy.tds or ())
        else:  # what runs below VMPL 0 was not the launch that is measured
            expected = "a launch digest of the policy, at VMPL 0"
            good = got in (policy.launches or ()) and found.vmpl == 0
        self.check("launch", good, "launch_not_allowed", expected, got.hex())

    def _platform(self, platform_id: bytes) -> None:
        allowed = self.policy.platforms
        self.check("platform", not allowed or platform_id in allowed, "platform_not_allowed",
                   f"one of {len(allowed)} machines" if allowed else "any machine", platform_id.hex() or "none named")
        self.report.platform_id = platform_id

    def _statement(self, raw: bytes, statement: KeyStatement) -> None:
        policy, now, sent = self.policy, self.now, self.fetched.nonce
        digest = key_statement_digest(raw)
        self.check("report-data", hmac.compare_digest(digest, self.report_data), "statement_mismatch", digest.hex(),
                   self.report_data.hex())
        self.check("nonce", not sent or statement.nonce == sent, "evidence_nonce", sent.hex() or "none was sent",
                   statement.nonce.hex() or "none")
        got = statement.measurement.hex()
        if self.measured is not None and self.measured != statement.measurement:
            self._fail("measurement", "statement_mismatch", "the core that the evidence measures", got)
        self.check("measurement", statement.measurement in policy.cores, "measurement_not_allowed",
                   f"one of {len(policy.cores)} cores of the policy", got)
        where = _outside(now, statement.not_before, statement.not_after)
        self.check("times", where == 0, "evidence_not_yet_valid" if where < 0 else "evidence_expired",
                   f"{_time(statement.not_before)} to {_time(statement.not_after)}", _time(now))
        age = now - statement.not_before
        self.check("age", age <= policy.maximum_age_s, "evidence_too_old", f"at most {policy.maximum_age_s} s",
                   f"{max(age, 0)} s")
        report = self.report
        report.core_version, report.identity, report.weights = statement.version, statement.identity, statement.weights
        report.measurement, report.epoch = statement.measurement, statement.epoch
        report.not_before, report.not_after = statement.not_before, statement.not_after

    # --- the domain statement and its leases ---

    def _domain(self) -> None:
        report, expected = self.report, "signed by the attested identity"
        try:
            raw = open_envelope(self.fetched.domain_statement, report.identity)
        except (Malformed, NotSigned) as error:
            code = "domain_form" if isinstance(error, Malformed) else "domain_signature"
            self._fail("domain-signature", code, expected, error)
        self.check("domain-signature", True, "", expected, "it is")
        try:
            statement = read_domain_statement(raw)
        except Malformed as error:
            self._fail("domain", "domain_form", "a domain statement", error)
        self.check("domain", self.domain in (None, statement.domain), "domain_mismatch", self.domain or "any",
                   statement.domain)
        report.domain, report.sealing_key = statement.domain, statement.sealing_key
        self.check("domain-times", _outside(self.now, statement.not_before, statement.not_after) == 0, "domain_expired",
                   f"{_time(statement.not_before)} to {_time(statement.not_after)}", _time(self.now))
        self._leases(statement.leases)

    def _leases(self, envelopes: tuple[bytes, ...]) -> None:
        """One bad lease and nothing of the statement is believed; one that has ended is passed over."""
        live, expected = [], "signed by the identity, for this domain and core"
        try:
            for envelope in envelopes:
                lease = verify_lease(envelope, self.report)
                try:
                    config = read_key_configuration(lease.key_configuration)
                    choose_aead(config)
                except Malformed as error:
                    raise TfaasError("lease_form", f"lease: {error}") from None
                if _outside(self.now, lease.not_before, lease.not_after) == 0:
                    live.append(LiveLease(config, lease.instance, lease.not_before, lease.not_after))
        except TfaasError as error:
            self._fail("leases", error.code, expected, error.args[0])
        self.check("leases", True, "", expected, "they are")
        # Where no worker runs there is nobody to call yet; evidence and sealing key hold all the same.
        self.check("lease-times", bool(live) or not envelopes, "lease_expired", "one that lives, if there are any",
                   f"{len(live)} of {len(envelopes)}{'' if envelopes else ': no worker runs'}")
        self.report.leases = live


def verify_lease(envelope: bytes, of: Report) -> Lease:
    """A lease under an attested identity: signature, domain, measurement; not its times."""
    try:
        lease = read_lease(open_envelope(envelope, of.identity))
    except NotSigned as error:
        raise TfaasError("lease_signature", f"lease: {error}") from None
    except Malformed as error:
        raise TfaasError("lease_form", f"lease: {error}") from None
    if lease.domain != of.domain:
        raise TfaasError("lease_mismatch", f'lease: of the domain "{lease.domain}"')
    if lease.measurement != of.measurement:
        raise TfaasError("lease_mismatch", "lease: of another core")
    return lease


def verify(fetched: Fetched, policy: Policy, now: int, domain: str | None = None,
           collateral: bytes | None = None) -> Report:
    """Every check in order. Does not raise for what they find: `error` in the report says it."""
    return _Verifier(fetched, policy, now, domain, collateral).run()


def verify_bundle(bundle: str | bytes, policy: Any = None, *, domain: str | None = None,
                  collateral: bytes | None = None, at: int | None = None) -> Report:
    """A saved bundle, without a network. `at`: the moment to judge for; None: when it was made."""
    from .policy import read_policy
    fetched = Fetched.from_bundle(bundle)
    return verify(fetched, read_policy(policy), fetched.fetched_at if at is None else at, domain, collateral)
