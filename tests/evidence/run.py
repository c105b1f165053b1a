#!/usr/bin/env python3
"""The evidence verifiers against vectors of real hardware, through the command line.

run.py [TFAAS]: every vector of tests/vectors, and of the folder that TFAAS_VECTORS names, must get its verdict, status,
advisories, error and fields; and whatever changes one thing in it must be rejected. Ends with "N passed, N failed".
"""
import datetime
import glob
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TFAAS = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../build/tfaas")
EXIT = {"accept": 0, "policy": 1, "reject": 2}
KEYS = ["tee", "verdict", "tcb_status", "advisory_ids", "error", "fields"]
DAY = 86400
passed = failed = 0
scratch = tempfile.TemporaryDirectory()


def check(good, what, detail=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("FAILED %s: %s" % (what, str(detail)[:600]))


def file(name, data):
    path = os.path.join(scratch.name, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def appraise(evidence, at):
    """evidence: option -> bytes. Returns (exit code, parsed output)."""
    words = [TFAAS, "evidence", "appraise", "--tee", evidence["tee"], "--at", str(at), "--json"]
    for key in ("quote", "collateral", "vek", "ca", "hcl"):
        if evidence.get(key) is not None:
            words += ["--" + key, file(key, evidence[key])]
    r = subprocess.run(words, capture_output=True, text=True, timeout=300)
    try:
        return r.returncode, json.loads(r.stdout)
    except ValueError:
        return r.returncode, {"verdict": None, "error": r.stderr, "fields": {}}


def load(folder, root):
    expected = json.load(open(os.path.join(folder, "expected.json")))
    read = lambda name, base=folder: open(os.path.join(base, name), "rb").read()
    has = lambda name: os.path.exists(os.path.join(folder, name))
    evidence = {"tee": expected["tee"]}
    if expected["tee"] == "snp":
        evidence.update(quote=read("report.bin"), vek=read("vek.der"), ca=read(expected["ca_chain"], root))
    else:
        evidence["quote"] = read("quote.bin")
        if has("collateral.json"):
            evidence["collateral"] = read("collateral.json")
    if has("hcl-report.bin"):
        evidence["hcl"] = read("hcl-report.bin")
    return expected, evidence


def inside_validity(quote):
    """A day after the PCK certificate's notBefore: the second time but one in a certificate of the quote is it."""
    import base64
    pem = re.search(rb"-----BEGIN CERTIFICATE-----(.*?)-----END", quote, re.S).group(1)
    begin = re.search(rb"\x30\x1e\x17\x0d(\d{12})Z\x17\x0d\d{12}Z", base64.b64decode(pem)).group(1).decode()
    start = datetime.datetime.strptime(begin, "%y%m%d%H%M%S").replace(tzinfo=datetime.timezone.utc)
    return int(start.timestamp()) + DAY


def positive(name, expected, evidence):
    at = expected.get("verify_at_unix") or inside_validity(evidence["quote"])
    verdict, status, error = expected["verdict"], expected.get("tcb_status"), expected.get("error", "")
    if verdict == "signature-ok":
        debug = expected["fields"]["debug"]
        verdict, status = ("reject", None) if debug else ("policy", "Unknown")
        error = "Verification failed: Debug mode is enabled" if debug else ""
    code, out = appraise(evidence, at)
    check(list(out) == KEYS and out["tee"] == expected["tee"], name + " has the keys of the contract", out)
    check(out["verdict"] == verdict and code == EXIT[verdict], name + " is " + verdict, (code, out))
    check(out["tcb_status"] == status, name + " has its TCB status", out)
    check(out["advisory_ids"] == expected.get("advisory_ids", []), name + " has its advisories", out)
    good = out["error"] == error if expected["tee"] != "snp" else bool(out["error"]) == (verdict == "reject")
    check(good, name + " has its error", out["error"])
    wrong = {k: (v, out["fields"].get(k)) for k, v in expected["fields"].items() if out["fields"].get(k, None) != v}
    check(not wrong, name + " has its fields", wrong)
    if "expired_at_unix" in expected:
        code, out = appraise(evidence, expected["expired_at_unix"])
        check(code == 2 and out["error"] == expected["expired_verdict"]["error"], name + " expires", out)
    if evidence.get("collateral") and verdict != "reject":
        code, out = appraise({**evidence, "collateral": None}, at)
        check(code == 1 and out["tcb_status"] == "Unknown", name + " without collateral is at most policy", out)
    return at


def flip(data, offset, bit=0):
    out = bytearray(data)
    out[offset] ^= 1 << bit
    return bytes(out)


def quote_negatives(q):
    version, tee = struct.unpack_from("<H2xI", q)
    body = 54 if version == 5 else 48
    size = struct.unpack_from("<I", q, 50)[0] if version == 5 else 384 if tee == 0 else 584
    length_at = body + size
    length = struct.unpack_from("<I", q, length_at)[0]
    sig, end = length_at + 4, length_at + 4 + length
    qe = sig + 128 + (6 if version >= 4 else 0)
    auth = struct.unpack_from("<H", q, qe + 448)[0]
    data_at = qe + 450 + auth
    for offset in list(range(0, length_at, 37)) + [2, 4, 12, 27, 28, 47, length_at - 1]:
        yield "signed byte %d" % offset, flip(q, offset, offset % 8)
    for at, what in ((sig, "r"), (sig + 32, "s"), (sig + 64, "key x"), (sig + 127, "key y"), (qe, "QE CPU SVN"),
                     (qe + 48, "QE attributes"), (qe + 128, "QE MRSIGNER"), (qe + 258, "QE ISVSVN"),
                     (qe + 320, "QE report data"), (qe + 383, "QE report data end"), (qe + 384, "QE r"),
                     (qe + 447, "QE s"), (qe + 448, "authentication size"), (qe + 450, "authentication"),
                     (data_at, "certificate type"), (data_at + 2, "certificate size"), (length_at, "length"),
                     (length_at + 3, "length, high byte")):
        yield what, flip(q, at)
    yield "signature zero", q[:sig] + bytes(64) + q[sig + 64:]
    yield "signature of ones", q[:sig] + b"\xff" * 64 + q[sig + 64:]
    yield "key zero", q[:sig + 64] + bytes(64) + q[sig + 128:]
    yield "key and QE hash from nothing", q[:sig + 64] + bytes(64) + q[sig + 128:qe + 320] + bytes(64) + q[qe + 384:]
    for cut in (0, 1, 47, 48, length_at, sig, qe, qe + 450, data_at, end - 2, end - 1):
        yield "cut at %d" % cut, q[:cut]
    yield "a byte too many inside", q[:length_at] + struct.pack("<I", length + 1) + q[sig:end] + b"\0"
    pem = q.find(b"-----BEGIN", data_at)
    for step in (30, 200, 700, 1000):
        yield "certificate byte %d" % step, q[:pem + step] + (b"A" if q[pem + step:pem + step + 1] != b"A" else b"B") + q[pem + step + 1:]
    blocks = re.findall(rb"-----BEGIN.*?-----END CERTIFICATE-----\n?", q[pem:end], re.S)
    for i in range(3):
        rest = b"".join(b for k, b in enumerate(blocks) if k != i)
        if i < 2:  # the root itself is pinned, and need not be sent
            yield "chain without certificate %d" % i, q[:pem] + rest + b"\n" * (end - pem - len(rest)) + q[end:]


def collateral_negatives(text, others):
    c = json.loads(text)
    put = lambda **change: json.dumps({**c, **change}).encode()
    for key in c:
        yield "no " + key, json.dumps({k: v for k, v in c.items() if k != key}).encode()
        yield "empty " + key, put(**{key: ""})
        yield key + " is a number", put(**{key: 1})
        if key.endswith("signature") or key.endswith("crl"):
            raw = bytes.fromhex(c[key])
            for offset in range(0, len(raw), max(1, len(raw) // 5)):
                yield "%s byte %d" % (key, offset), put(**{key: flip(raw, offset).hex()})
            yield key + " cut", put(**{key: c[key][:-2]})
            yield key + " longer", put(**{key: c[key] + "00"})
            yield key + " of half a byte", put(**{key: c[key][:-1]})
    for key in ("tcb_info", "qe_identity"):
        s = c[key]
        for old, new in (("UpToDate", "uptodate"), ('"svn":', '"svn": '), ("2025-", "2024-"), ("2026-", "2027-"), ("}", "} "),
                         ("{", " {"), ("OutOfDate", "UpToDate"), ('"isvsvn":', '"isvsvn":0')):
            if old in s:
                yield "%s: %s" % (key, old), put(**{key: s.replace(old, new, 1)})
        yield key + " with a key twice", put(**{key: s[:-1] + ',"fmspc":"000000000000"}'})
    yield "statements exchanged", put(tcb_info=c["qe_identity"], tcb_info_signature=c["qe_identity_signature"])
    yield "root list in place of the PCK list", put(pck_crl=c["root_ca_crl"])
    yield "PCK list in place of the root list", put(root_ca_crl=c["pck_crl"])
    for key in ("tcb_info_issuer_chain", "qe_identity_issuer_chain"):
        yield key + " is the PCK CA's", put(**{key: c["pck_crl_issuer_chain"]})
    yield "PCK CRL chain is the TCB signer's", put(pck_crl_issuer_chain=c["tcb_info_issuer_chain"])
    for junk in (b"", b"{", b"[]", b"null", text + b"{}", text[:-3], b"\xef\xbb\xbf" + text, text[:1] + b'"a":1,"a":1,' + text[1:]):
        yield "not the JSON", junk
    for other in others:
        o = json.loads(other)
        if o["tcb_info"] != c["tcb_info"]:
            yield "TCB info of another platform", put(**{k: o[k] for k in c if k.startswith("tcb_info")})


def key_of(certificate):
    return re.search(rb"\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04(.{96})", certificate, re.S).group(1)


def snp_negatives(evidence, others):
    r, vek, ca = evidence["quote"], evidence["vek"], evidence["ca"]
    for offset in list(range(0, 0x2a0, 13)) + [0x0a, 0x30, 0x34, 0x48, 0x188, 0x29f]:
        yield "report byte 0x%x" % offset, {"quote": flip(r, offset, offset % 8)}
    for offset in list(range(0x2a0, 0x330, 5)) + [0x330, 0x49f]:
        yield "signature byte 0x%x" % offset, {"quote": flip(r, offset)}
    for name, data in (("cut", r[:-1]), ("longer", r + b"\0"), ("empty", b""), ("twice", r + r),
                       ("without signature", r[:0x2a0]), ("zero signature", r[:0x2a0] + bytes(512)),
                       ("r and s exchanged", r[:0x2a0] + r[0x2e8:0x330] + r[0x2a0:0x2e8] + r[0x330:])):
        yield "report " + name, {"quote": data}
    for offset in range(4, len(vek), 41):
        yield "VEK byte %d" % offset, {"vek": flip(vek, offset, offset % 8)}
    for name, data in (("cut", vek[:-1]), ("longer", vek + b"\0"), ("empty", b"")):
        yield "VEK " + name, {"vek": data}
    blocks = re.findall(rb"-----BEGIN.*?-----END CERTIFICATE-----\n?", ca, re.S)
    yield "only the ARK", {"ca": blocks[1]}
    yield "ASK changed", {"ca": ca[:900] + (b"A" if ca[900:901] != b"A" else b"B") + ca[901:]}
    yield "no certificates", {"ca": b"\n"}
    yield "text around the certificates", {"ca": b"x\n" + ca}
    yield "encrypted PEM", {"ca": ca.replace(b"-----\n", b"-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1)}
    for other in others:
        if key_of(other["vek"]) != key_of(vek):  # a chip's certificate may be issued twice
            yield "VEK of another report", {"vek": other["vek"]}
        if other["ca"] != ca:
            yield "CA of another report", {"ca": other["ca"]}


def hcl_negatives(hcl):
    size = struct.unpack_from("<I", hcl, 8)[0]
    for offset in (0, 4, 8, 12, 16, 32, 33, 1215, 1216, 1220, 1224, 1228, 1232, 1236, 1300, size - 1):
        yield "HCL byte %d" % offset, hcl[:offset] + bytes([hcl[offset] ^ 0x11]) + hcl[offset + 1:]
    for cut in (0, 31, 32, 1216, 1236, size - 1):
        yield "HCL cut at %d" % cut, hcl[:cut]
    yield "HCL with a tail", hcl + b"x"


def negatives(name, evidence, at, siblings):
    reject = lambda what, change, when=at: (lambda r: check(
        r[0] == 2 and r[1]["verdict"] == "reject" and r[1]["error"], "%s: %s" % (name, what), r))(
            appraise({**evidence, **change}, when))
    if evidence["tee"] == "snp":
        for what, change in snp_negatives(evidence, siblings):
            reject(what, change)
    else:
        for what, data in quote_negatives(evidence["quote"]):
            reject(what, {"quote": data})
        for what, data in collateral_negatives(evidence["collateral"], [s["collateral"] for s in siblings]):
            reject(what, {"collateral": data})
        reject("before its collateral", {}, at - 400 * DAY)
    for when in (at - 20 * 365 * DAY, at + 30 * 365 * DAY, 0, 2 ** 62):
        reject("at %d" % when, {}, when)
    if evidence.get("hcl") and evidence["tee"] == "snp":
        for what, data in hcl_negatives(evidence["hcl"]):
            reject(what, {"hcl": data})
    for tee in {"sgx", "tdx"} - {evidence["tee"]} if evidence["tee"] != "snp" else ():
        reject("as " + tee, {"tee": tee})


def usage():
    empty = file("empty", b"")
    for words in ([], ["evidence"], ["evidence", "appraise"], ["evidence", "appraise", "--tee", "sgx", "--quote", empty],
                  ["evidence", "appraise", "--tee", "sev", "--quote", empty, "--at", "1"],
                  ["evidence", "appraise", "--tee", "sgx", "--quote", empty, "--at", "x"],
                  ["evidence", "appraise", "--tee", "sgx", "--quote", empty, "--at", "-1"],
                  ["evidence", "appraise", "--tee", "sgx", "--quote", empty, "--at"],
                  ["evidence", "appraise", "--tee", "sgx", "--quote", empty, "--at", "1", "--vek", empty],
                  ["evidence", "appraise", "--tee", "snp", "--quote", empty, "--at", "1"],
                  ["evidence", "appraise", "--tee", "sgx", "--quote", empty + ".none", "--at", "1"],
                  ["evidence", "appraise", "--tee", "sgx", "--quote", empty, "--at", "1", "--quote", empty]):
        r = subprocess.run([TFAAS] + words, capture_output=True, text=True, timeout=300)
        check(r.returncode == 64 and r.stderr and not r.stdout, "usage: %s" % words, r)
    r = subprocess.run([TFAAS, "evidence", "appraise", "--tee", "tdx", "--quote", empty, "--at", "1"],
                       capture_output=True, text=True, timeout=300)
    check(r.returncode == 2 and r.stdout.startswith("tdx: reject"), "without --json: text", r)


def main():
    roots = [os.path.join(HERE, "../vectors")] + ([os.environ["TFAAS_VECTORS"]] if os.environ.get("TFAAS_VECTORS") else [])
    usage()
    for root in roots:
        all = {}
        for folder in sorted(os.path.dirname(p) for p in glob.glob(os.path.join(root, "*", "*", "expected.json"))):
            expected, evidence = load(folder, root)
            name = os.path.basename(folder)
            all[name] = (positive(name, expected, evidence), expected, evidence)
        check(len(all) >= 10, root + " has vectors", list(all))
        for name, (at, expected, evidence) in all.items():
            if expected["verdict"] in ("accept", "policy") and (evidence.get("collateral") or evidence["tee"] == "snp"):
                siblings = [e for n, (_, _, e) in all.items() if n != name and e["tee"] == evidence["tee"] and
                            (e.get("collateral") or e["tee"] == "snp")]
                negatives(name, evidence, at, siblings)
    print("%d passed, %d failed" % (passed, failed))
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
