#!/usr/bin/env python3
"""Writes tests/vectors/synthetic.json: evidence of invented platforms, one change in each. Needs PyPI cryptography.

generate.py [--oracle]: with it every SGX and TDX case also goes through PyPI dcap-qvl under the same invented root, and
differences are printed. Run by hand when a case is added: keys and signatures are new each time.
"""
import base64
import hashlib
import json
import os
import sys

import synthetic as s
from synthetic import AT, DAY, collateral, level, isv_level, pem, qe_identity, quote, tcb_info, td_report

cases, blobs = [], {}
LOW = bytes([4] * 16)
GOOD = {tee: quote(tee) for tee in ("sgx", "tdx")}


def blob(data):
    data = data.encode() if isinstance(data, str) else data
    name = hashlib.sha256(data).hexdigest()[:16]
    blobs[name] = base64.b64encode(data).decode()
    return name


def case(name, tee, verdict="reject", error="", status=None, advisories=(), at=AT, debug=False, **parts):
    entry = dict(name=name, tee=tee, verdict=verdict, error=error, tcb_status=status, advisory_ids=list(advisories),
                 at=at, debug=debug)
    for key, value in parts.items():
        if key == "collateral" and isinstance(value, dict):
            entry[key] = {k: blob(v) for k, v in value.items()}
        elif value is not None:
            entry[key] = blob(value)
    entry["parts"] = parts
    cases.append(entry)


def dcap(name, tee, verdict="reject", error="", status=None, advisories=(), at=AT, q=None, c="good", **change):
    q = q if q is not None else GOOD[tee]
    c = collateral(tee, **change) if c == "good" else c
    case(name, tee, verdict, error, status, advisories, at, quote=q, collateral=c)


def good(name, tee, status="UpToDate", advisories=(), **more):
    dcap(name, tee, "accept" if status == "UpToDate" else "policy", "", status, advisories, **more)


def with_pck(pck, tee="sgx", issuer=s.PLATFORM_CA, **more):
    return quote(tee, pck=pck, chain=pem(pck.certificate, issuer.certificate, s.ROOT.certificate), **more)


def intel_good():
    good("sgx", "sgx")
    good("tdx quote 4", "tdx")
    good("tdx quote 5, body 1.0", "tdx", q=quote("tdx", 5))
    good("tdx quote 5, body 1.5", "tdx", q=quote("tdx", 5, td_report(with_1_5=True)))
    good("zeros behind the quote", "sgx", q=quote("sgx", tail=bytes(100)))
    for tee in ("sgx", "tdx"):
        dcap(tee + ": text behind the quote", tee, error="bytes behind", q=quote(tee, tail=b"x"))
    good("PCK chain root first", "sgx",
         q=quote("sgx", chain=pem(s.ROOT.certificate, s.PLATFORM_CA.certificate, s.PCK.certificate)))
    processor = s.pck_of(s.PROCESSOR_CA)
    good("processor CA", "sgx", q=with_pck(processor, issuer=s.PROCESSOR_CA), pck_ca=s.PROCESSOR_CA)
    case("sgx without collateral", "sgx", "policy", status="Unknown", quote=quote("sgx"))
    case("tdx without collateral", "tdx", "policy", status="Unknown", quote=quote("tdx"))
    case("without collateral, a QE that is not Intel's", "sgx", error="QE is not Intel's",
         quote=quote("sgx", qe=dict(mr_signer=bytes([1] * 32))))
    case("without collateral, debug", "sgx", error="Debug mode", quote=quote("sgx", body=s.sgx_report(0x07)))


def intel_chains():
    pck = s.PCK
    dcap("PCK revoked", "sgx", error="revoked", pck_crl=s.PLATFORM_CA.crl([pck]))
    dcap("PCK CA revoked", "sgx", error="revoked", root_crl=s.ROOT.crl([s.PLATFORM_CA]))
    dcap("TCB signer revoked", "sgx", error="revoked", root_crl=s.ROOT.crl([s.TCB_SIGNER]))
    dcap("root revoked", "sgx", error="revoked", root_crl=s.ROOT.crl([s.ROOT]))
    dcap("PCK CRL expired", "sgx", error="expired", pck_crl=s.PLATFORM_CA.crl(end=AT - 1))
    dcap("root CRL expired", "sgx", error="expired", root_crl=s.ROOT.crl(end=AT - 1))
    dcap("PCK CRL of tomorrow", "sgx", error="not yet", pck_crl=s.PLATFORM_CA.crl(begin=AT + 1))
    dcap("PCK CRL signed by another", "sgx", error="CRL", pck_crl=s.PLATFORM_CA.crl(key=s.PROCESSOR_CA.key))
    dcap("PCK CRL of the other CA", "sgx", error="CRL", pck_crl=s.PROCESSOR_CA.crl())
    dcap("CRL chain of the other CA", "sgx", error="another CA",
         crl_chain=pem(s.PROCESSOR_CA.certificate, s.ROOT.certificate))
    namesake = s.Party("Intel SGX PCK Platform CA", s.ROOT, ca=0)
    dcap("CRL chain of a namesake", "sgx", error="PCK CRL: signature",
         crl_chain=pem(namesake.certificate, s.ROOT.certificate))
    foreign = s.Party("Intel SGX PCK Platform CA", s.OTHER_ROOT, ca=0, key=s.PLATFORM_CA.key)
    dcap("CRL chain under another root", "sgx", error="PCK CRL issuer",
         crl_chain=pem(foreign.certificate, s.OTHER_ROOT.certificate))
    dcap("root CRL of a PCK CA", "sgx", error="not the root's", root_crl=s.PLATFORM_CA.crl())
    dcap("PCK expired", "sgx", error="expired", q=with_pck(s.pck_of(end=AT - 1)))
    dcap("PCK of tomorrow", "sgx", error="not yet valid", q=with_pck(s.pck_of(begin=AT + 1)))
    dcap("PCK by a CA that is none", "sgx", error="PCK chain",
         q=with_pck(s.pck_of(s.TCB_SIGNER), issuer=s.TCB_SIGNER))
    dcap("PCK straight under the root", "sgx", error="not a chain of 3", q=with_pck(s.pck_of(s.ROOT)))
    dcap("PCK with another name", "sgx", error="another certificate's name", q=with_pck(s.pck_of(cn="Intel")))
    dcap("PCK not for signing", "sgx", error="not for signing", q=with_pck(s.pck_of(signs=False)))
    dcap("PCK with a P-384 key", "sgx", error="vendor's algorithms", q=p384_pck())
    impostor = s.Party("Intel SGX PCK Something CA", s.ROOT, ca=0)
    dcap("PCK CA with another name", "sgx", error="not of a PCK CA",
         q=with_pck(s.pck_of(impostor), issuer=impostor), pck_ca=impostor)
    dcap("another root with the same name", "sgx", error="TCBInfo", root=s.OTHER_ROOT,
         signer=s.Party("Intel SGX TCB Signing", s.OTHER_ROOT))
    fake_ca = s.Party("Intel SGX PCK Platform CA", s.OTHER_ROOT, ca=0)
    dcap("PCK under another root", "sgx", error="PCK chain",
         q=quote("sgx", pck=(p := s.pck_of(fake_ca)),
                 chain=pem(p.certificate, fake_ca.certificate, s.OTHER_ROOT.certificate)))
    dcap("two PCK certificates", "sgx", error="two PCK",
         q=quote("sgx", chain=pem(pck.certificate, s.pck_of().certificate, s.PLATFORM_CA.certificate)))
    dcap("PCK signs TCB info", "sgx", error="TCBInfo", signer=pck,
         signer_chain=pem(pck.certificate, s.PLATFORM_CA.certificate, s.ROOT.certificate))
    other = s.Party("Intel SGX Something", s.ROOT)
    dcap("TCB signer with another name", "sgx", error="not Intel's TCB signing key", signer=other)
    dcap("TCB signer expired", "sgx", error="expired", signer=s.Party("Intel SGX TCB Signing", s.ROOT, end=AT - 1))
    for name, drop in (("FMSPC", 4), ("PPID", 1), ("TCB", 2)):
        dcap("PCK without " + name, "sgx", error="SGX extension",
             q=with_pck(s.pck_of(extension=s.sgx_extension(drop=(drop,)))))
    dcap("PCK with 5 bytes of FMSPC", "sgx", error="SGX extension",
         q=with_pck(s.pck_of(extension=s.sgx_extension(fmspc=bytes(5)))))
    dcap("PCK without the extension", "sgx", error="no PCK certificate", q=with_pck(s.pck_of(extension=b"")))


def p384_pck():
    pck = s.pck_of(curve=s.P384)
    return quote("sgx", chain=pem(pck.certificate, s.PLATFORM_CA.certificate, s.ROOT.certificate))


def intel_quote():
    for tee in ("sgx", "tdx"):
        dcap(tee + ": QE report data goes on", tee, error="hash mismatch", q=quote(tee, qe_tail=bytes(31) + b"\1"))
        dcap(tee + ": unknown QE vendor", tee, error="vendor", q=quote(tee, vendor="00" * 16))
        dcap(tee + ": no PCK chain inside", tee, error="no PCK certificate chain", q=quote(tee, cert_type=4))
        dcap(tee + ": debug QE", tee, error="QE is a debug enclave", q=quote(tee, qe=dict(attributes=0x13)))
        dcap(tee + ": QE report signed by another", tee, error="qe_report", q=quote(tee, qe_key=s.PLATFORM_CA))
        dcap(tee + ": another kind of key", tee, error="key type", q=quote(tee, key_type=3))
        dcap(tee + ": of another TEE", tee, error="another TEE", q=quote(tee, tee_type=1))
        dcap(tee + ": a byte too many inside", tee, error="wrong length", q=quote(tee, inside=b"\0"))
        dcap(tee + ": a byte too many outside", tee, error="wrong length", q=quote(tee, outside=b"\0"))
    dcap("tdx: certification data is no QE report", "tdx", error="not a QE report", q=quote("tdx", outer_type=5))
    good("QE authentication data of another size", "sgx", q=quote("sgx", auth=b"x" * 7))
    dcap("sgx: debug", "sgx", error="Debug mode is enabled", q=quote("sgx", body=s.sgx_report(0x07)))
    dcap("sgx: not initialised", "sgx", error="not initialised", q=quote("sgx", body=s.sgx_report(0x04)))
    dcap("sgx: quote 3 read as tdx", "tdx", error="version", q=quote("sgx"))
    dcap("tdx: quote read as sgx", "sgx", error="version", q=quote("tdx"))
    dcap("tdx: wrong body size", "tdx", error="body type", q=quote("tdx", 5, body_size=600))
    dcap("tdx: SGX body type", "tdx", error="body type", q=quote("tdx", 5, body_type=1))
    for name, bits, error in (("debug", 1, "Debug mode"), ("profiled", 1 << 4, "profiling"),
                              ("migratable", 1 << 29, "migration"), ("servtd_ext", 1 << 17, "SERVTD_EXT"),
                              ("reserved 1", 2, "Reserved bits"), ("reserved 24", 1 << 24, "Reserved bits"),
                              ("reserved 40", 1 << 40, "Reserved bits")):
        dcap("tdx: " + name, "tdx", error=error, q=quote("tdx", body=td_report(1 << 28 | bits)))
    dcap("tdx: SEPT_VE_DISABLE off", "tdx", error="SEPT_VE_DISABLE", q=quote("tdx", body=td_report(0)))
    good("tdx: PKS and PERFMON", "tdx", q=quote("tdx", body=td_report(1 << 28 | 1 << 30 | 1 << 63)))
    dcap("tdx: service TD", "tdx", error="service TD",
         q=quote("tdx", 5, td_report(with_1_5=True, service=bytes([1] * 48))))


def intel_tcb():
    for status in ("SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
                   "OutOfDateConfigurationNeeded"):
        good("level " + status, "sgx", status, ["INTEL-SA-00009"],
             tcb=tcb_info("sgx", [level(status=status, tdx=None, advisories=["INTEL-SA-00009"])]))
    dcap("level Revoked", "sgx", error="Revoked", tcb=tcb_info("sgx", [level(status="Revoked", tdx=None)]))
    dcap("level with an unknown word", "sgx", error="malformed", tcb=tcb_info("sgx", [level(status="Fine", tdx=None)]))
    dcap("level with 15 components", "sgx", error="malformed", tcb=tcb_info("sgx", [level(count=15, tdx=None)]))
    dcap("no level fits", "sgx", error="No matching", tcb=tcb_info("sgx", [level(svn=8, tdx=None)]))
    dcap("PCE too old", "sgx", error="No matching", tcb=tcb_info("sgx", [level(pce=14, tdx=None)]))
    good("levels in the wrong order", "sgx", tcb=tcb_info("sgx", [level(3, "OutOfDate", None), level(tdx=None)]))
    low = s.pck_of(extension=s.sgx_extension(cpu_svn=LOW))
    good("platform of the second level", "sgx", "OutOfDate", ["INTEL-SA-00001"], q=with_pck(low))
    split = s.pck_of(extension=s.sgx_extension(cpu_svn=bytes([7] * 16), components=LOW))
    good("components below CPU SVN", "sgx", "OutOfDate", ["INTEL-SA-00001"], q=with_pck(split))
    split = s.pck_of(extension=s.sgx_extension(cpu_svn=LOW, components=bytes([7] * 16)))
    good("CPU SVN below components", "sgx", "OutOfDate", ["INTEL-SA-00001"], q=with_pck(split))
    for name, change in (("FMSPC", dict(fmspc="00" * 6)), ("PCE id", dict(pceId="0001")), ("version", dict(version=2)),
                         ("TEE", dict(id="TDX")), ("type", dict(tcbType=1)), ("dates", dict(issueDate="2025-01-01")),
                         ("no levels", dict(tcbLevels=[])), ("levels of another kind", dict(tcbLevels={}))):
        error = {"FMSPC": "Fmspc", "PCE id": "PCE id", "dates": "dates", "no levels": "No matching"}.get(name, "TCBInfo")
        dcap("TCB info: " + name, "sgx", error=error, tcb=tcb_info("sgx", **change))
    dcap("TCB info expired", "sgx", error="TCBInfo expired", tcb=tcb_info("sgx", nextUpdate=s.iso(AT - 1)))
    good("TCB info at its last second", "sgx", tcb=tcb_info("sgx", nextUpdate=s.iso(AT)))
    dcap("TCB info of tomorrow", "sgx", error="in the future", tcb=tcb_info("sgx", issueDate=s.iso(AT + 1)))
    text = json.dumps(tcb_info("sgx"))
    dcap("TCB info with a key twice", "sgx", error="JSON", tcb=text[:-1] + ',"fmspc":"%s"}' % s.FMSPC.hex())
    dcap("TCB info with a tail", "sgx", error="JSON", tcb=text + "{}")
    many = [level(tdx=None, advisories=["INTEL-SA-%05d" % i for i in range(65)])]
    dcap("65 advisories", "sgx", error="advisories", tcb=tcb_info("sgx", many))
    no_number = tcb_info("sgx")
    del no_number["tcbEvaluationDataNumber"]
    dcap("TCB info without a number", "sgx", error="TCBInfo", tcb=no_number)


def intel_qe():
    for tee in ("sgx", "tdx"):
        good(tee + ": QE out of date", tee, "OutOfDate", ["INTEL-SA-00002"], q=quote(tee, qe=dict(svn=5)))
        dcap(tee + ": QE too old", tee, error="QE ISVSVN", q=quote(tee, qe=dict(svn=3)))
        dcap(tee + ": QE of another signer", tee, error="MRSIGNER", q=quote(tee, qe=dict(mr_signer=bytes(32))))
        dcap(tee + ": QE of another product", tee, error="ISVPRODID", q=quote(tee, qe=dict(prod=3)))
        dcap(tee + ": QE MISCSELECT", tee, error="MISCSELECT", q=quote(tee, qe=dict(misc=b"\1\0\0\0")))
        dcap(tee + ": QE ATTRIBUTES", tee, error="ATTRIBUTES", q=quote(tee, qe=dict(attributes=0x31)))
        good(tee + ": QE ATTRIBUTES outside the mask", tee, q=quote(tee, qe=dict(attributes=0x15)))
        other = "sgx" if tee == "tdx" else "tdx"
        dcap(tee + ": QE identity of the other QE", tee, error="another kind", qe=qe_identity(other))
        dcap(tee + ": QE Revoked", tee, error="Revoked", qe=qe_identity(tee, tcbLevels=[isv_level(8, "Revoked")]))
        dcap(tee + ": QE identity expired", tee, error="QE Identity expired",
             qe=qe_identity(tee, nextUpdate=s.iso(AT - 1)))
        good(tee + ": QE ConfigurationNeeded counts for nothing", tee,
             qe=qe_identity(tee, tcbLevels=[isv_level(8, "ConfigurationNeeded")]))
    dcap("QE word of the platform's", "sgx", error="malformed",
         qe=qe_identity("sgx", tcbLevels=[isv_level(8, "SWHardeningNeeded")]))
    good("QE out of date on a platform to configure", "sgx", "OutOfDateConfigurationNeeded", ["INTEL-SA-00002"],
         q=quote("sgx", qe=dict(svn=5)), tcb=tcb_info("sgx", [level(status="ConfigurationNeeded", tdx=None)]))
    dcap("QE identity 3 for SGX", "sgx", error="another kind", qe=qe_identity("sgx", version=3))
    good("QE identity 3 for TDX", "tdx", qe=qe_identity("tdx", version=3))


def tdx_module():
    def td(name, status=None, advisories=(), error="", tcb=None, **body):
        q = quote("tdx", 5 if body.get("with_1_5") else 4, td_report(**body))
        if status:
            good("module: " + name, "tdx", status, advisories, q=q, tcb=tcb)
        else:
            dcap("module: " + name, "tdx", error=error, q=q, tcb=tcb)

    td("old", "OutOfDate", ["INTEL-SA-00003"], svn=(4, 1, 6))
    td("too old", error="ISVSVN", svn=(2, 1, 6))
    td("its SVNs are its identity's matter", "UpToDate", svn=(5, 1, 6), tcb=tcb_info("tdx", [level(tdx=(9, 0, 5))]))
    td("version 0 is compared with the level", "OutOfDate", ["INTEL-SA-00001"], svn=(4, 0, 6))
    td("microcode", "OutOfDate", ["INTEL-SA-00001"], svn=(6, 1, 4))
    td("of unknown version", error="No TDX module identity", svn=(6, 2, 6))
    td("of another signer", error="MRSIGNER", signer=bytes([1] * 48))
    td("attributes", error="SEAMATTRIBUTES", seam=b"\1" + bytes(7))
    info = tcb_info("tdx")
    info["tdxModuleIdentities"][0]["attributesMask"] = "FE" + "FF" * 7
    td("attributes outside the mask", error="SEAMATTRIBUTES", seam=b"\1" + bytes(7), tcb=info)
    info = tcb_info("tdx")
    del info["tdxModule"]
    td("no tdxModule", error="tdxModule", tcb=info)
    revoked = tcb_info("tdx", module_levels=[isv_level(6, "Revoked"), isv_level(3)])
    td("Revoked", error="Revoked", tcb=revoked)
    td("Revoked now", error="Revoked", svn=(5, 1, 6), svn2=(6, 1, 6), with_1_5=True, tcb=revoked)
    td("updated since launch", "TDRelaunchAdvised", ["INTEL-SA-00003"], svn=(4, 1, 6), with_1_5=True)
    configure = tcb_info("tdx", [level(status="ConfigurationNeeded")])
    td("updated since launch, to configure", "TDRelaunchAdvisedConfigurationNeeded", ["INTEL-SA-00003"],
       svn=(4, 1, 6), with_1_5=True, tcb=configure)
    td("now without a level", error="No matching", svn2=(6, 1, 0), with_1_5=True)
    dcap("module: SGX TCB info", "tdx", error="TCBInfo", tcb=tcb_info("sgx"))


def snp(name, verdict="reject", error="", generation="Milan", vlek=False, ca=None, certificate=(), hcl=None, **fields):
    key, made = s.vek(generation, vlek, **dict(certificate))
    r = s.report(key, generation, vlek=vlek, **fields)
    debug = bool(fields.get("policy", 0) & 1 << 19)
    case("snp: " + name, "snp", verdict, error, debug=debug, quote=r, vek=s.der(made),
         ca=ca or s.ca_bundle(generation, vlek), hcl=hcl(r) if hcl else None)


def snp_good():
    for generation in ("Milan", "Genoa", "Turin"):
        for version in (2, 3, 5):
            snp("%s report %d" % (generation, version), "accept", generation=generation, version=version)
        snp(generation + " VLEK", "accept", generation=generation, vlek=True)
    snp("stepping in the product name", "accept", certificate=dict(product="Milan-B0"))
    snp("debug is for the policy to refuse", "accept", policy=0xb0000)
    snp("ASK alone", "accept", ca=pem(s.ask("Milan")))


def snp_fields():
    snp("VMPL of the host", error="asked for by the host", vmpl=0xffffffff)
    snp("VMPL 4", error="host", vmpl=4)
    snp("version 4", error="version 4", version=4)
    snp("version 1", error="version 1", version=1)
    snp("algorithm 2", error="algorithm", algorithm=2)
    snp("policy without bit 17", error="policy", policy=0x10000)
    snp("policy with an unknown bit", error="policy", policy=0x30000 | 1 << 26)
    snp("no signing key", error="not signed by", flags=7 << 2)
    snp("unknown flag", error="not signed by", flags=1 << 5)
    for offset in (0x4c, 0x18b, 0x1eb, 0x1ef, 0x208, 0x29f):
        snp("reserved byte 0x%x" % offset, error="reserved", patch=[(offset, 1)])
    snp("mitigation vector before version 5", error="reserved", patch=[(0x1f8, 1)])
    snp("processor in version 2", error="reserved", version=2, patch=[(0x188, 0x19)])
    snp("byte behind the signature", error="reserved", after=[(0x330, 1)])
    snp("high byte of R", error="out of range", after=[(0x2a0 + 48, 1)])
    snp("high byte of S", error="out of range", after=[(0x2e8 + 71, 1)])
    snp("R is zero", error="signature", after=[(0x2a0 + i, 0) for i in range(48)])
    snp("S is the order", error="signature", after=list(zip(range(0x2e8, 0x318), int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
        .to_bytes(48, "little"))))


def snp_keys():
    for i, part in enumerate(("boot loader", "TEE", "spl4", "spl5", "spl6", "spl7", "SNP", "microcode")):
        tcb = bytearray(s.MILAN_TCB)
        tcb[i] ^= 1
        snp("VCEK of another TCB: " + part, error="another TCB", certificate=dict(tcb=bytes(tcb)))
    tcb = bytes([9]) + s.TURIN_TCB[1:]
    snp("Turin VCEK of another FMC", error="another TCB", generation="Turin", certificate=dict(tcb=tcb))
    snp("VCEK without microcode SVN", error="no SVN", certificate=dict(drop=("3.8",)))
    snp("VCEK of another chip", error="another chip", certificate=dict(chip=bytes(64)))
    snp("VCEK without a chip", error="another chip", certificate=dict(drop=("4",)))
    snp("masked chip id", error="another chip", chip=bytes(64))
    snp("Turin with a chip id of 64 bytes", error="another chip", generation="Turin",
        certificate=dict(chip=s.TURIN_CHIP + bytes(56)))
    snp("Turin with a long chip id", error="too long", generation="Turin", chip=s.TURIN_CHIP + bytes(55) + b"\1")
    snp("product of another generation", error="product", certificate=dict(product="Genoa"))
    snp("product that only begins alike", error="product", certificate=dict(product="Milano"))
    snp("no product", error="product", certificate=dict(drop=("2",)))
    snp("processor of another generation", error="another generation", cpuid=(0x19, 0x11, 1))
    snp("Turin's processor on Milan", error="another generation", cpuid=(0x1a, 1, 1))
    snp("VCEK where the report names a VLEK", error="not the VLEK", flags=4)
    snp("VLEK where the report names a VCEK", error="not the VCEK", vlek=True, flags=0)
    snp("VLEK with a chip", error="names a chip", vlek=True, certificate=dict(more=(("4", s.CHIP),)))
    snp("VLEK with a control character", error="malformed provider", vlek=True, certificate=dict(provider=b"CN=\x01"))
    snp("VLEK with a long provider", error="malformed provider", vlek=True, certificate=dict(provider=b"C" * 64))
    snp("VLEK without a provider", error="no provider", vlek=True, certificate=dict(drop=("5",)))
    snp("VCEK with another name", error="not the VCEK", certificate=dict(subject="SEV-VLEK"))
    snp("VCEK expired", error="expired", certificate=dict(end=AT - 1))
    snp("VCEK of tomorrow", error="not yet valid", certificate=dict(begin=AT + 1))
    snp("VCEK signed with SHA-256", error="algorithms", certificate=dict(kind="pss256"))
    snp("VCEK signed without PSS", error="algorithms", certificate=dict(kind="pkcs1"))
    snp("VCEK by another key", error="VEK chain", certificate=dict(issuer_key=s.OTHER_ARK_KEY))
    snp("VCEK that is a CA", error="CA", certificate=dict(ca=True))


def snp_chains():
    snp("ASK that is no CA", error="VEK chain", ca=s.ca_bundle("Milan", ca=False))
    snp("ASK expired", error="expired", ca=s.ca_bundle("Milan", end=AT - 1))
    snp("ASK of another ARK", error="VEK chain", ca=s.ca_bundle("Milan", ark_key=s.OTHER_ARK_KEY))
    other = s.ark("Milan", s.OTHER_ARK_KEY)
    snp("another ARK with the same name", error="another CA", ca=s.ca_bundle("Milan", root=other, ark_key=s.OTHER_ARK_KEY))
    snp("ARK of another generation", error="another CA", ca=s.ca_bundle("Milan", root=s.ARKS["Genoa"]))
    snp("ASVK in place of the ASK", error="another CA", ca=s.ca_bundle("Milan", vlek=True))
    snp("ASVK beside the ASK", error="another CA", ca=pem(s.ask("Milan"), s.ask("Milan", True), s.ARKS["Milan"]))
    snp("no ASK", error="VEK chain", ca=pem(s.ARKS["Milan"]))
    chain = s.ca_bundle("Milan", serial=77)
    snp("revocation list that clears", "accept", ca=chain + s.ark_list([3, 78]))
    snp("ASK revoked", error="revoked", ca=chain + s.ark_list([77]))
    snp("ASK revoked by the second list", error="revoked", ca=s.ark_list() + chain + s.ark_list([77]))
    snp("revocation list expired", error="not current", ca=chain + s.ark_list(end=AT - 1))
    snp("revocation list of tomorrow", error="not current", ca=chain + s.ark_list(begin=AT + 1))
    snp("revocation list by another key", error="another CA", ca=chain + s.ark_list(key=s.OTHER_ARK_KEY))
    snp("revocation list of another generation", error="another CA", ca=chain + s.ark_list(generation="Genoa"))
    snp("revocation list without PSS", error="another CA", ca=chain + s.ark_list(kind="pkcs1"))
    snp("revocation list with a critical extension", error="critical", ca=chain + s.ark_list(critical=True))
    snp("revocation list broken", error="PEM", ca=chain + s.ark_list().replace("M", "-", 1))
    key, made = s.vek()
    case("snp: no certificate", "snp", error="no VCEK", quote=s.report(key), ca=s.ca_bundle("Milan"))
    case("snp: no CA bundle", "snp", error="no CA", quote=s.report(key), vek=s.der(made))
    case("snp: certificate in PEM", "snp", "accept", quote=s.report(key), vek=pem(made), ca=s.ca_bundle("Milan"))
    case("snp: two certificates in PEM", "snp", error="not one", quote=s.report(key), vek=pem(made, made),
         ca=s.ca_bundle("Milan"))


def hcl():
    data = b'{"keys":[{"kid":"HCLAkPub"}]}'
    for name, digest, kind in (("SHA-256", hashlib.sha256, 1), ("SHA-384", hashlib.sha384, 2), ("SHA-512", hashlib.sha512, 3)):
        hashed = digest(data).digest()
        snp("HCL " + name, "accept", report_data=hashed + bytes(64 - len(hashed)),
            hcl=lambda r, k=kind: s.hcl(r, data, hash_type=k))
    bound = hashlib.sha256(data).digest() + bytes(32)
    td = td_report().replace(bytes([0xda] * 64), bound)
    case("tdx: HCL", "tdx", "accept", status="UpToDate", quote=quote("tdx", body=td), collateral=collateral("tdx"),
         hcl=s.hcl(bytes(1184), data, report_type=4))
    case("tdx: HCL of another", "tdx", error="report_data", quote=quote("tdx"), collateral=collateral("tdx"),
         hcl=s.hcl(bytes(1184), data, report_type=4))
    case("sgx: HCL", "sgx", error="does not go", quote=quote("sgx"), collateral=collateral("sgx"), hcl=s.hcl(bytes(1184)))
    for name, error, change in (
            ("other data", "report_data", dict(data=b"{}")), ("TDX's", "another TEE", dict(report_type=4)),
            ("unknown hash", "hash type", dict(hash_type=4)), ("other magic", "no HCL", dict(magic=b"HCLB")),
            ("other size", "lengths", dict(size=1216)), ("text behind", "bytes behind", dict(tail=b"x")),
            ("version 3", "unknown version", dict(version=3)), ("request 1", "unknown version", dict(request=1)),
            ("status 1", "unknown version", dict(status=1)), ("words 2", "unknown version", dict(words_version=2)),
            ("too large", "larger than", dict(tail=bytes(65536)))):
        snp("HCL: " + name, error=error, report_data=bound, hcl=lambda r, c=change: s.hcl(r, **{"data": data, **c}))
    snp("HCL: another report", error="another hardware report", report_data=bound,
        hcl=lambda r: s.hcl(r[:-1] + b"\1", data))
    bad = b"[1]"
    snp("HCL: no JSON object", error="JSON", report_data=hashlib.sha256(bad).digest() + bytes(32),
        hcl=lambda r: s.hcl(r, bad))
    snp("HCL: hash is not all of it", error="report_data", report_data=bound[:63] + b"\1", hcl=lambda r: s.hcl(r, data))


def oracle():
    import dcap_qvl
    same = 0
    for c in cases:
        if c["tee"] == "snp" or "collateral" not in c:
            continue
        q, j = c["parts"]["quote"], json.dumps(c["parts"]["collateral"])
        try:
            r = dcap_qvl.verify_with_root_ca(q, dcap_qvl.QuoteCollateralV3.from_json(j), s.der(s.ROOT.certificate), c["at"])
            theirs = (r.status, list(r.advisory_ids))
        except Exception as e:
            theirs = (None, [], str(e))
        if theirs[:2] == (c["tcb_status"], c["advisory_ids"]):
            same += 1
        else:
            print("%s: expected %s %s, dcap-qvl says %s" % (c["name"], c["verdict"], c["tcb_status"], theirs))
    print("%d cases as dcap-qvl" % same)


for group in (intel_good, intel_chains, intel_quote, intel_tcb, intel_qe, tdx_module, snp_good, snp_fields, snp_keys,
              snp_chains, hcl):
    group()
roots = dict(intel=blob(s.der(s.ROOT.certificate)), **{g.lower(): blob(s.der(a)) for g, a in s.ARKS.items()})
if "--oracle" in sys.argv:
    oracle()
for c in cases:
    del c["parts"]
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vectors/synthetic.json")
with open(path, "w") as f:
    f.write('{"roots":%s,\n"cases":[\n' % json.dumps(roots))
    f.write(",\n".join(json.dumps(c) for c in cases))
    f.write('\n],\n"blobs":{\n' + ",\n".join('"%s":"%s"' % b for b in blobs.items()) + "}}\n")
print("%d cases, %d bytes" % (len(cases), os.path.getsize(path)))
