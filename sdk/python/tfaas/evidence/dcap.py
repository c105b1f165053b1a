"""DCAP quotes of SGX (version 3) and TDX (versions 4 and 5; report bodies 1.0 and 1.5): layout (Intel SGX ECDSA
QuoteLib Reference A.4, TDX DCAP Quoting Library API A.3), and the line of signatures
root > PCK CA > PCK certificate > QE report > attestation key > header and body."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable

from ..crypto import ecdsa_verify, sha256
from ..errors import Malformed
from ..wire import Cursor, is_zero
from . import tcb
from .collateral import Collateral
from .der import ENUMERATED, SEQUENCE, Der, Rejection
from .x509 import DIGITAL_SIGNATURE, Certificate, find_path, p256_key, pem_certificates, verify_path

if TYPE_CHECKING:
    from . import Appraisal, Evidence, Roots

HEADER_SIZE, SGX_BODY, TD_1_0, TD_1_5 = 48, 384, 584, 648
_TEE_TYPE = {"sgx": 0x00, "tdx": 0x81}
_KEY_P256, _CERT_PEM, _CERT_QE_REPORT = 2, 5, 6
_QE_VENDOR = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_OID_SGX = "2a864886f84d010d01"  # 1.2.840.113741.1.13.1
#: MRSIGNER and product of Intel's quoting enclaves, for evidence without a QE identity.
_QE_SIGNER = {"sgx": ("8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff", 1),
              "tdx": ("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5", 2)}


class SgxReport:
    """SGX report body (Intel SDM volume 3D, table 39-21)."""

    def __init__(self, data: bytes) -> None:
        c = Cursor(data, "quote")
        self.cpu_svn, self.misc_select = c.take(16), c.take(4)
        c.take(12)
        self.isv_ext_prod_id, self.attributes, self.mr_enclave = c.take(16), c.take(16), c.take(32)
        c.take(32)
        self.mr_signer = c.take(32)
        c.take(32)
        self.config_id = c.take(64)
        self.isv_prod_id, self.isv_svn, self.config_svn = c.le(2), c.le(2), c.le(2)
        c.take(42)
        self.isv_family_id, self.report_data = c.take(16), c.take(64)


class TdReport:
    def __init__(self, data: bytes) -> None:
        c = Cursor(data, "quote")
        self.tee_tcb_svn, self.mr_seam, self.mr_signer_seam = c.take(16), c.take(48), c.take(48)
        self.seam_attributes, self.td_attributes, self.xfam = c.take(8), c.take(8), c.take(8)
        self.mr_td, self.mr_config_id, self.mr_owner, self.mr_owner_config = (c.take(48) for _ in range(4))
        self.rt_mrs = [c.take(48) for _ in range(4)]
        self.report_data = c.take(64)
        self.tee_tcb_svn2 = c.take(16) if c.left else None
        self.mr_service_td = c.take(48) if c.left else bytes(48)


@dataclass
class Quote:
    version: int
    body: bytes
    signed: bytes
    tail: bytes
    signature: bytes
    attestation_key: bytes
    qe_report_bytes: bytes
    qe_signature: bytes
    qe_auth: bytes
    pck_chain: bytes
    qe_report: SgxReport


@dataclass
class Pck:
    """What the SGX extension of a PCK certificate says (Intel PCK Certificate and CRL Profile, 1.3.5)."""

    component_svn: list[int] = field(default_factory=lambda: [0] * 16)
    pce_svn: int = 0
    cpu_svn: bytes = b""
    ppid: bytes = b""
    pce_id: bytes = b""
    fmspc: bytes = b""


def _layout(quote: bytes, tee: str) -> tuple[int, int, int]:
    """(version, bytes before the body, bytes of the body)"""
    c = Cursor(quote, "quote")
    version = c.le(2)
    if (tee, version) == ("sgx", 3):
        return version, 0, SGX_BODY
    if (tee, version) == ("tdx", 4):
        return version, 0, TD_1_0
    if (tee, version) != ("tdx", 5):
        raise Rejection(f"quote: version {version}")
    c.take(HEADER_SIZE - 2)
    kind, size = c.le(2), c.le(4)
    if size != {2: TD_1_0, 3: TD_1_5}.get(kind):
        raise Rejection(f"quote: body type {kind} of {size} bytes")
    return version, 6, size


def parse_quote(quote: bytes, tee: str) -> Quote:
    version, skip, size = _layout(quote, tee)
    c = Cursor(quote, "quote")
    c.take(2)
    key_type, tee_type = c.le(2), c.le(4)
    c.take(4)
    vendor = c.take(16)
    c.take(20)
    body = c.take(skip + size)[skip:]
    data = c.take(c.le(4))
    if key_type != _KEY_P256:
        raise Rejection(f"quote: attestation key type {key_type}")
    if tee_type != _TEE_TYPE[tee]:
        raise Rejection(f"quote: it is of another TEE (0x{tee_type:x})")
    if vendor != _QE_VENDOR:
        raise Rejection("quote: unknown QE vendor")
    return Quote(version, body, quote[:HEADER_SIZE + skip + size], c.rest(), *_signature_data(version, data))


def _signature_data(version: int, data: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes, SgxReport]:
    c = Cursor(data, "quote: the signature data has the wrong length")
    signature, key = c.take(64), c.take(64)
    if version >= 4:
        if c.le(2) != _CERT_QE_REPORT:
            raise Rejection("quote: certification data is not a QE report")
        inner = c.take(c.le(4))
        c.end()
        c = Cursor(inner, c.what)
    report, report_signature = c.take(SGX_BODY), c.take(64)
    auth = c.take(c.le(2))
    kind = c.le(2)
    chain = c.take(c.le(4))
    c.end()
    if kind != _CERT_PEM:
        raise Rejection(f"quote: no PCK certificate chain inside (type {kind})")
    return signature, key, report, report_signature, auth, chain, SgxReport(report)


# --- the PCK certificate ---

def _entries(listed: Der, prefix: str, take: Callable[[int, Der], bool]) -> set[int]:
    """SEQUENCE OF SEQUENCE { OID, value }: take(last part of the OID, its value's reader); False: not looked at."""
    seen: set[int] = set()
    while listed.more:
        entry = listed.enter(SEQUENCE)
        oid = entry.oid()
        if not oid.startswith(prefix) or len(oid) != len(prefix) + 2 or int(oid[-2:], 16) in seen:
            raise listed.bad()
        last = int(oid[-2:], 16)
        seen.add(last)
        if take(last, entry):
            entry.end()
    return seen


def _pck_tcb(listed: Der, pck: Pck) -> None:
    def take(last: int, value: Der) -> bool:
        if last == 18:
            pck.cpu_svn = value.octets(16)
            return True
        number = value.uint()
        if not 1 <= last <= 17 or number > (0xffff if last == 17 else 0xff):
            raise listed.bad()
        if last == 17:
            pck.pce_svn = number
        else:
            pck.component_svn[last - 1] = number
        return True

    if len(_entries(listed, _OID_SGX + "02", take)) != 18:
        raise listed.bad()
    # Today each component is a byte of CPU SVN. Should they ever differ, the lower one counts.
    pck.component_svn = [min(pair) for pair in zip(pck.component_svn, pck.cpu_svn)]


def _pck_extension(certificate: Certificate) -> Pck:
    outer = Der(certificate.extensions[_OID_SGX], "PCK certificate: SGX extension")
    listed = outer.enter(SEQUENCE)
    outer.end()
    pck = Pck()

    def take(last: int, value: Der) -> bool:
        if last == 1:
            pck.ppid = value.octets(16)
        elif last == 2:
            _pck_tcb(value.enter(SEQUENCE), pck)
        elif last == 3:
            pck.pce_id = value.octets(2)
        elif last == 4:
            pck.fmspc = value.octets(6)
        elif last == 5:
            value.uint(ENUMERATED)
        elif last == 6:
            value.octets(16)
        else:
            return False
        return True

    if not {1, 2, 3, 4, 5} <= _entries(listed, _OID_SGX, take):
        raise listed.bad()
    return pck


def _find_pck(chain: list[Certificate]) -> Certificate:
    found = [one for one in chain if _OID_SGX in one.extensions]
    if len(found) != 1:
        raise Rejection(f"PCK chain: {'two PCK certificates' if found else 'no PCK certificate'}")
    return found[0]


def _pck_identity(pck: Certificate) -> None:
    if pck.issuer_name not in ("Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"):
        raise Rejection("PCK certificate: not of a PCK CA")
    if pck.subject_name != "Intel SGX PCK Certificate":
        raise Rejection("PCK certificate: another certificate's name")
    if pck.is_ca or not pck.may(DIGITAL_SIGNATURE):
        raise Rejection("PCK certificate: not for signing")


def _signatures(quote: Quote, pck: Certificate) -> None:
    """PCK key > QE report > attestation key > body."""
    if not ecdsa_verify(pck.key, quote.qe_signature, quote.qe_report_bytes):
        raise Rejection("Signature is invalid for qe_report in quote")
    if quote.qe_report.report_data != sha256(quote.attestation_key, quote.qe_auth) + bytes(32):
        raise Rejection("QE report hash mismatch")
    if quote.qe_report.attributes[0] & 2:
        raise Rejection("QE is a debug enclave")
    key = p256_key(quote.attestation_key)
    if key is None or not ecdsa_verify(key, quote.signature, quote.signed):
        raise Rejection("Quote signature is invalid")


def _verify(quote: Quote, td: TdReport | None, evidence: Evidence, roots: Roots, out: Appraisal) -> None:
    root, at, tee = roots.intel, evidence.at_unix, evidence.tee
    collateral = None if evidence.collateral is None else Collateral(evidence.collateral)
    if collateral:
        collateral.check(root, at)
    chain = pem_certificates(quote.pck_chain, "PCK chain")
    pck = _find_pck(chain)
    path = find_path(pck, chain, root, 3, "PCK chain")
    out.expires_unix = verify_path(path, root, at, "PCK chain")
    if collateral:
        collateral.check_revocation(path, root, at)
        out.expires_unix = min(out.expires_unix, collateral.ends)
    _pck_identity(pck)
    extension = _pck_extension(pck)
    out.platform_id = b"" if is_zero(extension.ppid) else extension.ppid
    out.fields.update(fmspc=extension.fmspc.hex(), pce_id=extension.pce_id.hex())
    _signatures(quote, pck)
    if collateral:
        tcb.judge(tee, collateral, quote, extension, td, out)
        return
    signer, product = _QE_SIGNER[tee]
    if quote.qe_report.mr_signer.hex() != signer or quote.qe_report.isv_prod_id != product:
        raise Rejection("QE is not Intel's")
    out.tcb_status = "Unknown"


def _no_tail(quote: Quote) -> None:
    if not is_zero(quote.tail):
        raise Rejection("quote: bytes behind the signature data")


def _parse(evidence: Evidence) -> Quote:
    try:
        return parse_quote(evidence.quote, evidence.tee)
    except Malformed as error:
        text = str(error)
        raise Rejection(text.rsplit(":", 1)[0] if "wrong length" in text else text) from None


def appraise_sgx(evidence: Evidence, roots: Roots, out: Appraisal) -> None:
    if evidence.hcl is not None:
        raise Rejection("an HCL report does not go with SGX")
    quote = _parse(evidence)
    report = SgxReport(quote.body)
    out.format_version, out.measurement, out.report_data = quote.version, report.mr_enclave, report.report_data
    out.svn, out.debug = report.isv_svn, bool(report.attributes[0] & 2)
    out.fields = {
        "mr_enclave": report.mr_enclave.hex(), "mr_signer": report.mr_signer.hex(),
        "report_data": report.report_data.hex(), "attributes": report.attributes.hex(), "cpu_svn": report.cpu_svn.hex(),
        "isv_prod_id": report.isv_prod_id, "isv_svn": report.isv_svn, "misc_select": report.misc_select.hex(),
        "debug": out.debug,
    }
    _verify(quote, None, evidence, roots, out)
    if out.debug:
        raise Rejection("Debug mode is enabled")
    if not report.attributes[0] & 1:
        raise Rejection("the enclave was not initialised")
    _no_tail(quote)


def _bits(first: int, last: int) -> int:
    return (1 << last + 1) - (1 << first)


#: TD ATTRIBUTES (Intel TDX Module ABI Specification, table "ATTRIBUTES") that refuse.
_TD_RULES = (
    (_bits(0, 0), "Debug mode is enabled"),
    (_bits(4, 6), "TD profiling is enabled"),
    (_bits(1, 3) | _bits(7, 15) | _bits(23, 26) | _bits(32, 61), "Reserved bits in TD attributes are set"),
    (_bits(29, 29), "TD migration is enabled"),
    (_bits(17, 17), "SERVTD_EXT is enabled"),
)
_SEPT_VE_DISABLE = _bits(28, 28)


def _attributes_allowed(td: TdReport) -> None:
    if not is_zero(td.mr_service_td):
        raise Rejection("Invalid MR service TD")
    bits = int.from_bytes(td.td_attributes, "little")
    for mask, why in _TD_RULES:
        if bits & mask:
            raise Rejection(why)
    if not bits & _SEPT_VE_DISABLE:
        raise Rejection("SEPT_VE_DISABLE is not enabled")


def appraise_tdx(evidence: Evidence, roots: Roots, out: Appraisal) -> None:
    quote = _parse(evidence)
    td = TdReport(quote.body)
    out.format_version, out.measurement, out.report_data = quote.version, td.mr_td, td.report_data
    out.debug, out.rt_mrs = bool(td.td_attributes[0] & 1), td.rt_mrs
    names = ("mr_td", "mr_config_id", "mr_owner", "mr_owner_config", "mr_seam", "mr_signer_seam", "seam_attributes",
             "td_attributes", "tee_tcb_svn", "xfam", "report_data")
    out.fields = {name: getattr(td, name).hex() for name in names}
    out.fields.update({f"rt_mr{i}": value.hex() for i, value in enumerate(td.rt_mrs)})
    if td.tee_tcb_svn2 is not None:
        out.fields.update(tee_tcb_svn2=td.tee_tcb_svn2.hex(), mr_service_td=td.mr_service_td.hex())
    if evidence.hcl is not None:
        from .hcl import check_hcl
        check_hcl(evidence, None, out)
    _verify(quote, td, evidence, roots, out)
    _attributes_allowed(td)
    _no_tail(quote)
