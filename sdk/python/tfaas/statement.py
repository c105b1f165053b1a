"""Key statements, domain statements, leases, and the envelopes that sign them (common/statement.h)."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, TypeVar

from . import cbor
from .crypto import ed25519_verify
from .errors import Malformed

LEASES_MAX, LEASE_SIZE_MAX, DOMAIN_MAX, VERSION_MAX, CONFIGURATION_MAX = 64, 512, 63, 64, 64
NONCE_MIN, NONCE_MAX = 8, 64


class NotSigned(ValueError):
    """The signature is not of the key it should be of."""


@dataclass(frozen=True)
class KeyStatement:
    identity: bytes
    epoch: int
    not_before: int
    not_after: int
    version: str
    weights: bytes
    measurement: bytes
    key_life_s: int
    lease_life_s: int
    replay_window_s: int
    requests_per_key: int
    nonce: bytes = b""


@dataclass(frozen=True)
class Lease:
    domain: str
    instance: bytes
    number: int
    not_before: int
    not_after: int
    key_configuration: bytes
    receipt_key: bytes
    measurement: bytes
    requests_max: int


@dataclass(frozen=True)
class DomainStatement:
    domain: str
    serial: int
    not_before: int
    not_after: int
    sealing_key: bytes
    leases: tuple[bytes, ...] = field(default=())


S = TypeVar("S", KeyStatement, Lease, DomainStatement)


def read_fields(data: bytes, what: str, label: str, kinds: list[tuple[Any, ...]], optional: int = 0) -> list[Any]:
    """The map { 1: label, 2: ..., 3: ... }: each value checked against its kind, the last `optional` may be missing."""
    try:
        found = cbor.decode(data)
    except Malformed:
        found = None
    most = len(kinds) + 1
    if not isinstance(found, dict) or not set(range(1, most - optional + 1)) <= set(found) <= set(range(1, most + 1)):
        raise Malformed(f"{what}: not a deterministic CBOR map of its keys")
    if found[1] != label:
        raise Malformed(f"{what}: label")
    values = []
    for number, (name, kind, *bounds) in enumerate(kinds, 2):
        if number in found:
            if not _fits(found[number], kind, bounds):
                raise Malformed(f"{what}: {name} is malformed or of another size")
            values.append(found[number])
    return values


def _fits(value: Any, kind: Any, bounds: list[int]) -> bool:
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is list:
        return isinstance(value, list) and len(value) <= bounds[2] and all(_fits(v, bytes, bounds[:2]) for v in value)
    if not isinstance(value, kind):
        return False
    size = len(value.encode("utf-8") if isinstance(value, str) else value)
    return bool(bounds[0] <= size <= bounds[1])


def _times(statement: S, what: str) -> S:
    if statement.not_before >= statement.not_after:
        raise Malformed(f"{what}: not_after is not after not_before")
    if statement.not_after >= 1 << 53:
        raise Malformed(f"{what}: not_after is no time")
    return statement


def read_key_statement(data: bytes) -> KeyStatement:
    what = "key statement"
    return _times(KeyStatement(*read_fields(data, what, "tfaas-key-v1", [
        ("identity", bytes, 32, 32), ("epoch", int), ("not_before", int), ("not_after", int),
        ("version", str, 1, VERSION_MAX), ("weights", bytes, 32, 32), ("measurement", bytes, 48, 48),
        ("key_life_s", int), ("lease_life_s", int), ("replay_window_s", int), ("requests_per_key", int),
        ("nonce", bytes, NONCE_MIN, NONCE_MAX)], optional=1)), what)


def read_lease(data: bytes) -> Lease:
    lease = Lease(*read_fields(data, "lease", "tfaas-lease-v1", [
        ("domain", str, 1, DOMAIN_MAX), ("instance", bytes, 16, 16), ("number", int), ("not_before", int),
        ("not_after", int), ("key_configuration", bytes, 1, CONFIGURATION_MAX), ("receipt_key", bytes, 32, 32),
        ("measurement", bytes, 48, 48), ("requests_max", int)]))
    if lease.number == 0:
        raise Malformed("lease: number is zero")
    return _times(lease, "lease")


def read_domain_statement(data: bytes) -> DomainStatement:
    what = "domain statement"
    domain, serial, begins, ends, key, leases = read_fields(data, what, "tfaas-domain-v1", [
        ("domain", str, 1, DOMAIN_MAX), ("serial", int), ("not_before", int), ("not_after", int),
        ("sealing_key", bytes, 32, 32), ("leases", list, 1, LEASE_SIZE_MAX, LEASES_MAX)])
    return _times(DomainStatement(domain, serial, begins, ends, key, tuple(leases)), what)


def open_envelope(envelope: bytes, key: bytes) -> bytes:
    """The statement that `key` (Ed25519) signed."""
    try:
        parts = cbor.decode(envelope)
    except Malformed:
        parts = None
    if not isinstance(parts, list) or [type(part) for part in parts] != [bytes, bytes] or len(parts[1]) != 64:
        raise Malformed("envelope: not [ statement, signature ]")
    statement: bytes = parts[0]
    signature: bytes = parts[1]
    if not ed25519_verify(key, signature, statement):
        raise NotSigned("envelope: the signature is not of this key")
    return statement


def key_statement_digest(statement: bytes) -> bytes:
    """What evidence holds as report_data."""
    return hashlib.sha512(b"tfaas-key-v1" + statement).digest()
