#!/usr/bin/env python3
"""Makes the keys, certificates and evidence of invented platforms, for generate.py. Needs PyPI cryptography.

Profiles as Intel's and AMD's certificates have them; the roots are ours, so that every part can be signed again after
it was changed. What real vectors cannot show is shown this way: a revoked key, a wrong SVN in a genuine certificate.
"""
import datetime
import functools
import hashlib
import json
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

AT = 1767225600  # 2026-01-01
DAY = 86400
P256, P384 = ec.SECP256R1(), ec.SECP384R1()
FMSPC, PCE_ID = bytes.fromhex("90c06f000000"), bytes(2)
QE_SIGNER = bytes.fromhex("8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff")
TD_QE_SIGNER = bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5")


def when(unix):
    return datetime.datetime.fromtimestamp(unix, datetime.timezone.utc)


def iso(unix):
    return when(unix).strftime("%Y-%m-%dT%H:%M:%SZ")


def pem(*certificates):
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates)


def der(thing):
    return thing.public_bytes(serialization.Encoding.DER)


def raw(signature, size):
    r, s = decode_dss_signature(signature)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def tlv(tag, value):
    length = bytes([len(value)]) if len(value) < 128 else \
        (bytes([0x81, len(value)]) if len(value) < 256 else bytes([0x82]) + struct.pack(">H", len(value)))
    return bytes([tag]) + length + value


def integer(value, tag=2):
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


OID_SGX = bytes.fromhex("2a864886f84d010d01")


def entry(*path, value):
    return tlv(0x30, tlv(6, OID_SGX + bytes(path)) + value)


# --- Intel ---

def intel_name(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn),
                      x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Intel Corporation"),
                      x509.NameAttribute(NameOID.COUNTRY_NAME, "US")])


def usage(**on):
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{k: on.get(k, False) for k in every})


class Party:
    """A key and its certificate."""

    def __init__(self, cn, issuer=None, ca=None, extra=(), key=None, serial=None, curve=P256, signs=True,
                 begin=AT - 400 * DAY, end=AT + 400 * DAY):
        self.key = key or ec.generate_private_key(curve)
        issuer_key, issuer_name = (issuer.key, issuer.certificate.subject) if issuer else (self.key, intel_name(cn))
        b = (x509.CertificateBuilder().subject_name(intel_name(cn)).issuer_name(issuer_name)
             .public_key(self.key.public_key()).serial_number(serial or x509.random_serial_number())
             .not_valid_before(when(begin)).not_valid_after(when(end))
             .add_extension(x509.BasicConstraints(ca is not None, ca), True)
             .add_extension(usage(key_cert_sign=True, crl_sign=True) if ca is not None else
                            usage(digital_signature=signs, content_commitment=True), True)
             .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
             .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False))
        for oid, value in extra:
            b = b.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False)
        self.certificate = b.sign(issuer_key, hashes.SHA256())

    def crl(self, revoked=(), begin=AT - DAY, end=AT + 29 * DAY, key=None):
        b = (x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
             .last_update(when(begin)).next_update(when(end)).add_extension(x509.CRLNumber(1), False)
             .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False))
        for party in revoked:
            b = b.add_revoked_certificate(x509.RevokedCertificateBuilder()
                                          .serial_number(party.certificate.serial_number)
                                          .revocation_date(when(begin)).build())
        return b.sign(key or self.key, hashes.SHA256())


def sgx_extension(cpu_svn=bytes([7] * 16), components=None, pce_svn=13, fmspc=FMSPC, pce_id=PCE_ID, drop=()):
    components = components or cpu_svn
    tcb = b"".join(entry(2, i + 1, value=integer(components[i])) for i in range(16))
    tcb += entry(2, 17, value=integer(pce_svn)) + entry(2, 18, value=tlv(4, cpu_svn))
    parts = {1: tlv(4, bytes(range(16))), 2: tlv(0x30, tcb), 3: tlv(4, pce_id), 4: tlv(4, fmspc),
             5: integer(1, 10), 6: tlv(4, bytes([0x66] * 16))}
    return tlv(0x30, b"".join(entry(k, value=v) for k, v in parts.items() if k not in drop))


ROOT = Party("Intel SGX Root CA", ca=1)
OTHER_ROOT = Party("Intel SGX Root CA", ca=1)
PLATFORM_CA = Party("Intel SGX PCK Platform CA", ROOT, ca=0)
PROCESSOR_CA = Party("Intel SGX PCK Processor CA", ROOT, ca=0)
TCB_SIGNER = Party("Intel SGX TCB Signing", ROOT)


def pck_of(issuer=PLATFORM_CA, cn="Intel SGX PCK Certificate", extension=None, **more):
    value = sgx_extension() if extension is None else extension
    return Party(cn, issuer, extra=[("1.2.840.113741.1.13.1", value)] if value else [], **more)


PCK = pck_of()
CRLS = {party: party.crl() for party in (ROOT, OTHER_ROOT, PLATFORM_CA, PROCESSOR_CA)}


def level(svn=5, status="UpToDate", tdx=(5, 0, 5), advisories=None, pce=11, count=16, date="2025-05-14T00:00:00Z"):
    tcb = dict(sgxtcbcomponents=[dict(svn=svn)] * count, pcesvn=pce)
    if tdx is not None:
        tcb["tdxtcbcomponents"] = [dict(svn=tdx[i] if i < len(tdx) else 0) for i in range(count)]
    out = dict(tcb=tcb, tcbDate=date, tcbStatus=status)
    if advisories:
        out["advisoryIDs"] = advisories
    return out


def isv_level(svn, status="UpToDate", advisories=None):
    out = dict(tcb=dict(isvsvn=svn), tcbDate="2025-05-14T00:00:00Z", tcbStatus=status)
    if advisories:
        out["advisoryIDs"] = advisories
    return out


def tcb_info(tee, levels=None, module_levels=None, **change):
    out = dict(id="TDX" if tee == "tdx" else "SGX", version=3, issueDate=iso(AT - DAY), nextUpdate=iso(AT + 29 * DAY),
               fmspc=FMSPC.hex().upper(), pceId=PCE_ID.hex(), tcbType=0, tcbEvaluationDataNumber=20)
    if tee == "tdx":
        signer, mask = "00" * 48, "FF" * 8
        out["tdxModule"] = dict(mrsigner=signer, attributes="00" * 8, attributesMask=mask)
        out["tdxModuleIdentities"] = [dict(id="TDX_01", mrsigner=signer, attributes="00" * 8, attributesMask=mask,
                                           tcbLevels=module_levels or [isv_level(5), isv_level(3, "OutOfDate",
                                                                                               ["INTEL-SA-00003"])])]
    out["tcbLevels"] = levels or [level(tdx=(5, 0, 5) if tee == "tdx" else None),
                                  level(3, "OutOfDate", (3, 0, 3) if tee == "tdx" else None, ["INTEL-SA-00001"])]
    out.update(change)
    return out


def qe_identity(tee, **change):
    out = dict(id="TD_QE" if tee == "tdx" else "QE", version=2, issueDate=iso(AT - DAY), nextUpdate=iso(AT + 29 * DAY),
               tcbEvaluationDataNumber=21, miscselect="00000000", miscselectMask="FFFFFFFF",
               attributes="11" + "00" * 15, attributesMask="FB" + "FF" * 7 + "00" * 8,
               mrsigner=(TD_QE_SIGNER if tee == "tdx" else QE_SIGNER).hex().upper(),
               isvprodid=2 if tee == "tdx" else 1,
               tcbLevels=[isv_level(8), isv_level(4, "OutOfDate", ["INTEL-SA-00002"])])
    out.update(change)
    return out


def signed(statement, key):
    text = statement if isinstance(statement, str) else json.dumps(statement, separators=(",", ":"))
    return text, raw(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())), 32).hex()


def collateral(tee, tcb=None, qe=None, signer=TCB_SIGNER, root=ROOT, pck_ca=PLATFORM_CA, root_crl=None, pck_crl=None,
               signer_chain=None, crl_chain=None):
    tcb_text, tcb_signature = signed(tcb or tcb_info(tee), signer.key)
    qe_text, qe_signature = signed(qe or qe_identity(tee), signer.key)
    chain = signer_chain or pem(signer.certificate, root.certificate)
    return dict(pck_crl_issuer_chain=crl_chain or pem(pck_ca.certificate, root.certificate),
                root_ca_crl=der(CRLS[root] if root_crl is None else root_crl).hex(), pck_crl=der(pck_crl if pck_crl is not None else CRLS[pck_ca] if pck_ca in CRLS else pck_ca.crl()).hex(),
                tcb_info_issuer_chain=chain, tcb_info=tcb_text, tcb_info_signature=tcb_signature,
                qe_identity_issuer_chain=chain, qe_identity=qe_text, qe_identity_signature=qe_signature)


def sgx_report(attributes=0x05, mr_signer=bytes(32), report_data=bytes(64), prod=0, svn=0, misc=bytes(4)):
    out = bytearray(384)
    out[0:16] = bytes([9] * 16)
    out[16:20] = misc
    out[48:64] = struct.pack("<QQ", attributes, 0xe7)
    out[64:96] = bytes([0xe1] * 32)
    out[128:160] = mr_signer
    struct.pack_into("<HH", out, 256, prod, svn)
    out[320:384] = report_data
    return bytes(out)


def td_report(attributes=1 << 28, svn=(6, 1, 6), signer=bytes(48), seam=bytes(8), with_1_5=False, svn2=(6, 1, 6),
              service=bytes(48)):
    pad = lambda t: bytes(t) + bytes(16 - len(t))
    out = pad(svn) + bytes([0x5e] * 48) + signer + seam + struct.pack("<QQ", attributes, 0xe7) + bytes([0x7d] * 48)
    out += bytes(48 * 3) + bytes(48 * 4) + bytes([0xda] * 64)
    assert len(out) == 584
    return out + pad(svn2) + service if with_1_5 else out


def quote(tee, version=None, body=None, pck=PCK, chain=None, qe=None, body_type=None, body_size=None, tail=b"",
          qe_tail=bytes(32), auth=bytes(range(32)), cert_type=5, vendor="939a7233f79c4ca9940a0db3957f0607",
          key_type=2, tee_type=None, outer_type=6, inside=b"", outside=b"", qe_key=None):
    version = version or (4 if tee == "tdx" else 3)
    body = body if body is not None else (td_report() if tee == "tdx" else sgx_report())
    out = struct.pack("<HHIHH", version, key_type, (0x81 if tee == "tdx" else 0) if tee_type is None else tee_type, 0, 0) + bytes.fromhex(vendor) + bytes(20)
    if version == 5:
        out += struct.pack("<HI", body_type or (3 if len(body) == 648 else 2), body_size or len(body))
    out += body
    key = ec.generate_private_key(P256)
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)[1:]
    fields = dict(attributes=0x11, mr_signer=TD_QE_SIGNER if tee == "tdx" else QE_SIGNER,
                  prod=2 if tee == "tdx" else 1, svn=8)
    fields.update(qe or {})
    report = sgx_report(report_data=hashlib.sha256(point + auth).digest() + qe_tail, **fields)
    certificates = (chain or pem(pck.certificate, PLATFORM_CA.certificate, ROOT.certificate)).encode() + b"\0"
    inner = report + raw((qe_key or pck).key.sign(report, ec.ECDSA(hashes.SHA256())), 32) + struct.pack("<H", len(auth)) + auth
    inner += struct.pack("<HI", cert_type, len(certificates)) + certificates + inside
    data = raw(key.sign(out, ec.ECDSA(hashes.SHA256())), 32) + point
    data += inner if version == 3 else struct.pack("<HI", outer_type, len(inner)) + inner
    data += outside
    return out + struct.pack("<I", len(data)) + data + tail


# --- AMD ---

PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)
PSS256 = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
KINDS = {"pss384": (PSS, hashes.SHA384()), "pss256": (PSS256, hashes.SHA256()), "pkcs1": (padding.PKCS1v15(), hashes.SHA384())}
ARK_KEY, ASK_KEY, OTHER_ARK_KEY = (rsa.generate_private_key(65537, 4096) for _ in range(3))
MILAN_TCB = bytes([4, 0, 0, 0, 0, 0, 0x18, 0xdb])
TURIN_TCB = bytes([1, 2, 3, 4, 0, 0, 0, 0x4d])
CHIP, TURIN_CHIP = bytes(range(1, 65)), bytes(range(1, 9))
OID_AMD = "1.3.6.1.4.1.3704.1."


def amd_name(cn):
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Engineering"),
                      x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Advanced Micro Devices"),
                      x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def amd_certificate(cn, issuer_cn, key, issuer_key, ca=None, extra=(), serial=1, kind="pss384",
                    begin=AT - 400 * DAY, end=AT + 400 * DAY):
    b = (x509.CertificateBuilder().subject_name(amd_name(cn)).issuer_name(amd_name(issuer_cn))
         .public_key(key.public_key()).serial_number(serial).not_valid_before(when(begin)).not_valid_after(when(end)))
    if ca is not None:
        b = b.add_extension(x509.BasicConstraints(ca, None), True)
        b = b.add_extension(usage(key_cert_sign=True, crl_sign=True), True)
    for last, value in extra:
        b = b.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(OID_AMD + last), value), False)
    pad, digest = KINDS[kind]
    return b.sign(issuer_key, digest, rsa_padding=pad)


def ark(generation, key=ARK_KEY):
    return amd_certificate("ARK-" + generation, "ARK-" + generation, key, key, ca=True)


ARKS = {g: ark(g) for g in ("Milan", "Genoa", "Turin")}


def ask(generation, vlek=False, ca=True, key=ASK_KEY, ark_key=ARK_KEY, **more):
    cn = ("SEV-VLEK-" if vlek else "SEV-") + generation
    return amd_certificate(cn, "ARK-" + generation, key, ark_key, ca=ca, **more)


@functools.cache
def ca_bundle(generation, vlek=False, root=None, **more):
    return pem(ask(generation, vlek, **more), root or ARKS[generation])


def ark_list(revoked=(), generation="Milan", key=ARK_KEY, begin=AT - DAY, end=AT + 29 * DAY, kind="pss384", critical=False):
    """The ARK's revocation list in PEM."""
    b = (x509.CertificateRevocationListBuilder().issuer_name(amd_name("ARK-" + generation))
         .last_update(when(begin)).next_update(when(end)).add_extension(x509.CRLNumber(1), False))
    if critical:
        b = b.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(OID_AMD + "99"), b"\5\0"), True)
    for serial in revoked:
        b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial)
                                      .revocation_date(when(AT - DAY)).build())
    pad, digest = KINDS[kind]
    return b.sign(key, digest, rsa_padding=pad).public_bytes(serialization.Encoding.PEM).decode()


@functools.cache
def vek(generation="Milan", vlek=False, tcb=None, chip=None, product=None, curve=P384, drop=(), subject=None,
        issuer_key=ASK_KEY, more=(), provider=b"CN=provider.example", **certificate):
    """The key and its certificate."""
    turin = generation == "Turin"
    tcb = tcb or (TURIN_TCB if turin else MILAN_TCB)
    order = ("3.9", "3.1", "3.2", "3.3", "3.5", "3.6", "3.7", "3.8") if turin else \
        ("3.1", "3.2", "3.4", "3.5", "3.6", "3.7", "3.3", "3.8")
    extra = [("1", integer(1 if turin else 0)), ("2", tlv(0x16, (product or generation).encode()))]
    extra += [(last, integer(tcb[i])) for i, last in enumerate(order)]
    extra.append(("5", tlv(0x16, provider)) if vlek else
                 ("4", chip if chip is not None else (TURIN_CHIP if turin else CHIP)))
    key = ec.generate_private_key(curve)
    made = amd_certificate(subject or ("SEV-VLEK" if vlek else "SEV-VCEK"),
                           ("SEV-VLEK-" if vlek else "SEV-") + generation, key, issuer_key,
                           extra=[e for e in extra if e[0] not in drop] + list(more), **certificate)
    return key, made


def report(key, generation="Milan", version=3, vlek=False, tcb=None, chip=None, policy=0x30000, vmpl=0, algorithm=1,
           flags=None, report_data=bytes([0xda] * 64), cpuid=None, patch=(), after=()):
    turin = generation == "Turin"
    tcb = tcb or (TURIN_TCB if turin else MILAN_TCB)
    chip = chip if chip is not None else (bytes(64) if vlek else TURIN_CHIP + bytes(56) if turin else CHIP)
    cpuid = cpuid or {"Milan": (0x19, 1, 1), "Genoa": (0x19, 0x11, 1), "Turin": (0x1a, 2, 1)}[generation]
    r = bytearray(1184)
    struct.pack_into("<IIQ", r, 0, version, 7, policy)
    struct.pack_into("<II", r, 0x30, vmpl, algorithm)
    r[0x38:0x40] = tcb
    struct.pack_into("<QI", r, 0x40, 0x25, flags if flags is not None else (4 if vlek else 0))
    r[0x50:0x90] = report_data
    r[0x90:0xc0] = bytes([0x5a] * 48)
    r[0x180:0x188] = tcb
    if version >= 3:
        r[0x188:0x18b] = bytes(cpuid)
    r[0x1a0:0x1e0] = chip
    r[0x1e0:0x1e8] = tcb
    r[0x1e8:0x1eb] = r[0x1ec:0x1ef] = bytes([1, 55, 1])
    r[0x1f0:0x1f8] = tcb
    if version >= 5:
        struct.pack_into("<QQ", r, 0x1f8, 0x0b, 0x0b)
    for offset, value in patch:
        r[offset] = value
    signature = raw(key.sign(bytes(r[:0x2a0]), ec.ECDSA(hashes.SHA384())), 48)
    r[0x2a0:0x2d0] = signature[:48][::-1]
    r[0x2e8:0x318] = signature[48:][::-1]
    for offset, value in after:
        r[offset] = value
    return bytes(r)


def hcl(hardware, data=b'{"keys":[]}', report_type=2, hash_type=1, tail=b"\0" * 64, magic=b"HCLA", size=None, version=2,
        request=2, status=0, words_version=1):
    words = struct.pack("<IIIII", 20 + len(data), words_version, report_type, hash_type, len(data))
    head = magic + struct.pack("<IIII", version, size or 1216 + 20 + len(data), request, status) + bytes(12)
    return head + hardware + words + data + tail
