"""Appraisal of hardware evidence: is it genuine, is its platform patched, what does it say (docs/evidence.md). No
network, no clock, no files: everything comes in as bytes and the time is a parameter. What the platform may be, and
what may run on it, is the policy's matter."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import Malformed
from .dcap import appraise_sgx, appraise_tdx
from .der import Rejection
from .roots import Roots, pinned_roots
from .snp import appraise_snp

__all__ = ["Appraisal", "Evidence", "Roots", "appraise", "appraise_under"]
QUOTE_MAX = 64 << 10


@dataclass(frozen=True)
class Evidence:
    tee: str  #: "sgx", "tdx", "snp"
    quote: bytes  #: DCAP quote, or SNP report
    at_unix: int  #: the moment to judge for
    collateral: bytes | None = None  #: SGX, TDX: JSON of nine strings
    vek: bytes | None = None  #: SNP: VCEK or VLEK certificate, DER or PEM
    ca: bytes | None = None  #: SNP: PEM bundle, ASK or ASVK, then ARK
    hcl: bytes | None = None  #: Azure: HCL report whose runtime data the evidence binds


@dataclass
class Appraisal:
    """With verdict "reject" nothing in it can be relied on except `error`."""

    tee: str
    verdict: str = "reject"  #: "accept", "policy": genuine, but of another TCB status; "reject"
    error: str = ""
    tcb_status: str | None = None
    advisory_ids: list[str] = field(default_factory=list)
    format_version: int = 0
    measurement: bytes = b""
    report_data: bytes = b""
    #: SNP: a guest that allows debugging is genuine, so a policy must refuse it. SGX and TDX: rejected.
    debug: bool = False
    svn: int = 0
    vmpl: int = 0
    platform_id: bytes = b""  #: empty: the evidence names none
    rt_mrs: list[bytes] = field(default_factory=list)
    generation: str = ""  #: SNP
    reported_tcb: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    tcb_date_unix: int = 0
    tcb_evaluation_data_number: int = 0
    expires_unix: int = 0  #: until when the verdict may be reused


_VERIFIERS = {"sgx": appraise_sgx, "tdx": appraise_tdx, "snp": appraise_snp}


def appraise(evidence: Evidence) -> Appraisal:
    return appraise_under(pinned_roots(), evidence)


def appraise_under(roots: Roots, evidence: Evidence) -> Appraisal:
    """The same under other roots: for tests."""
    out = Appraisal(evidence.tee)
    try:
        if evidence.tee not in _VERIFIERS:
            raise Rejection("no TEE named")
        if len(evidence.quote) > QUOTE_MAX:
            raise Rejection(f"the quote is larger than {QUOTE_MAX} bytes")
        _VERIFIERS[evidence.tee](evidence, roots, out)
    except (Rejection, Malformed) as error:
        out.error, out.tcb_status, out.advisory_ids = str(error) or "refused", None, []
        out.tcb_date_unix = out.expires_unix = 0
        return out
    out.verdict = "accept" if evidence.tee == "snp" or out.tcb_status == "UpToDate" else "policy"
    return out
