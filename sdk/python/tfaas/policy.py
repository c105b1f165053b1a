"""What a client accepts: the JSON document of libtfaas (docs/client.md), read strictly. There is no way to accept debug
launches, and a policy without "cores" accepts none."""
from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any, Mapping

from .errors import Malformed, TfaasError
from .evidence.tcb import STATUSES
from .wire import is_hex, is_int, parse_json

SIZE_MAX, LIST_MAX, ADVISORY_SIZE = 256 << 10, 64, 32
AGE_DEFAULT_S, AGE_MAX_S = 4200, 10 * 366 * 86400
_GENERATIONS = ("Milan", "Genoa", "Turin")
_SVNS = ("fmc", "boot_loader", "tee", "snp", "microcode")


@dataclass(frozen=True)
class Td:
    mr_td: bytes
    rt_mrs: tuple[bytes | None, ...]  #: None: any


@dataclass(frozen=True)
class Policy:
    cores: tuple[bytes, ...] = ()
    allow_simulated: bool = False
    platforms: tuple[bytes, ...] = ()  #: empty: any machine
    maximum_age_s: int = AGE_DEFAULT_S
    tcb_statuses: tuple[str, ...] = ("UpToDate",)
    advisories: tuple[str, ...] = ()
    enclaves: tuple[bytes, ...] | None = None  #: None: no SGX
    tds: tuple[Td, ...] | None = None  #: None: no TDX
    launches: tuple[bytes, ...] | None = None  #: None: no SEV-SNP
    minimum_tcb: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def _invalid(name: str, what: str) -> TfaasError:
    return TfaasError("policy_invalid", f'"{name}" {what}')


def _known(value: Any, name: str, *members: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(name, "is not an object")
    for member in value:
        if member not in members:
            nearest = (difflib.get_close_matches(str(member), members, 1, 0) or [""])[0]
            raise _invalid(str(member), f'is no member here; the nearest is "{nearest}"')
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise _invalid(name, "is not an array")
    if len(value) > LIST_MAX:
        raise _invalid(name, f"has more than {LIST_MAX} entries")
    return value


def _hex_list(value: Any, name: str, size: int) -> tuple[bytes, ...]:
    found = _list(value, name)
    if not all(is_hex(one, size) for one in found):
        raise _invalid(name, f"wants strings of {2 * size} lower-case hex digits")
    return tuple(bytes.fromhex(one) for one in found)


def _platforms(value: Any) -> tuple[bytes, ...]:
    found = _list(value, "platforms")
    if not all(isinstance(one, str) and 8 <= len(one) // 2 <= 64 and is_hex(one, len(one) // 2) for one in found):
        raise _invalid("platforms", "wants platform ids in lower-case hex, 8 to 64 bytes")
    return tuple(bytes.fromhex(one) for one in found)


def _intel_tcb(value: Any) -> dict[str, Any]:
    value = _known(value, "intel_tcb", "statuses", "advisories")
    if not isinstance(value.get("statuses"), list):
        raise _invalid("intel_tcb", 'needs an array of "statuses"')
    statuses, advisories = _list(value["statuses"], "statuses"), _list(value.get("advisories", []), "advisories")
    if not all(one in STATUSES for one in statuses):
        raise _invalid("statuses", "wants TCB statuses that can be accepted, as Intel has them: " + ", ".join(STATUSES))
    if not all(isinstance(one, str) and 0 < len(one.encode()) < ADVISORY_SIZE for one in advisories):
        raise _invalid("advisories", 'wants names such as "INTEL-SA-00615"')
    return {"tcb_statuses": tuple(statuses), "advisories": tuple(advisories)}


def _td(value: Any) -> Td:
    value = _known(value, "domains", "mrtd", "rtmrs")
    if not is_hex(value.get("mrtd"), 48):
        raise _invalid("domains", 'needs an "mrtd" of 96 lower-case hex digits')
    rt_mrs = value.get("rtmrs")
    if not isinstance(rt_mrs, list) or len(rt_mrs) != 4:
        raise _invalid("domains", 'needs four "rtmrs" (null: any, so say it)')
    if not all(one is None or is_hex(one, 48) for one in rt_mrs):
        raise _invalid("rtmrs", "wants 96 lower-case hex digits each, or null")
    return Td(bytes.fromhex(value["mrtd"]), tuple(one if one is None else bytes.fromhex(one) for one in rt_mrs))


def _minimum_tcb(value: Any) -> dict[str, dict[str, int]]:
    found = {}
    for generation, svns in _known(value, "minimum_tcb", *_GENERATIONS).items():
        svns = _known(svns, generation, *_SVNS)
        needed = _SVNS if generation == "Turin" or "fmc" in svns else _SVNS[1:]
        if not all(is_int(svns.get(name), 0, 255) for name in needed):
            raise _invalid(generation, "needs boot_loader, tee, snp, microcode (and fmc on Turin), 0..255 each")
        found[generation] = {name: svns.get(name, 0) for name in _SVNS}
    return found


def _read(root: dict[str, Any]) -> Policy:
    root = _known(root, "policy", "version", "cores", "allow_simulated", "platforms", "maximum_age_s", "intel_tcb",
                  "sgx", "tdx", "snp")
    if not is_int(root.get("version"), 1, 1):
        raise _invalid("version", "is not 1")
    if not isinstance(root.get("allow_simulated", False), bool):
        raise _invalid("allow_simulated", "is neither true nor false")
    if not is_int(root.get("maximum_age_s", AGE_DEFAULT_S), 1, AGE_MAX_S):
        raise _invalid("maximum_age_s", "is not a number of seconds up to ten years")
    members: dict[str, Any] = {
        "cores": _hex_list(root.get("cores", []), "cores", 48), "allow_simulated": root.get("allow_simulated", False),
        "platforms": _platforms(root.get("platforms", [])), "maximum_age_s": root.get("maximum_age_s", AGE_DEFAULT_S),
    }
    if "intel_tcb" in root:
        members.update(_intel_tcb(root["intel_tcb"]))
    if "sgx" in root:
        members["enclaves"] = _hex_list(_known(root["sgx"], "sgx", "enclaves").get("enclaves", []), "enclaves", 32)
    if "tdx" in root:
        domains = _known(root["tdx"], "tdx", "domains").get("domains")
        members["tds"] = tuple(_td(one) for one in _list(domains, "domains"))
    if "snp" in root:
        snp = _known(root["snp"], "snp", "launches", "minimum_tcb")
        members["launches"] = _hex_list(snp.get("launches", []), "launches", 48)
        members["minimum_tcb"] = _minimum_tcb(snp.get("minimum_tcb"))
    return Policy(**members)


#: The policy without a policy: safe, so it accepts no core at all.
DEFAULT = ('{"version": 1, "cores": [], "sgx": {"enclaves": []}, "tdx": {"domains": []}, '
           '"snp": {"launches": [], "minimum_tcb": {}}}')


def read_policy(policy: str | bytes | Mapping[str, Any] | Policy | None = None) -> Policy:
    """From JSON text, or from what it holds. TfaasError policy_invalid names the member."""
    if isinstance(policy, Policy):
        return policy
    if policy is None:
        policy = DEFAULT
    if isinstance(policy, (str, bytes)):
        if len(policy) > SIZE_MAX:
            raise TfaasError("policy_invalid", "larger than 256 KiB")
        try:
            policy = parse_json(policy, "policy")
        except Malformed as error:
            raise TfaasError("policy_invalid", str(error)) from None
    return _read(dict(policy))
