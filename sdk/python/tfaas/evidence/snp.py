"""AMD SEV-SNP attestation reports 2, 3 and 5 (AMD 56860 table 23) and the certificates of the keys that sign them (AMD
57230): VCEK of a chip, VLEK of a cloud provider, under the pinned ARK of Milan, Genoa or Turin."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..crypto import ecdsa_verify
from ..errors import Malformed
from ..wire import Cursor, is_zero
from .der import IA5_STRING, Der, Rejection
from .hcl import check_hcl
from .x509 import Certificate, RevocationList, certificate, find_path, pem_certificates, verify_path

if TYPE_CHECKING:
    from . import Appraisal, Evidence, Roots

REPORT_SIZE, SIGNED_SIZE = 1184, 0x2a0
_SMT, _ONE, _MIGRATE, _DEBUG, _SOCKET = (1 << bit for bit in range(16, 21))
_POLICY_KNOWN = (1 << 26) - 1
_OID_AMD = "2b060104019c7801"  # 1.3.6.1.4.1.3704.1
#: Which SVN extension (below .3) is which byte of a TCB_VERSION (56860 tables 3 and 4).
_TCB_BYTES = {"Milan": (1, 2, 4, 5, 6, 7, 3, 8), "Genoa": (1, 2, 4, 5, 6, 7, 3, 8), "Turin": (9, 1, 2, 3, 5, 6, 7, 8)}


class Report:
    def __init__(self, data: bytes) -> None:
        if len(data) != REPORT_SIZE:
            raise Rejection(f"report: {len(data)} bytes instead of {REPORT_SIZE}")
        c = Cursor(data, "report")
        self.version, self.guest_svn, self.policy = c.le(4), c.le(4), c.le(8)
        self.family_id, self.image_id, self.vmpl, self.algorithm = c.take(16), c.take(16), c.le(4), c.le(4)
        self.current_tcb, self.platform_info, self.flags = c.take(8), c.le(8), c.le(4)
        reserved = [c.take(4)]
        self.report_data, self.measurement, self.host_data = c.take(64), c.take(48), c.take(32)
        self.id_key_digest, self.author_key_digest = c.take(48), c.take(48)
        self.report_id, self.report_id_ma, self.reported_tcb = c.take(32), c.take(32), c.take(8)
        self.cpuid = c.take(3)
        reserved.append(c.take(21))
        self.chip_id, self.committed_tcb = c.take(64), c.take(8)
        for _ in range(2):  # build, minor, major: current, committed
            c.take(3)
            reserved.append(c.take(1))
        self.launch_tcb, mitigations = c.take(8), c.take(16)
        reserved.append(c.take(SIGNED_SIZE - c.at))
        self.r, self.s = c.take(72), c.take(72)
        reserved.append(c.rest())
        if self.version < 5:
            reserved.append(mitigations)
        if self.version < 3:
            reserved.append(self.cpuid)
        self.reserved_are_zero = all(is_zero(part) for part in reserved)
        self.signed = data[:SIGNED_SIZE]
        self.signer = self.flags >> 2 & 7  # 0: VCEK, 1: VLEK

    @property
    def is_vlek(self) -> bool:
        return self.signer == 1

    def check_form(self) -> None:
        """What no firmware writes into a report for a guest, or what this code cannot judge."""
        if self.version not in (2, 3, 5):
            raise Rejection(f"report: version {self.version}")
        if self.algorithm != 1:
            raise Rejection(f"report: signature algorithm {self.algorithm}")
        if self.vmpl > 3:
            raise Rejection(f"report: asked for by the host (VMPL 0x{self.vmpl:x})")
        if not self.policy & _ONE or self.policy & ~_POLICY_KNOWN:
            raise Rejection(f"report: policy 0x{self.policy:x}")
        if self.flags >> 5 or self.signer > 1:
            raise Rejection(f"report: not signed by a VCEK or VLEK (flags 0x{self.flags:x})")
        if not self.reserved_are_zero:
            raise Rejection("report: reserved bytes are set")

    def fields(self) -> dict[str, Any]:
        names = ("report_data", "measurement", "host_data", "id_key_digest", "author_key_digest", "report_id",
                 "report_id_ma", "chip_id", "family_id", "image_id", "current_tcb", "reported_tcb", "committed_tcb",
                 "launch_tcb")
        return {
            "version": self.version, "guest_svn": self.guest_svn, "policy": f"0x{self.policy:x}", "vmpl": self.vmpl,
            "debug_allowed": bool(self.policy & _DEBUG), "smt_allowed": bool(self.policy & _SMT),
            "migrate_ma": bool(self.policy & _MIGRATE), "single_socket": bool(self.policy & _SOCKET),
            "signature_algo": self.algorithm, "platform_info": f"0x{self.platform_info:x}",
            "flags": f"0x{self.flags:x}",
            "signing_key": "VLEK" if self.is_vlek else "VCEK", "cpuid_fam_mod_step": self.cpuid.hex(),
            **{name: getattr(self, name).hex() for name in names},
        }


def tcb_parts(data: bytes, generation: str) -> dict[str, int]:
    """SVNs of a TCB_VERSION by name."""
    if generation == "Turin":
        return dict(fmc=data[0], boot_loader=data[1], tee=data[2], snp=data[3], microcode=data[7])
    return dict(fmc=0, boot_loader=data[0], tee=data[1], snp=data[6], microcode=data[7])


# --- the certificate of the key ---

def _extension(vek: Certificate, *suffix: int) -> bytes | None:
    return vek.extensions.get(_OID_AMD + bytes(suffix).hex())


def _svn(vek: Certificate, *suffix: int) -> int:
    name = ".".join(map(str, suffix))
    value = _extension(vek, *suffix)
    if value is None:
        raise Rejection(f"VEK: no SVN {name} in its certificate")
    der = Der(value, f"VEK: no SVN {name} in its certificate")
    svn = der.uint()
    der.end()
    if svn > 255:
        raise der.bad()
    return svn


def _text(vek: Certificate, number: int, missing: str, malformed: str) -> str:
    value = _extension(vek, number)
    if value is None:
        raise Rejection(missing)
    der = Der(value, malformed)
    text = der.value(IA5_STRING)
    der.end()
    if not 0 < len(text) < 64 or any(not 0x20 <= byte <= 0x7e for byte in text):
        raise Rejection(malformed)
    return text.decode("ascii")


def _product_matches(vek: Certificate, generation: str) -> None:
    if _svn(vek, 1) > 1:
        raise Rejection("VEK: unknown structure version or no product name")
    product = _text(vek, 2, "VEK: unknown structure version or no product name",
                    f"VEK: its product is not {generation}")
    if product != generation and not product.startswith(generation + "-"):
        raise Rejection(f"VEK: its product is not {generation}")


def _processor_matches(report: Report, generation: str) -> None:
    """From version 3 on the report says which processor made it (CPUID family and model)."""
    if report.version < 3:
        return
    family, high = report.cpuid[0], report.cpuid[1] >> 4
    said = {(0x19, 0): "Milan", (0x19, 1): "Genoa", (0x19, 10): "Genoa", (0x1a, 0): "Turin", (0x1a, 1): "Turin"}
    if said.get((family, high)) != generation:
        raise Rejection("report: of a processor of another generation")


def _tcb_matches(vek: Certificate, report: Report, generation: str) -> None:
    """Byte by byte the TCB that the key was derived for is the TCB that the report tells."""
    for part, byte in zip(_TCB_BYTES[generation], report.reported_tcb):
        if _svn(vek, 3, part) != byte:
            raise Rejection("VEK is of another TCB than the report")


def _chip_matches(vek: Certificate, report: Report, generation: str) -> bytes:
    """The platform id; empty when the evidence names none."""
    size = 8 if generation == "Turin" else 64
    chip, rest = report.chip_id[:size], report.chip_id[size:]
    named = _extension(vek, 4)
    if report.is_vlek and named is not None:
        raise Rejection("VLEK: names a chip")
    if not report.is_vlek and (named is None or is_zero(named) or named != chip):
        raise Rejection("VCEK is of another chip than the report")
    if not is_zero(rest):
        raise Rejection("report: chip id is too long")
    return b"" if is_zero(chip) else chip


def _generation_of(vek: Certificate, report: Report, roots: Roots) -> tuple[str, Certificate]:
    kind, prefix = ("VLEK", "SEV-VLEK-") if report.is_vlek else ("VCEK", "SEV-")
    for generation, ark in roots.amd.items():
        if vek.issuer_name == prefix + generation and vek.subject_name == f"SEV-{kind}":
            return generation, ark
    raise Rejection(f"VEK: not the {kind} that the report names")


def _signature_holds(vek: Certificate, report: Report) -> None:
    if not is_zero(report.r[48:]) or not is_zero(report.s[48:]):
        raise Rejection("report: signature out of range")
    if not ecdsa_verify(vek.key, report.r[47::-1] + report.s[47::-1], report.signed):
        raise Rejection("report: signature is invalid")


def _key_certificate(data: bytes | None) -> Certificate:
    if data is None:
        raise Rejection("no VCEK or VLEK certificate")
    if not data.startswith(b"-----"):
        return certificate(data, "VEK")
    found = pem_certificates(data, "VEK")
    if len(found) != 1:
        raise Rejection("VEK: not one certificate")
    return found[0]


def _bundle(data: bytes | None, vek: Certificate, ark: Certificate, at: int) -> tuple[list[Certificate], int]:
    """The key's CA and, if at all, the pinned ARK; revocation lists, where there are any, are the ARK's and clear
    all of them. With the earliest end of a list."""
    if data is None:
        raise Rejection("no CA bundle")
    lists: list[RevocationList] = []
    try:
        found = pem_certificates(data, "CA bundle", lists)
    except Rejection as error:
        if "malformed" in str(error):
            raise Rejection("CA bundle: not a list of PEM certificates") from None
        raise
    if any((one.subject, one.issuer) != (vek.issuer, ark.subject) and one.raw != ark.raw for one in found):
        raise Rejection("CA bundle: holds another CA than the key's and the pinned ARK")
    for one in lists:
        one.check(ark, at, usage=False)
        for each in found:
            one.refuse(each)
    return found, min((one.next_update for one in lists), default=1 << 62)


def appraise_snp(evidence: Evidence, roots: Roots, out: Appraisal) -> None:
    report = Report(evidence.quote)
    out.format_version, out.measurement, out.report_data = report.version, report.measurement, report.report_data
    out.svn, out.debug, out.vmpl = report.guest_svn, bool(report.policy & _DEBUG), report.vmpl
    out.fields = report.fields()
    if evidence.hcl is not None:
        check_hcl(evidence, evidence.quote, out)
    report.check_form()
    vek = _key_certificate(evidence.vek)
    generation, ark = _generation_of(vek, report, roots)
    bundle, ends = _bundle(evidence.ca, vek, ark, evidence.at_unix)
    path = find_path(vek, bundle, ark, 3, "VEK chain")
    out.expires_unix = min(ends, verify_path(path, ark, evidence.at_unix, "VEK chain"))
    if vek.is_ca:
        raise Rejection("VEK: is a CA")
    _signature_holds(vek, report)
    _product_matches(vek, generation)
    _processor_matches(report, generation)
    _tcb_matches(vek, report, generation)
    out.platform_id = _chip_matches(vek, report, generation)
    if report.is_vlek:
        out.fields["csp_id"] = _text(vek, 5, "VLEK: names no provider", "VLEK: malformed provider")
    out.generation, out.reported_tcb = generation, tcb_parts(report.reported_tcb, generation)


# --- the table of certificates of the GHCB specification: entries of GUID, offset, size up to a zero one ---

_GUIDS = {
    "63da758de6644564adc5f4b93be8accd": "vcek", "a8074bc2a25a483eaae639c045a0b8a1": "vlek",
    "4ab7b379bbac4fe4a02f05aef327c782": "ask", "c0b406a4a803495297433fb6014cd0ae": "ark",
}
_ENTRIES_MAX = 16


def read_certificate_table(table: bytes) -> tuple[bytes, bytes]:
    """(VCEK or VLEK, PEM of ASK and ARK). Malformed when one of them is missing."""
    found: dict[str, bytes] = {}
    c = Cursor(table, "certificate table")
    for _ in range(_ENTRIES_MAX):
        guid, offset, size = c.take(16), c.le(4), c.le(4)
        if is_zero(guid):
            break
        if guid.hex() in _GUIDS:
            if offset + size > len(table):
                raise Malformed("certificate table: an entry runs past the end")
            found[_GUIDS[guid.hex()]] = table[offset:offset + size]
    vek = found.get("vcek") or found.get("vlek")
    if not vek or not found.get("ask") or not found.get("ark"):
        raise Malformed("certificate table: certificates are missing")
    return vek, b"".join(_pem(found[name]) for name in ("ask", "ark"))


def _pem(der: bytes) -> bytes:
    import ssl
    return ssl.DER_cert_to_PEM_cert(der).encode("ascii")
