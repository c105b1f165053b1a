"""Receipts, offline: against what was attested, and what was sent and got (SPECIFICATION.md 14.6, common/receipt.h)."""
from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Iterable

from . import cbor
from .crypto import ed25519_verify, sha256
from .errors import Malformed, TfaasError
from .statement import Lease
from .verify import SKEW_S, Report, verify_lease
from .wire import base64url, is_hex, is_int, parse_json, unbase64url

TEXT_MAX, CLAIMS_MAX, JWS_MAX, PATH_MAX, BATCH_MAX = 3072, 1024, 320, 6, 64
_JWS_HEADER = b'{"alg":"EdDSA","typ":"tfaas-receipt+jws"}'


@dataclass(frozen=True)
class Claims:
    instance: str
    sequence: int
    issued_at: int
    function: str  #: "name.namespace"
    package: str
    request_hash: bytes
    response_hash: bytes
    status: int
    outcome: str
    work: int
    exact: bool  #: False: `work` may miss the innermost frame's last units
    memory: int
    cpu_ns: int
    weights: str
    digest: bytes  #: SHA-256 of the claims' bytes


@dataclass(frozen=True)
class Expected:
    """What a caller knows of the call."""

    request_hash: bytes
    response_hash: bytes
    function: str
    package: str | None = None


@dataclass(frozen=True)
class _Receipt:
    claims: bytes
    index: int
    path: list[bytes]
    jws: str
    lease: bytes


def _bad(what: str) -> TfaasError:
    return TfaasError("receipt_form", f"receipt: {what}")


def _invalid(what: str) -> TfaasError:
    return TfaasError("receipt_invalid", f"receipt: {what}")


def _read(text: str) -> _Receipt:
    if len(text) > TEXT_MAX:
        raise _bad("longer than 3 KiB")
    try:
        found = cbor.decode(unbase64url(text))
    except Malformed as error:
        raise _bad(str(error)) from None
    if not isinstance(found, dict) or set(found) != {1, 2, 3, 4, 5, 6} or found[1] != "tfaas-receipt-v1":
        raise _bad("not a receipt of this version")
    claims, index, path, jws, lease = (found[key] for key in range(2, 7))
    if not (isinstance(claims, bytes) and 0 < len(claims) <= CLAIMS_MAX and isinstance(lease, bytes) and
            is_int(index) and isinstance(path, list) and len(path) <= PATH_MAX and isinstance(jws, str) and
            0 < len(jws) <= JWS_MAX and
            all(isinstance(node, bytes) and len(node) == 32 for node in path)):
        raise _bad("malformed")
    return _Receipt(claims, index, path, jws, lease)


def _read_claims(data: bytes) -> Claims:
    try:
        c: dict[str, Any] = parse_json(data)
        numbers = [c.get(name) for name in ("seq", "iat", "status", "work", "mem", "cpu_ns")]
        good = (is_hex(c.get("iss"), 16) and is_hex(c.get("pkg"), 32) and is_hex(c.get("weights"), 32) and
                all(is_int(number) for number in numbers) and c["seq"] > 0 and isinstance(c.get("exact"), bool) and
                isinstance(c.get("fn"), str) and len(c["fn"].encode()) < 256 and isinstance(c.get("outcome"), str) and
                len(c["outcome"].encode()) < 32)
        if not good:
            raise Malformed("claims")
        return Claims(c["iss"], c["seq"], c["iat"], c["fn"], c["pkg"], unbase64url(c.get("req"), 32),
                      unbase64url(c.get("res"), 32), c["status"], c["outcome"], c["work"], c["exact"], c["mem"],
                      c["cpu_ns"], c["weights"], hashlib.sha256(data).digest())
    except Malformed:
        raise _bad("malformed claims") from None


def _payload(data: bytes) -> tuple[int, bytes]:
    """Count and root. It is the one text that there is of the two."""
    try:
        payload = parse_json(data)
        count: Any = payload.get("count")
        root = unbase64url(payload.get("root"), 32)
        if is_int(count) and data == b'{"count":%d,"root":"%s"}' % (count, base64url(root).encode()):
            return count, root
    except Malformed:
        pass
    raise _invalid("the JWS has another payload than a count and a root")


def _climb(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes | None:
    """The root that `path` leads to from leaf `index` of `count` (RFC 9162 2.1.3.2); None: no such path."""
    node, rest = leaf, list(path)
    while count > 1:
        if index ^ 1 < count:
            if not rest:
                return None
            other = rest.pop(0)
            node = sha256(b"\1", other, node) if index & 1 else sha256(b"\1", node, other)
        count, index = (count + 1) // 2, index // 2
    return None if rest else node


def _check_signature(receipt: _Receipt, key: bytes) -> None:
    parts = receipt.jws.split(".")
    try:
        header, payload, signature = (unbase64url(part) for part in parts)
    except (Malformed, ValueError):
        raise _invalid("the signature is no compact JWS") from None
    if header != _JWS_HEADER:
        raise _invalid("the JWS has another header")
    if len(signature) != 64 or not ed25519_verify(key, signature, f"{parts[0]}.{parts[1]}".encode("ascii")):
        raise _invalid("the signature is not of the lease's receipt key")
    count, root = _payload(payload)
    if not 0 < count <= BATCH_MAX or receipt.index >= count:
        raise _invalid("the index is not in the batch")
    node = _climb(sha256(b"\0", receipt.claims), receipt.index, count, receipt.path)
    if node is None or not hmac.compare_digest(node, root):
        raise _invalid("the claims are not in the signed batch")


def _check_lease(lease: Lease, claims: Claims, of: Report) -> None:
    if lease.instance.hex() != claims.instance:
        raise TfaasError("receipt_lease", "receipt: its lease is of another instance")
    if not lease.not_before - SKEW_S <= claims.issued_at <= lease.not_after + SKEW_S:
        raise TfaasError("receipt_lease", "receipt: issued outside its lease's times")
    if of.weights.hex() != claims.weights:
        raise _invalid("metered with other weights than the attested core's")


def verify_receipt(text: str, of: Report, expected: Expected | None = None) -> Claims:
    """Is it of a core that this verification covers, and about this call? The lease's times are compared with the
    receipt's own time only."""
    if of.error is not None:
        raise TfaasError(of.error.code, "receipt: there is no evidence that holds")
    receipt = _read(text)
    claims = _read_claims(receipt.claims)
    try:
        lease = verify_lease(receipt.lease, of)
    except TfaasError as error:
        raise TfaasError("receipt_lease", f"receipt: {error.args[0]}") from None
    _check_signature(receipt, lease.receipt_key)
    _check_lease(lease, claims, of)
    if expected is not None:
        _check_expected(claims, expected)
    return claims


def _check_expected(claims: Claims, expected: Expected) -> None:
    if claims.function != expected.function:
        raise TfaasError("function_mismatch", f'receipt: of "{claims.function}"')
    if expected.package is not None and claims.package != expected.package:
        raise TfaasError("package_mismatch", f"receipt: of package {claims.package}")
    if not hmac.compare_digest(claims.request_hash, expected.request_hash):
        raise TfaasError("receipt_mismatch", "receipt: of another request")
    if not hmac.compare_digest(claims.response_hash, expected.response_hash):
        raise TfaasError("receipt_mismatch", "receipt: of another response")


def check_sequences(claims: Iterable[Claims]) -> list[Claims]:
    """Sorts verified claims by instance and number. receipt_duplicate: a copied core; receipt_gap: one that was never
    handed out, or is not among these."""
    ordered = sorted(claims, key=lambda one: (one.instance, one.sequence))
    gap = None
    for a, b in zip(ordered, ordered[1:]):
        if a.instance != b.instance:
            continue
        if a.sequence == b.sequence and a.digest != b.digest:
            raise TfaasError("receipt_duplicate", f"instance {a.instance} has two receipts with number {a.sequence}")
        if b.sequence > a.sequence + 1 and gap is None:
            gap = TfaasError("receipt_gap", f"instance {a.instance}: nothing between {a.sequence} and {b.sequence}")
    if gap is not None:
        raise gap
    return ordered
