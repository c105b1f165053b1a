// dcap.js - DCAP quotes of SGX (version 3) and TDX (versions 4 and 5; report bodies 1.0 and 1.5):
// layout (Intel SGX ECDSA QuoteLib Reference A.4, TDX DCAP Quoting Library API A.3), and the line
// of signatures root > PCK CA > PCK certificate > QE report > attestation key > header and body.

import { Cursor, equal, hex, isZero, text, unhex } from "../bytes.js";
import { ecKey, ecdsaVerify, sha256 } from "../crypto.js";
import { Collateral } from "./collateral.js";
import { Der, TAG } from "./der.js";
import { reject } from "./reject.js";
import { judge } from "./tcb.js";
import { findPath, pemCertificates, verifyPath } from "./x509.js";

const HEADER_SIZE = 48, SGX_BODY = 384, TD_1_0 = 584, TD_1_5 = 648;
const TEE_TYPE = { sgx: 0x00, tdx: 0x81 };
const KEY_P256 = 2, CERT_PEM = 5, CERT_QE_REPORT = 6;
const QE_VENDOR = "939a7233f79c4ca9940a0db3957f0607";
const OID_SGX = "2a864886f84d010d01", OID_SGX_TCB = OID_SGX + "02";
/** MRSIGNER and product of Intel's quoting enclaves, for evidence without a QE identity. */
const QE_SIGNER = {
    sgx: ["8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff", 1],
    tdx: ["dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5", 2],
};

const cursor = (bytes) => new Cursor(bytes, () => reject("quote: truncated"));

/** SGX report body (Intel SDM volume 3D, table 39-21). */
function readReport(bytes) {
    const c = cursor(bytes);
    const r = { cpuSvn: c.take(16), miscSelect: c.take(4) };
    c.take(12);
    r.isvExtProdId = c.take(16);
    r.attributes = c.take(16);
    r.mrEnclave = c.take(32);
    c.take(32);
    r.mrSigner = c.take(32);
    c.take(32);
    r.configId = c.take(64);
    r.isvProdId = c.le(2);
    r.isvSvn = c.le(2);
    r.configSvn = c.le(2);
    c.take(42);
    r.isvFamilyId = c.take(16);
    r.reportData = c.take(64);
    return r;
}

function readTd(bytes) {
    const c = cursor(bytes);
    const td = {
        teeTcbSvn: c.take(16), mrSeam: c.take(48), mrSignerSeam: c.take(48), seamAttributes: c.take(8),
        tdAttributes: c.take(8), xfam: c.take(8), mrTd: c.take(48), mrConfigId: c.take(48), mrOwner: c.take(48),
        mrOwnerConfig: c.take(48), rtMr: [c.take(48), c.take(48), c.take(48), c.take(48)], reportData: c.take(64),
    };
    if (c.left > 0) Object.assign(td, { teeTcbSvn2: c.take(16), mrServiceTd: c.take(48) });
    return td;
}

/** Which body: [size of what precedes it, its size]. */
function layout(quote, tee) {
    const version = cursor(quote).le(2);
    if (tee === "sgx" && version === 3) return [version, 0, SGX_BODY];
    if (tee === "tdx" && version === 4) return [version, 0, TD_1_0];
    if (tee !== "tdx" || version !== 5) throw reject(`quote: version ${version}`);
    const c = cursor(quote);
    c.take(HEADER_SIZE);
    const type = c.le(2), size = c.le(4);
    const expected = { 2: TD_1_0, 3: TD_1_5 }[type];
    if (size !== expected) throw reject(`quote: body type ${type} of ${size} bytes`);
    return [version, 6, size];
}

/** Splits a quote without judging it. */
export function parseQuote(quote, tee) {
    const [version, skip, size] = layout(quote, tee);
    const c = cursor(quote);
    c.take(2);
    const keyType = c.le(2), teeType = c.le(4);
    c.take(4);
    const vendor = c.take(16);
    c.take(20);
    const body = c.take(skip + size).subarray(skip);
    const data = c.take(c.le(4));
    if (keyType !== KEY_P256) throw reject(`quote: attestation key type ${keyType}`);
    if (teeType !== TEE_TYPE[tee]) throw reject(`quote: it is of another TEE (0x${teeType.toString(16)})`);
    if (hex(vendor) !== QE_VENDOR) throw reject("quote: unknown QE vendor");
    return {
        version, body, signed: quote.subarray(0, HEADER_SIZE + skip + size), tail: c.rest(),
        ...signatureData(version, data),
    };
}

function signatureData(version, data) {
    let c = cursor(data);
    const to = { signature: c.take(64), attestationKey: c.take(64) };
    if (version >= 4) {
        if (c.le(2) !== CERT_QE_REPORT) throw reject("quote: certification data is not a QE report");
        const inner = c.take(c.le(4));
        c.end();
        c = cursor(inner);
    }
    to.qeReportBytes = c.take(SGX_BODY);
    to.qeSignature = c.take(64);
    to.qeAuth = c.take(c.le(2));
    const type = c.le(2);
    if (type !== CERT_PEM) throw reject(`quote: no PCK certificate chain inside (type ${type})`);
    to.pckChain = c.take(c.le(4));
    c.end();
    to.qeReport = readReport(to.qeReportBytes);
    return to;
}

// --- the SGX extension of a PCK certificate (Intel PCK Certificate and CRL Profile, 1.3.5) ---

/** SEQUENCE OF SEQUENCE { OID, value }: calls `take[last part of the OID]` with the value's reader. */
function entries(list, prefix, take) {
    const seen = new Set();
    while (list.more) {
        const entry = list.enter(TAG.SEQUENCE);
        const oid = entry.oid();
        const last = parseInt(oid.slice(prefix.length), 16);
        if (!oid.startsWith(prefix) || oid.length !== prefix.length + 2 || seen.has(last)) throw list.bad();
        seen.add(last);
        if (take(last, entry)) entry.end();
    }
    return seen;
}

function pckExtension(certificate) {
    const outer = new Der(certificate.extensions.get(OID_SGX), "SGX extension of the PCK certificate");
    const list = outer.enter(TAG.SEQUENCE);
    outer.end();
    const pck = { componentSvn: new Uint8Array(16) };
    const seen = entries(list, OID_SGX, (last, value) => {
        if (last === 1) pck.ppid = value.octets(16);
        else if (last === 2) pckTcb(value.enter(TAG.SEQUENCE), pck);
        else if (last === 3) pck.pceId = value.octets(2);
        else if (last === 4) pck.fmspc = value.octets(6);
        else if (last === 5) pck.sgxType = value.uint(TAG.ENUMERATED);
        else if (last === 6) pck.platformInstanceId = value.octets(16);
        else return false;
        return true;
    });
    for (let i = 1; i <= 5; i++) if (!seen.has(i)) throw list.bad();
    return pck;
}

function pckTcb(list, pck) {
    const seen = entries(list, OID_SGX_TCB, (last, value) => {
        if (last === 18) {
            pck.cpuSvn = value.octets(16);
            return true;
        }
        const number = value.uint();
        if (last < 1 || last > 17 || number > (last === 17 ? 0xffff : 0xff)) throw list.bad();
        if (last === 17) pck.pceSvn = number;
        else pck.componentSvn[last - 1] = number;
        return true;
    });
    if (seen.size !== 18) throw list.bad();
    // Today each component is a byte of CPU SVN. Should they ever differ, the lower one counts.
    pck.componentSvn = pck.componentSvn.map((svn, i) => Math.min(svn, pck.cpuSvn[i]));
}

function findPck(chain) {
    const found = chain.filter((one) => one.extensions.has(OID_SGX));
    if (found.length !== 1)
        throw reject(`PCK chain: ${found.length === 0 ? "no PCK certificate" : "two PCK certificates"}`);
    return found[0];
}

function pckIdentity(pck) {
    if (pck.issuerName !== "Intel SGX PCK Platform CA" && pck.issuerName !== "Intel SGX PCK Processor CA")
        throw reject("PCK certificate: not of a PCK CA");
    if (pck.subjectName !== "Intel SGX PCK Certificate")
        throw reject("PCK certificate: another certificate's name");
    if (pck.isCa || !pck.mayUse("digitalSignature")) throw reject("PCK certificate: not for signing");
}

async function signatures(quote, pck) {
    if (!(await ecdsaVerify(await pck.key(), quote.qeSignature, quote.qeReportBytes)))
        throw reject("Signature is invalid for qe_report in quote");
    const binding = quote.qeReport.reportData;
    if (!equal(await sha256(quote.attestationKey, quote.qeAuth), binding.subarray(0, 32)) ||
        !isZero(binding.subarray(32)))
        throw reject("QE report hash mismatch");
    if (quote.qeReport.attributes[0] & 2) throw reject("QE is a debug enclave");
    const key = await ecKey("P-256", quote.attestationKey).catch(() => null);
    if (!key || !(await ecdsaVerify(key, quote.signature, quote.signed))) throw reject("Quote signature is invalid");
}

function qeIsIntels(quote, tee) {
    const [signer, product] = QE_SIGNER[tee];
    if (!equal(quote.qeReport.mrSigner, unhex(signer)) || quote.qeReport.isvProdId !== product)
        throw reject("QE is not Intel's");
}

async function verifyQuote(quote, tee, td, evidence, out) {
    const { atUnix: at, roots: { intel: root } } = evidence;
    const collateral = evidence.collateral === undefined ? null : new Collateral(evidence.collateral);
    if (collateral) await collateral.check(root, at);
    let pem;
    try {
        pem = text(quote.pckChain);
    } catch {
        throw reject("PCK chain: not a list of PEM certificates");
    }
    const chain = pemCertificates(pem, "PCK chain");
    const pck = findPck(chain);
    const path = findPath(pck, chain, root, 3, "PCK chain");
    out.expiresUnix = await verifyPath(path, root, at, "PCK chain");
    if (collateral) {
        await collateral.checkRevocation(path, root, at);
        out.expiresUnix = Math.min(out.expiresUnix, collateral.ends);
    }
    pckIdentity(pck);
    const extension = pckExtension(pck);
    out.platformId = extension.ppid;
    Object.assign(out.fields, { fmspc: hex(extension.fmspc), pce_id: hex(extension.pceId) });
    await signatures(quote, pck);
    if (collateral) judge(tee, collateral, quote, extension, td, out);
    else {
        qeIsIntels(quote, tee);
        out.tcbStatus = "Unknown";
    }
}

function noTail(quote) {
    if (!isZero(quote.tail)) throw reject("quote: bytes behind the signature data");
}

export async function appraiseSgx(evidence, out) {
    const quote = parseQuote(evidence.quote, "sgx");
    const report = readReport(quote.body);
    Object.assign(out, {
        formatVersion: quote.version, measurement: report.mrEnclave, reportData: report.reportData,
        svn: report.isvSvn, debug: (report.attributes[0] & 2) !== 0,
    });
    out.fields = {
        mr_enclave: hex(report.mrEnclave), mr_signer: hex(report.mrSigner), report_data: hex(report.reportData),
        attributes: hex(report.attributes), cpu_svn: hex(report.cpuSvn), isv_prod_id: report.isvProdId,
        isv_svn: report.isvSvn, misc_select: hex(report.miscSelect), debug: out.debug,
        config_id: hex(report.configId), config_svn: report.configSvn,
    };
    await verifyQuote(quote, "sgx", null, evidence, out);
    if (out.debug) throw reject("Debug mode is enabled");
    if (!(report.attributes[0] & 1)) throw reject("the enclave was not initialised");
    noTail(quote);
}

// TD ATTRIBUTES (Intel TDX Module ABI Specification, table "ATTRIBUTES"): first bit, last bit.
const TD_RULES = [
    [0, 0, "Debug mode is enabled"],
    [4, 6, "TD profiling is enabled"],
    [1, 3, "Reserved bits in TD attributes are set"],
    [7, 15, "Reserved bits in TD attributes are set"],
    [23, 26, "Reserved bits in TD attributes are set"],
    [32, 61, "Reserved bits in TD attributes are set"],
    [29, 29, "TD migration is enabled"],
    [17, 17, "SERVTD_EXT is enabled"],
];
const SEPT_VE_DISABLE = 28;

function attributesAllowed(td) {
    const bit = (i) => (td.tdAttributes[i >> 3] >> (i & 7)) & 1;
    if (td.mrServiceTd && !isZero(td.mrServiceTd)) throw reject("Invalid MR service TD");
    for (const [first, last, why] of TD_RULES)
        for (let i = first; i <= last; i++) if (bit(i)) throw reject(why);
    if (!bit(SEPT_VE_DISABLE)) throw reject("SEPT_VE_DISABLE is not enabled");
}

export async function appraiseTdx(evidence, out) {
    const quote = parseQuote(evidence.quote, "tdx");
    const td = readTd(quote.body);
    Object.assign(out, {
        formatVersion: quote.version, measurement: td.mrTd, reportData: td.reportData, svn: 0,
        debug: (td.tdAttributes[0] & 1) !== 0,
    });
    out.fields = {
        report_data: hex(td.reportData), mr_td: hex(td.mrTd), mr_config_id: hex(td.mrConfigId),
        mr_owner: hex(td.mrOwner), mr_owner_config: hex(td.mrOwnerConfig), mr_seam: hex(td.mrSeam),
        mr_signer_seam: hex(td.mrSignerSeam), seam_attributes: hex(td.seamAttributes),
        td_attributes: hex(td.tdAttributes), tee_tcb_svn: hex(td.teeTcbSvn), xfam: hex(td.xfam),
    };
    td.rtMr.forEach((value, i) => (out.fields[`rt_mr${i}`] = hex(value)));
    if (td.teeTcbSvn2)
        Object.assign(out.fields, { tee_tcb_svn2: hex(td.teeTcbSvn2), mr_service_td: hex(td.mrServiceTd) });
    await verifyQuote(quote, "tdx", td, evidence, out);
    attributesAllowed(td);
    noTail(quote);
}
