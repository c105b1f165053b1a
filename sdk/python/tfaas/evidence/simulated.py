"""Evidence of the software root (common/simulated.h): for development. It proves nothing, whoever runs the host holds
the key; every policy that does not say otherwise refuses it."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass

from .. import cbor
from ..crypto import ed25519_verify
from ..errors import Malformed
from ..statement import NotSigned, read_fields

SIZE_MAX = 320


@dataclass(frozen=True)
class Simulated:
    measurement: bytes
    report_data: bytes
    issued_at: int
    platform_id: bytes


def read_simulated(data: bytes) -> Simulated:
    what = "simulated evidence"
    if len(data) > SIZE_MAX:
        raise Malformed(f"{what}: too large")
    measurement, report_data, at, key, signature = read_fields(data, what, "tfaas-simulated-v1", [
        ("measurement", bytes, 48, 48), ("report_data", bytes, 64, 64), ("issued_at", int), ("root key", bytes, 32, 32),
        ("signature", bytes, 64, 64)])
    signed = cbor.encode({1: "tfaas-simulated-v1", 2: measurement, 3: report_data, 4: at, 5: key})
    if not ed25519_verify(key, signature, signed):
        raise NotSigned(f"{what}: not signed by the key that it names")
    return Simulated(measurement, report_data, at, hashlib.sha256(key).digest())
