"""The report that Azure's paravisor (OpenHCL) keeps in the vTPM: a hardware report, and JSON runtime data whose hash is
the first part of report_data (docs/evidence.md; layout: OpenHCL, igvm_attest)."""
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..errors import Malformed
from ..wire import Cursor, is_zero, parse_json
from .der import Rejection

if TYPE_CHECKING:
    from . import Appraisal, Evidence

SIZE_MAX, REPORT_SIZE, WORDS_SIZE = 64 << 10, 1184, 20
_HASHES = {1: "sha256", 2: "sha384", 3: "sha512"}


def check_hcl(evidence: Evidence, report: bytes | None, out: Appraisal) -> None:
    """`report`: what must be embedded, or None."""
    data = evidence.hcl or b""
    if len(data) > SIZE_MAX:
        raise Rejection(f"HCL report: larger than {SIZE_MAX} bytes")
    c = Cursor(data)
    try:
        magic, version, size, request, status = c.take(4), c.le(4), c.le(4), c.le(4), c.le(4)
        c.take(12)
        embedded = c.take(REPORT_SIZE)
        data_size, data_version, kind, hash_type, json_size = (c.le(4) for _ in range(5))
        text = c.take(json_size)
    except Malformed:
        magic = b""
    if magic != b"HCLA":
        raise Rejection("HCL report: truncated, or no HCL report")
    if version not in (1, 2) or request != 2 or status != 0 or data_version != 1:
        raise Rejection("HCL report: unknown version or request")
    if data_size != WORDS_SIZE + json_size or size != c.at:
        raise Rejection("HCL report: its lengths contradict each other")
    if not is_zero(c.rest()):
        raise Rejection("HCL report: bytes behind its data")
    if kind != (2 if evidence.tee == "snp" else 4):
        raise Rejection(f"HCL report: of another TEE ({kind})")
    if report is not None and report != embedded:
        raise Rejection("HCL report: holds another hardware report")
    if hash_type not in _HASHES:
        raise Rejection(f"HCL report: hash type {hash_type}")
    digest = hashlib.new(_HASHES[hash_type], text).digest()
    good = out.report_data == digest + bytes(64 - len(digest))
    out.fields.update({f"hcl_runtime_data_{_HASHES[hash_type]}": digest.hex(), "hcl_binding_ok": good})
    if not good:
        raise Rejection("HCL runtime data is not what report_data names")
    try:
        parse_json(text)
    except Malformed:
        raise Rejection("HCL runtime data is not a JSON object") from None
