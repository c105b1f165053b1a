// x509.js - certificates and revocation lists (RFC 5280) as the hardware vendors make them, and
// chains to a pinned root at a given moment. Only their algorithms: ECDSA P-256 with SHA-256
// (Intel), RSASSA-PSS 4096 with SHA-384 and P-384 leaves (AMD). Unknown critical extensions refuse.

import { equal, fromPem, hex } from "../bytes.js";
import { ecKey, ecdsaVerify, rsaPssKey, rsaPssVerify } from "../crypto.js";
import { Der, TAG } from "./der.js";
import { reject } from "./reject.js";

const OID = {
    ecdsaSha256: "2a8648ce3d040302",
    rsaPss: "2a864886f70d01010a",
    mgf1: "2a864886f70d010108",
    sha384: "608648016503040202",
    ecPublicKey: "2a8648ce3d0201",
    p256: "2a8648ce3d030107",
    p384: "2b81040022",
    rsaEncryption: "2a864886f70d010101",
    commonName: "550403",
    keyUsage: "551d0f",
    basicConstraints: "551d13",
    subjectKeyId: "551d0e",
    authorityKeyId: "551d23",
    crlDistributionPoints: "551d1f",
    crlNumber: "551d14",
};
const USAGE = { digitalSignature: 0x80, keyCertSign: 0x04, crlSign: 0x02 };
/** What a vendor's certificates are signed with, by the kind of its root's key. */
const VENDOR_KEYS = {
    "P-256": { algorithm: "ecdsa", ca: "P-256", leaf: "P-256" },
    "RSA-4096": { algorithm: "pss", ca: "RSA-4096", leaf: "P-384" },
};
const CERTIFICATES_MAX = 8;
const SIZE_MAX = 65536;
const REVOKED_MAX = 65536;

/** AlgorithmIdentifier of a signature: "ecdsa" or "pss". */
function signatureAlgorithm(der) {
    const algorithm = der.enter(TAG.SEQUENCE);
    const oid = algorithm.oid();
    if (oid === OID.ecdsaSha256) {
        algorithm.end();
        return "ecdsa";
    }
    if (oid !== OID.rsaPss) throw reject("not the vendor's algorithms");
    const parameters = algorithm.enter(TAG.SEQUENCE);
    algorithm.end();
    hashIs384(parameters.enter(0xa0));
    const mask = parameters.enter(0xa1).enter(TAG.SEQUENCE);
    if (mask.oid() !== OID.mgf1) throw reject("not the vendor's algorithms");
    hashIs384(mask);
    if (parameters.enter(0xa2).uint() !== 48) throw reject("not the vendor's algorithms");
    if (parameters.tag === 0xa3 && parameters.enter(0xa3).uint() !== 1) throw reject("not the vendor's algorithms");
    parameters.end();
    return "pss";
}

function hashIs384(der) {
    const hash = der.enter(TAG.SEQUENCE);
    der.end();
    if (hash.oid() !== OID.sha384) throw reject("not the vendor's algorithms");
    hash.skip(TAG.NULL).end();
}

function publicKeyKind(spki, what) {
    const outer = new Der(spki, what).enter(TAG.SEQUENCE);
    const algorithm = outer.enter(TAG.SEQUENCE);
    const bits = outer.bits();
    outer.end();
    const oid = algorithm.oid();
    if (oid === OID.ecPublicKey) {
        const curve = algorithm.oid();
        algorithm.end();
        if (curve === OID.p256 && bits.length === 65 && bits[0] === 4) return "P-256";
        if (curve === OID.p384 && bits.length === 97 && bits[0] === 4) return "P-384";
    } else if (oid === OID.rsaEncryption) {
        algorithm.skip(TAG.NULL).end();
        const key = new Der(bits, what).enter(TAG.SEQUENCE);
        const modulus = key.bigInteger(512);
        const exponent = key.uint();
        key.end();
        if (modulus[0] & 0x80 && exponent === 65537) return "RSA-4096";
    }
    throw reject(`${what}: not the vendor's algorithms`);
}

function extensions(der, what, known) {
    const found = new Map();
    const list = der.enter(TAG.SEQUENCE);
    der.end();
    while (list.more) {
        const one = list.enter(TAG.SEQUENCE);
        const oid = one.oid();
        const critical = one.tag === TAG.BOOLEAN && one.bool();
        const value = one.octets();
        one.end();
        if (found.has(oid) || found.size === 32) throw reject(`${what}: malformed extensions`);
        if (critical && !known.includes(oid)) throw reject(`${what}: an unknown critical extension`);
        found.set(oid, value);
    }
    return found;
}

function commonName(name, what) {
    const rdns = new Der(name, what).enter(TAG.SEQUENCE);
    let found = null;
    while (rdns.more) {
        const set = rdns.enter(TAG.SET);
        while (set.more) {
            const pair = set.enter(TAG.SEQUENCE);
            const oid = pair.oid();
            const { value } = pair.read();
            pair.end();
            if (oid !== OID.commonName) continue;
            if (found !== null || value.length > 128) throw reject(`${what}: malformed name`);
            found = String.fromCharCode(...value);
        }
    }
    return found;
}

export class Certificate {
    constructor(der, what) {
        if (der.length > SIZE_MAX) throw reject(`${what}: too large`);
        const outer = new Der(der, what);
        const certificate = outer.enter(TAG.SEQUENCE);
        outer.end();
        const signed = certificate.read(TAG.SEQUENCE);
        this.what = what;
        this.raw = der;
        this.signed = signed.raw;
        this.algorithm = signatureAlgorithm(certificate);
        this.signature = certificate.bits();
        certificate.end();
        this.#body(new Der(signed.value, what));
    }

    #body(tbs) {
        const { what } = this;
        if (tbs.tag !== 0xa0 || tbs.enter(0xa0).uint() !== 2) throw reject(`${what}: not of version 3`);
        this.serial = hex(tbs.read(TAG.INTEGER).value);
        if (signatureAlgorithm(tbs) !== this.algorithm) throw reject(`${what}: two signature algorithms`);
        this.issuer = tbs.read(TAG.SEQUENCE).raw;
        const validity = tbs.enter(TAG.SEQUENCE);
        this.notBefore = validity.time();
        this.notAfter = validity.time();
        validity.end();
        this.subject = tbs.read(TAG.SEQUENCE).raw;
        this.spki = tbs.read(TAG.SEQUENCE).raw;
        this.keyKind = publicKeyKind(this.spki, what);
        this.issuerName = commonName(this.issuer, what);
        this.subjectName = commonName(this.subject, what);
        this.extensions = tbs.tag === 0xa3
            ? extensions(tbs.enter(0xa3), what, [OID.keyUsage, OID.basicConstraints])
            : new Map();
        tbs.end();
        this.#constraints();
    }

    #constraints() {
        this.isCa = false;
        this.pathLength = Infinity;
        const constraints = this.extensions.get(OID.basicConstraints);
        if (constraints) {
            const outer = new Der(constraints, this.what);
            const inner = outer.enter(TAG.SEQUENCE);
            outer.end();
            if (inner.tag === TAG.BOOLEAN) this.isCa = inner.bool();
            if (inner.more) this.pathLength = inner.uint();
            inner.end();
        }
        this.usage = null; // no restriction
        const usage = this.extensions.get(OID.keyUsage);
        if (usage) {
            const outer = new Der(usage, this.what);
            const { value } = outer.read(TAG.BIT_STRING);
            outer.end();
            if (value.length < 2 || value[0] > 7) throw reject(`${this.what}: malformed key usage`);
            this.usage = value[1];
        }
    }

    mayUse(name) {
        return this.usage === null || (this.usage & USAGE[name]) !== 0;
    }

    key() {
        this.imported ??= (this.keyKind === "RSA-4096" ? rsaPssKey(this.spki) : ecKey(this.keyKind, this.spki))
            .catch(() => {
                throw reject(`${this.what}: unusable public key`);
            });
        return this.imported;
    }

    checkTime(at, what) {
        if (at < this.notBefore) throw reject(`${what}: certificate is not yet valid`);
        if (at > this.notAfter) throw reject(`${what}: certificate has expired`);
    }
}

async function verifySigned(object, issuer, what = object.what) {
    const key = await issuer.key();
    let good = false;
    if (object.algorithm === "pss" && issuer.keyKind === "RSA-4096") {
        good = await rsaPssVerify(key, object.signature, object.signed);
    } else if (object.algorithm === "ecdsa" && issuer.keyKind === "P-256") {
        const pair = new Der(object.signature, object.what).enter(TAG.SEQUENCE);
        const r = pair.bigInteger(32), s = pair.bigInteger(32);
        pair.end();
        const raw = new Uint8Array(64);
        raw.set(r);
        raw.set(s, 32);
        good = await ecdsaVerify(key, raw, object.signed);
    }
    if (!good) throw reject(`${what}: signature is invalid`);
}

/** A list of PEM certificates, 1 to 8, and revocation lists where `lists` takes them. */
export function pemCertificates(pem, what, lists) {
    if (typeof pem !== "string" || pem.length === 0 || pem.length > SIZE_MAX)
        throw reject(`${what}: no certificates, or too many`);
    const certificates = [];
    for (const [label, der] of fromPem(pem, 2 * CERTIFICATES_MAX) ?? []) {
        if (label === "X509 CRL" && lists) lists.push(new RevocationList(der, what));
        else if (label === "CERTIFICATE") certificates.push(new Certificate(der, what));
        else throw reject(`${what}: not a list of PEM certificates`);
    }
    if (certificates.length === 0 || certificates.length > CERTIFICATES_MAX)
        throw reject(`${what}: not a list of PEM certificates`);
    return certificates;
}

export class RevocationList {
    constructor(der, what) {
        if (der.length > 16 * SIZE_MAX) throw reject(`${what}: too large`);
        const outer = new Der(der, what);
        const list = outer.enter(TAG.SEQUENCE);
        outer.end();
        const signed = list.read(TAG.SEQUENCE);
        this.what = what;
        this.signed = signed.raw;
        this.algorithm = signatureAlgorithm(list);
        this.signature = list.bits();
        list.end();
        const tbs = new Der(signed.value, what);
        if (tbs.uint() !== 1) throw reject(`${what}: not of version 2`);
        if (signatureAlgorithm(tbs) !== this.algorithm) throw reject(`${what}: two signature algorithms`);
        this.issuer = tbs.read(TAG.SEQUENCE).raw;
        this.thisUpdate = tbs.time();
        this.nextUpdate = tbs.time();
        this.revoked = new Set();
        if (tbs.tag === TAG.SEQUENCE) {
            const entries = tbs.enter(TAG.SEQUENCE);
            while (entries.more) {
                if (this.revoked.size === REVOKED_MAX) throw reject(`${what}: too large`);
                this.revoked.add(hex(entries.enter(TAG.SEQUENCE).read(TAG.INTEGER).value));
            }
        }
        if (tbs.tag === 0xa0) extensions(tbs.enter(0xa0), what, []);
        tbs.end();
    }

    /** Is it `issuer`'s, and current? AMD's roots do not say that they sign lists: usage false. */
    async check(issuer, at, usage = true) {
        if (!equal(this.issuer, issuer.subject)) throw reject(`${this.what}: revocation list of another CA`);
        if (usage && !issuer.mayUse("crlSign"))
            throw reject(`${this.what}: revocation list of a CA that may not sign it`);
        if (at < this.thisUpdate) throw reject(`${this.what}: revocation list is not current: not yet valid`);
        if (at > this.nextUpdate) throw reject(`${this.what}: revocation list is not current: expired`);
        await verifySigned(this, issuer, `${this.what}: revocation list of another CA`);
    }

    refuses(certificate) {
        if (this.revoked.has(certificate.serial)) throw reject(`${this.what}: certificate revoked`);
    }
}

/**
 * Verifies leaf > intermediates > root. `path`: certificates from the leaf to below the root, in
 * order. All of them have the algorithms of the root's vendor. Returns the earliest end of validity.
 */
export async function verifyPath(path, root, at, what) {
    const all = [...path, root];
    let ends = Infinity;
    for (const [i, certificate] of all.entries()) {
        certificate.checkTime(at, what);
        const kinds = VENDOR_KEYS[root.keyKind];
        if (certificate.keyKind !== kinds[i === 0 ? "leaf" : "ca"] || certificate.algorithm !== kinds.algorithm)
            throw reject(`${what}: not the vendor's algorithms`);
        ends = Math.min(ends, certificate.notAfter);
        if (i > 0 && (!certificate.isCa || !certificate.mayUse("keyCertSign") || certificate.pathLength < i - 1))
            throw reject(`${what}: an issuer is no CA`);
    }
    await Promise.all(path.map((certificate, i) => {
        if (!equal(certificate.issuer, all[i + 1].subject)) throw reject(`${what}: not a chain`);
        return verifySigned(certificate, all[i + 1], what);
    }));
    return ends;
}

/** From a bag of certificates, the path of `length` (root included) from `leaf` to the pinned `root`. */
export function findPath(leaf, others, root, length, what) {
    const path = [leaf];
    while (path.length < length - 1) {
        const last = path[path.length - 1];
        const issuer = others.find((one) => equal(one.subject, last.issuer) && !path.includes(one));
        if (!issuer) throw reject(`${what}: unable to get issuer certificate`);
        path.push(issuer);
    }
    const top = path[path.length - 1];
    if (!equal(top.issuer, root.subject) || equal(top.raw, root.raw))
        throw reject(`${what}: not a chain of ${length} to the pinned root`);
    return path;
}
