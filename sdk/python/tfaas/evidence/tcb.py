"""How patched an Intel platform is: quoting enclave against QE identity, platform SVNs against TCB info, TDX module
against its identity, one status out of them. The rules are Intel's (PCS API v4 "TCB info", QVL). A statement that is
malformed anywhere is refused whole."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Malformed
from ..wire import is_int, unhex_any_case
from .collateral import Collateral, iso_date
from .der import Rejection

if TYPE_CHECKING:
    from . import Appraisal
    from .dcap import Pck, Quote, TdReport

LEVELS_MAX, ADVISORIES_MAX, ADVISORY_SIZE = 128, 64, 32
PLATFORM, QE, MODULE = "platform", "QE", "module"
_EVERYWHERE = ("UpToDate", "OutOfDate", "Revoked")
#: Which words may stand where (QVL refuses others).
_WORDS = {
    PLATFORM: (*_EVERYWHERE, "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
               "OutOfDateConfigurationNeeded"),
    QE: (*_EVERYWHERE, "ConfigurationNeeded", "OutOfDateConfigurationNeeded"),
    MODULE: _EVERYWHERE,
}
#: Every status that a policy may take; "Revoked" never is, "Unknown" is without collateral.
STATUSES = ("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
            "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded")


@dataclass
class Level:
    svn: int  # PCE SVN, or ISV SVN of a QE or module
    status: str
    date: int
    advisories: list[str]
    sgx: list[int]
    tdx: list[int]


@dataclass
class Platform:
    place: str
    svn: int
    sgx: list[int]
    tdx: bytes | None = None  # None for SGX

    def meets(self, level: Level) -> bool:
        if self.svn < level.svn:
            return False
        if self.place != PLATFORM:
            return True
        # A module version above 0 leaves the module's own two SVNs to its identity.
        start = 2 if self.tdx and self.tdx[1] > 0 else 0
        return (all(have >= need for have, need in zip(self.sgx, level.sgx)) and
                (self.tdx is None or all(have >= need for have, need in zip(self.tdx[start:], level.tdx[start:]))))


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _components(value: Any) -> list[int] | None:
    if not isinstance(value, list) or len(value) != 16:
        return None
    svns = [_get(one, "svn") for one in value]
    return svns if all(is_int(svn, 0, 255) for svn in svns) else None


def _read_level(json: Any, place: str, tdx: bool) -> Level | None:
    tcb = _get(json, "tcb")
    svn, status, date = _get(tcb, "pcesvn" if place == PLATFORM else "isvsvn"), _get(json, "tcbStatus"), \
        iso_date(_get(json, "tcbDate"))
    advisories = _get(json, "advisoryIDs")
    advisories = [] if advisories is None else advisories
    sgx: list[int] | None = []
    more: list[int] | None = []
    if place == PLATFORM:
        sgx = _components(_get(tcb, "sgxtcbcomponents"))
        more = _components(_get(tcb, "tdxtcbcomponents")) if tdx else []
    if (not is_int(svn, 0, 0xffff) or status not in _WORDS[place] or date is None or sgx is None or more is None or
            not isinstance(advisories, list) or
            not all(isinstance(one, str) and 0 < len(one) < ADVISORY_SIZE for one in advisories)):
        return None
    return Level(svn, status, date, advisories, sgx, more)


def _find(levels: Any, platform: Platform, malformed: str) -> Level | None:
    """The highest level that the platform meets. Reads all of them: one that is malformed spoils the list."""
    if not isinstance(levels, list) or len(levels) > LEVELS_MAX:
        raise Rejection(malformed)
    found = None
    for json in levels:
        level = _read_level(json, platform.place, platform.tdx is not None)
        if level is None:
            raise Rejection(malformed)
        if platform.meets(level) and (found is None or
                                      (level.sgx, level.svn, level.tdx) > (found.sgx, found.svn, found.tdx)):
            found = level
    return found


def _hex(value: Any, key: str, size: int, malformed: str) -> bytes:
    try:
        return unhex_any_case(_get(value, key), size)
    except Malformed:
        raise Rejection(malformed) from None


def _converge(platform: str, component: str) -> str:
    """QVL's: a component (QE, module) can only pull a platform down by being out of date or revoked."""
    if component == "Revoked":
        return component
    if component != "OutOfDate":
        return platform
    if platform in ("UpToDate", "SWHardeningNeeded"):
        return "OutOfDate"
    if platform in ("ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded"):
        return "OutOfDateConfigurationNeeded"
    return platform


def _relaunch(launch: str, now: str) -> str:
    """TD report 1.5: launched out of date, the module patched since: a relaunch would do."""
    fresh = ("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded")
    if launch not in ("OutOfDate", "OutOfDateConfigurationNeeded") or now not in fresh:
        return launch
    return "TDRelaunchAdvisedConfigurationNeeded" if "Configuration" in launch + now else "TDRelaunchAdvised"


def _masked_equal(actual: bytes, expected: bytes, mask: bytes) -> bool:
    return all(a & m == e & m for a, e, m in zip(actual, expected, mask))


def _evaluation_number(statement: dict[str, Any], malformed: str) -> int:
    number = statement.get("tcbEvaluationDataNumber")
    if not is_int(number, 0, 0xffffffff):
        raise Rejection(malformed)
    return number  # type: ignore[return-value]


def _judge_qe(tee: str, identity: dict[str, Any], quote: Quote) -> Level:
    tdx, qe, bad = tee == "tdx", quote.qe_report, "QE Identity: malformed"
    version = identity.get("version")
    if identity.get("id") != ("TD_QE" if tdx else "QE") or not is_int(version, 2, 3 if tdx else 2):
        raise Rejection("QE Identity: of another kind of QE")
    misc, misc_mask = _hex(identity, "miscselect", 4, bad), _hex(identity, "miscselectMask", 4, bad)
    attributes, attributes_mask = _hex(identity, "attributes", 16, bad), _hex(identity, "attributesMask", 16, bad)
    signer, product = _hex(identity, "mrsigner", 32, bad), identity.get("isvprodid")
    if not is_int(product, 0, 0xffff):
        raise Rejection(bad)
    if qe.mr_signer != signer or qe.isv_prod_id != product:
        raise Rejection("QE does not match its identity (MRSIGNER or ISVPRODID)")
    if not _masked_equal(qe.misc_select, misc, misc_mask) or \
            not _masked_equal(qe.attributes, attributes, attributes_mask):
        raise Rejection("QE does not match its identity (MISCSELECT or ATTRIBUTES)")
    level = _find(identity.get("tcbLevels"), Platform(QE, qe.isv_svn, []), "QE Identity: malformed TCB levels")
    if level is None:
        raise Rejection("QE ISVSVN is below every level of its identity")
    return level


def _module_identity(tcb_info: dict[str, Any], tee_tcb_svn: bytes) -> dict[str, Any] | None:
    """Of the module's major version ("TDX_01"); None for version 0."""
    if tee_tcb_svn[1] == 0:
        return None
    name = f"TDX_{tee_tcb_svn[1]:02X}"
    identities = tcb_info.get("tdxModuleIdentities")
    for one in identities if isinstance(identities, list) else []:
        its = _get(one, "id")
        if isinstance(its, str) and its.upper() == name:
            return one  # type: ignore[no-any-return]
    raise Rejection(f"No TDX module identity {name} in TCB info")


def _judge_platform(tcb_info: dict[str, Any], pck: Pck, tee_tcb_svn: bytes | None) -> tuple[Level, Level | None]:
    platform = Platform(PLATFORM, pck.pce_svn, pck.component_svn, tee_tcb_svn)
    level = _find(tcb_info.get("tcbLevels"), platform, "TCBInfo: malformed TCB levels")
    if level is None:
        raise Rejection("No matching TCB level found")
    identity = _module_identity(tcb_info, tee_tcb_svn) if tee_tcb_svn else None
    if identity is None or tee_tcb_svn is None:
        return level, None
    module = _find(identity.get("tcbLevels"), Platform(MODULE, tee_tcb_svn[0], []),
                   "TCBInfo: malformed TDX module levels")
    if module is None:
        raise Rejection("TDX module ISVSVN is below every level of its identity")
    level.status = _converge(level.status, module.status)
    level.date = min(level.date, module.date)
    return level, module


def _judge_module(tcb_info: dict[str, Any], td: TdReport) -> None:
    """Who signed the TDX module, and its attributes."""
    if not isinstance(tcb_info.get("tdxModule"), dict):
        raise Rejection("TCBInfo: no tdxModule")
    identity = _module_identity(tcb_info, td.tee_tcb_svn) or tcb_info["tdxModule"]
    bad = "TCBInfo: malformed TDX module identity"
    signer, attributes = _hex(identity, "mrsigner", 48, bad), _hex(identity, "attributes", 8, bad)
    mask = _hex(identity, "attributesMask", 8, bad)
    if td.mr_signer_seam != signer:
        raise Rejection("TDX module MRSIGNER mismatch")
    if any(a & ~m & 0xff for a, m in zip(td.seam_attributes, mask)) or \
            not _masked_equal(td.seam_attributes, attributes, mask):
        raise Rejection("TDX module SEAMATTRIBUTES mismatch")


def _applies(tee: str, tcb_info: dict[str, Any], pck: Pck) -> None:
    version, kind = tcb_info.get("version"), tcb_info.get("tcbType")
    if tcb_info.get("id") != tee.upper() or not is_int(version, 3, 3) or not is_int(kind, 0, 0):
        raise Rejection("TCBInfo: of another TEE or version")
    bad = "TCBInfo: malformed"
    fmspc, pce_id = _hex(tcb_info, "fmspc", 6, bad), _hex(tcb_info, "pceId", 2, bad)
    if fmspc != pck.fmspc:
        raise Rejection("Fmspc mismatch")
    if pce_id != pck.pce_id:
        raise Rejection("PCE id mismatch")


def judge(tee: str, collateral: Collateral, quote: Quote, pck: Pck, td: TdReport | None, out: Appraisal) -> None:
    info, identity = collateral.tcb_info, collateral.qe_identity
    _applies(tee, info, pck)
    numbers = [_evaluation_number(info, "TCBInfo: malformed"), _evaluation_number(identity, "QE Identity: malformed")]
    qe = _judge_qe(tee, identity, quote)
    launch, module = _judge_platform(info, pck, td.tee_tcb_svn if td else None)
    if td:
        _judge_module(info, td)
    status = _converge(launch.status, qe.status)
    if td and td.tee_tcb_svn2 is not None and status != "Revoked":
        now = _converge(_judge_platform(info, pck, td.tee_tcb_svn2)[0].status, qe.status)
        status = "Revoked" if now == "Revoked" else _relaunch(status, now)
    if status == "Revoked":
        raise Rejection("TCB status is invalid: Revoked")
    found = list(dict.fromkeys(one for level in (launch, module, qe) if level for one in level.advisories))
    if len(found) > ADVISORIES_MAX:
        raise Rejection(f"more than {ADVISORIES_MAX} advisories")
    out.tcb_status, out.advisory_ids = status, found
    out.tcb_date_unix, out.tcb_evaluation_data_number = min(launch.date, qe.date), min(numbers)
