// snp.js - AMD SEV-SNP attestation reports 2, 3 and 5 (AMD 56860 table 23) and the certificates of
// the keys that sign them (AMD 57230): VCEK of a chip, VLEK of a cloud provider, under the pinned
// ARK of Milan, Genoa or Turin.

import { Cursor, equal, hex, isZero, utf8 } from "../bytes.js";
import { ecdsaVerify } from "../crypto.js";
import { Der } from "./der.js";
import { reject } from "./reject.js";
import { Certificate, findPath, pemCertificates, verifyPath } from "./x509.js";

const REPORT_SIZE = 1184, SIGNED_SIZE = 0x2a0;
const POLICY = { smt: 16n, one: 17n, migrate: 18n, debug: 19n, singleSocket: 20n };
const POLICY_KNOWN = (1n << 26n) - 1n;
const VLEK = 1;
const OID_AMD = "2b060104019c7801"; // 1.3.6.1.4.1.3704.1
const IA5_STRING = 0x16;
// Which SVN extension (below .3) is which byte of a TCB_VERSION (56860 tables 3 and 4).
const TCB_BYTES = { Milan: [1, 2, 4, 5, 6, 7, 3, 8], Genoa: [1, 2, 4, 5, 6, 7, 3, 8], Turin: [9, 1, 2, 3, 5, 6, 7, 8] };

const bit = (value, i) => (value >> i) & 1n;
const u64 = (c) => c.take(8).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

export function parseReport(bytes) {
    if (bytes.length !== REPORT_SIZE) throw reject(`report: ${bytes.length} bytes instead of ${REPORT_SIZE}`);
    const c = new Cursor(bytes, () => reject("report: truncated"));
    const reserved = [];
    const r = { version: c.le(4), guestSvn: c.le(4), policy: u64(c), familyId: c.take(16), imageId: c.take(16) };
    Object.assign(r, {
        vmpl: c.le(4), algorithm: c.le(4), currentTcb: c.take(8), platformInfo: u64(c), flags: c.le(4),
    });
    reserved.push(c.take(4));
    Object.assign(r, {
        reportData: c.take(64), measurement: c.take(48), hostData: c.take(32), idKeyDigest: c.take(48),
        authorKeyDigest: c.take(48), reportId: c.take(32), reportIdMa: c.take(32), reportedTcb: c.take(8),
        cpuid: c.take(3),
    });
    reserved.push(c.take(21));
    Object.assign(r, { chipId: c.take(64), committedTcb: c.take(8) });
    c.take(3); // current build, minor, major
    reserved.push(c.take(1));
    c.take(3); // committed build, minor, major
    reserved.push(c.take(1));
    Object.assign(r, { launchTcb: c.take(8), mitigations: c.take(16) });
    reserved.push(c.take(SIGNED_SIZE - c.at));
    Object.assign(r, { r: c.take(72), s: c.take(72), signed: bytes.subarray(0, SIGNED_SIZE) });
    reserved.push(c.rest());
    if (r.version < 5) reserved.push(r.mitigations);
    if (r.version < 3) reserved.push(r.cpuid);
    r.signer = (r.flags >> 2) & 7;
    return { ...r, reserved };
}

/** What no firmware writes into a report for a guest, or what this code cannot judge. */
function wellFormed(r) {
    if (![2, 3, 5].includes(r.version)) throw reject(`report: version ${r.version}`);
    if (r.algorithm !== 1) throw reject(`report: signature algorithm ${r.algorithm}`);
    if (r.vmpl > 3) throw reject("report: asked for by the host");
    if (!bit(r.policy, POLICY.one) || r.policy & ~POLICY_KNOWN)
        throw reject(`report: policy 0x${r.policy.toString(16)}`);
    if (r.flags >>> 5 || r.signer > VLEK) throw reject("report: not signed by a VCEK or VLEK");
    if (!r.reserved.every(isZero)) throw reject("report: reserved bytes are set");
}

// --- the certificate of the key ---

function extension(vek, suffix) {
    return vek.extensions.get(OID_AMD + suffix.map((part) => part.toString(16).padStart(2, "0")).join(""));
}

function svnExtension(vek, suffix) {
    const value = extension(vek, suffix);
    if (!value) throw reject(`VEK: no SVN ${suffix.join(".")} in its certificate`);
    const der = new Der(value, "VEK");
    const svn = der.uint();
    der.end();
    if (svn > 255) throw der.bad();
    return svn;
}

function textExtension(vek, suffix, what) {
    const value = extension(vek, suffix);
    if (!value) throw reject(`VEK: names no ${what}`);
    const der = new Der(value, `VEK: malformed ${what}`);
    const item = der.read(IA5_STRING);
    der.end();
    if (item.value.length === 0 || item.value.length > 63 || item.value.some((byte) => byte < 0x20 || byte > 0x7e))
        throw der.bad();
    return String.fromCharCode(...item.value);
}

function tcbMatches(vek, r, generation) {
    TCB_BYTES[generation].forEach((part, i) => {
        if (svnExtension(vek, [3, part]) !== r.reportedTcb[i]) throw reject("VEK is of another TCB than the report");
    });
}

function productMatches(vek, generation) {
    const product = textExtension(vek, [2], "product");
    if (svnExtension(vek, [1]) > 1) throw reject("VEK: unknown structure version");
    if (product !== generation && !product.startsWith(`${generation}-`))
        throw reject(`VEK: its product is not ${generation}`);
}

/** From version 3 on the report says which processor made it (CPUID family and model). */
function processorMatches(r, generation) {
    if (r.version < 3) return;
    const [family, model] = r.cpuid;
    const high = model >> 4;
    let said = null;
    if (family === 0x19) said = { 0: "Milan", 1: "Genoa", 10: "Genoa" }[high];
    else if (family === 0x1a && high <= 1) said = "Turin";
    if (said !== generation) throw reject("report: of a processor of another generation");
}

/** Returns the platform id; null when the evidence names none. */
function chipMatches(vek, r, generation) {
    const size = generation === "Turin" ? 8 : 64;
    const chip = r.chipId.subarray(0, size);
    const named = extension(vek, [4]);
    if (r.signer === VLEK && named) throw reject("VLEK: names a chip");
    if (r.signer !== VLEK && (!named || isZero(named) || !equal(named, chip)))
        throw reject("VCEK is of another chip than the report");
    if (!isZero(r.chipId.subarray(size))) throw reject("report: chip id is too long");
    return isZero(chip) ? null : chip;
}

function generationOf(vek, r, arks) {
    const kind = r.signer === VLEK ? "VLEK" : "VCEK";
    const prefix = r.signer === VLEK ? "SEV-VLEK-" : "SEV-";
    const found = arks.find(([name]) => vek.issuerName === prefix + name);
    if (!found || vek.subjectName !== `SEV-${kind}`) throw reject(`VEK: not the ${kind} that the report names`);
    return found;
}

async function signatureHolds(vek, r) {
    if (!isZero(r.r.subarray(48)) || !isZero(r.s.subarray(48))) throw reject("report: signature out of range");
    const raw = new Uint8Array(96);
    raw.set(r.r.slice(0, 48).reverse());
    raw.set(r.s.slice(0, 48).reverse(), 48);
    if (vek.isCa) throw reject("VEK: is a CA");
    if (!(await ecdsaVerify(await vek.key(), raw, r.signed)))
        throw reject("report: signature is invalid");
}

function certificates(evidence) {
    if (!evidence.vek) throw reject("no VCEK or VLEK certificate");
    if (!evidence.ca) throw reject("no CA bundle");
    let vek;
    if (evidence.vek instanceof Uint8Array) {
        vek = new Certificate(evidence.vek, "VEK");
    } else {
        const all = pemCertificates(evidence.vek, "VEK");
        if (all.length !== 1) throw reject("VEK: not one certificate");
        [vek] = all;
    }
    const lists = [];
    const bundle = typeof evidence.ca === "string"
        ? pemCertificates(evidence.ca, "CA bundle", lists)
        : evidence.ca.slice(0, 8).map((der) => new Certificate(der, "CA bundle"));
    return [vek, bundle, lists];
}

/** The bundle holds the key's CA and, if at all, the pinned ARK, nothing else. */
function bundleFits(bundle, vek, ark) {
    for (const one of bundle) {
        const intermediate = equal(one.subject, vek.issuer) && equal(one.issuer, ark.subject);
        if (!intermediate && !equal(one.raw, ark.raw))
            throw reject("CA bundle: holds another CA than the key's and the pinned ARK");
    }
}

/** Revocation lists in the bundle, where there are any, are the ARK's and clear the others. */
async function bundleClears(bundle, lists, ark, at) {
    let ends = Infinity;
    for (const list of lists) {
        await list.check(ark, at, false);
        for (const one of bundle) list.refuses(one);
        ends = Math.min(ends, list.nextUpdate);
    }
    return ends;
}

function fields(r) {
    const number = (value) => `0x${value.toString(16)}`;
    return {
        version: r.version, guest_svn: r.guestSvn, policy: number(r.policy), vmpl: r.vmpl,
        debug_allowed: bit(r.policy, POLICY.debug) === 1n, smt_allowed: bit(r.policy, POLICY.smt) === 1n,
        migrate_ma: bit(r.policy, POLICY.migrate) === 1n, single_socket: bit(r.policy, POLICY.singleSocket) === 1n,
        signature_algo: r.algorithm, platform_info: number(r.platformInfo), flags: number(r.flags),
        signing_key: r.signer === VLEK ? "VLEK" : "VCEK", report_data: hex(r.reportData),
        measurement: hex(r.measurement), host_data: hex(r.hostData), id_key_digest: hex(r.idKeyDigest),
        author_key_digest: hex(r.authorKeyDigest), report_id: hex(r.reportId), cpuid_fam_mod_step: hex(r.cpuid),
        chip_id: hex(r.chipId), family_id: hex(r.familyId), image_id: hex(r.imageId),
        current_tcb: hex(r.currentTcb), reported_tcb: hex(r.reportedTcb),
        committed_tcb: hex(r.committedTcb), launch_tcb: hex(r.launchTcb),
    };
}

/** SVNs of a TCB_VERSION by name. */
function tcbParts(bytes, generation) {
    const [fmc, bootLoader, tee, snp] = generation === "Turin" ? [0, 1, 2, 3] : [null, 0, 1, 6];
    return {
        fmc: fmc === null ? 0 : bytes[fmc], boot_loader: bytes[bootLoader], tee: bytes[tee], snp: bytes[snp],
        microcode: bytes[7],
    };
}

export async function appraiseSnp(evidence, out) {
    const r = parseReport(evidence.quote);
    Object.assign(out, {
        formatVersion: r.version, measurement: r.measurement, reportData: r.reportData, svn: r.guestSvn,
        debug: bit(r.policy, POLICY.debug) === 1n, fields: fields(r),
    });
    wellFormed(r);
    const [vek, bundle, lists] = certificates(evidence);
    const [generation, ark] = generationOf(vek, r, evidence.roots.amd);
    bundleFits(bundle, vek, ark);
    const ends = await bundleClears(bundle, lists, ark, evidence.atUnix);
    const path = findPath(vek, bundle, ark, 3, "VEK chain");
    out.expiresUnix = Math.min(ends, await verifyPath(path, ark, evidence.atUnix, "VEK chain"));
    await signatureHolds(vek, r);
    productMatches(vek, generation);
    processorMatches(r, generation);
    tcbMatches(vek, r, generation);
    out.platformId = chipMatches(vek, r, generation);
    out.generation = generation;
    out.reportedTcb = tcbParts(r.reportedTcb, generation);
    out.tcb = {
        current: tcbParts(r.currentTcb, generation), reported: out.reportedTcb,
        committed: tcbParts(r.committedTcb, generation), launch: tcbParts(r.launchTcb, generation),
    };
    if (r.signer === VLEK) out.fields.csp_id = textExtension(vek, [5], "provider");
}

// --- the certificate table of the GHCB specification (section 4.1.8.1): 24-byte entries of GUID,
// offset, size up to a zero one. GUIDs appear in either byte order.

const GUIDS = {
    vcek: "63da758de6644564adc5f4b93be8accd",
    vlek: "a8074bc2a25a483eaae639c045a0b8a1",
    ask: "4ab7b379bbac4fe4a02f05aef327c782",
    ark: "c0b406a4a803495297433fb6014cd0ae",
};
const swapped = (guid) =>
    [[3, 2, 1, 0], [5, 4], [7, 6]].flat().map((i) => guid.substr(2 * i, 2)).join("") + guid.slice(16);
const TABLE_ENTRIES_MAX = 16;

/** { vek: der, ca: [der, ...] } */
export function readCertificateTable(table, signer) {
    const c = new Cursor(table, () => reject("certificate table: truncated"));
    const found = {};
    for (let i = 0; ; i++) {
        if (i === TABLE_ENTRIES_MAX) throw reject("certificate table: too long");
        const guid = c.take(16), offset = c.le(4), size = c.le(4);
        if (isZero(guid)) break;
        const name = Object.keys(GUIDS).find((key) => [GUIDS[key], swapped(GUIDS[key])].includes(hex(guid)));
        if (!name) continue;
        if (offset + size > table.length || found[name]) throw reject("certificate table: malformed");
        found[name] = derOf(table.subarray(offset, offset + size));
    }
    return { vek: found[signer], ca: [found.ask, found.ark].filter(Boolean) };
}

/** Some hosts put PEM into the table. */
function derOf(bytes) {
    if (!equal(bytes.subarray(0, 5), utf8("-----"))) return bytes;
    const [one] = pemCertificates(String.fromCharCode(...bytes.subarray(0, 8192)), "certificate table");
    return one.raw;
}

export const reportSigner = (report) => (parseReport(report).signer === VLEK ? "vlek" : "vcek");
