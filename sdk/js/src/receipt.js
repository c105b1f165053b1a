// receipt.js - receipts (common/receipt.h): what the core states about one call. Claims in a Merkle
// tree of RFC 9162, its root signed as a JWS (RFC 7515, 8037) by the key of a lease.

import { base64url, concat, equal, hex, text, unbase64url, utf8 } from "./bytes.js";
import { isBytes, isList, isNumber, isText, statement } from "./cbor.js";
import { ed25519Verify, sha256 } from "./crypto.js";
import { Malformed, TfaasError } from "./errors.js";
import { parseJson } from "./json.js";
import { checkLease } from "./verify.js";

const TEXT_MAX = 3072, CLAIMS_MAX = 1024, BATCH_MAX = 64, PATH_MAX = 6, JWS_MAX = 320, LEASE_MAX = 512;
const JWS_HEADER = base64url(utf8('{"alg":"EdDSA","typ":"tfaas-receipt+jws"}'));
const SHAPE = {
    2: ["claims", isBytes(1, CLAIMS_MAX)],
    3: ["index", isNumber],
    4: ["path", isList(PATH_MAX, isBytes(32))],
    5: ["jws", isText(JWS_MAX)],
    6: ["lease", isBytes(1, LEASE_MAX)],
};
const isHex = (size) => (value) => typeof value === "string" && new RegExp(`^[0-9a-f]{${2 * size}}$`).test(value);
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isHash = (value) => unbase64url(value)?.length === 32;
const isName = (most) => (value) => typeof value === "string" && utf8(value).length <= most;
const CLAIMS = {
    iss: isHex(16), seq: (value) => isCount(value) && value > 0, iat: isCount, fn: isName(255), pkg: isHex(32), req: isHash, res: isHash, status: isCount,
    outcome: isName(31), work: isCount, exact: (value) => typeof value === "boolean", mem: isCount, cpu_ns: isCount,
    weights: isHex(32),
};

function readClaims(bytes) {
    let claims;
    try {
        claims = parseJson(text(bytes));
    } catch {
        throw new Malformed("receipt: its claims are not JSON");
    }
    if (typeof claims !== "object" || claims === null) throw new Malformed("receipt: its claims are no object");
    for (const [name, check] of Object.entries(CLAIMS))
        if (!check(claims[name])) throw new Malformed(`receipt: its claim "${name}" is malformed`);
    return claims;
}

/** { claims (bytes), index, path, jws, lease } */
export function readReceipt(value) {
    const bytes = typeof value === "string" && value.length <= TEXT_MAX ? unbase64url(value) : null;
    if (!bytes) throw new Malformed("receipt: not base64url, or too long");
    return statement(bytes, "tfaas-receipt-v1", SHAPE, "receipt");
}

/** The root that `path` leads to from a leaf (RFC 9162 2.1.3.2); null: of another length. */
export async function climb(leaf, index, count, path) {
    let node = leaf, used = 0, at = index;
    for (let size = count; size > 1; size = (size + 1) >> 1, at >>= 1) {
        if ((at ^ 1) >= size) continue;
        if (used === path.length) return null;
        const other = path[used++];
        node = await sha256(Uint8Array.of(1), ...(at & 1 ? [other, node] : [node, other]));
    }
    return used === path.length ? node : null;
}

/** Does the JWS, signed by `receiptKey`, hold the claims? */
export async function checkSignature(receipt, receiptKey) {
    const invalid = (what) => new TfaasError("receipt_invalid", `receipt: ${what}`);
    const parts = receipt.jws.split(".");
    if (parts.length !== 3 || parts[0] !== JWS_HEADER) throw invalid("the JWS has another form or header");
    const signature = unbase64url(parts[2]);
    if (!signature || !(await ed25519Verify(receiptKey, signature, utf8(`${parts[0]}.${parts[1]}`))))
        throw invalid("the signature is not of the lease's receipt key");
    const payload = unbase64url(parts[1]);
    const match = /^\{"count":([1-9]\d?),"root":"([A-Za-z0-9_-]{43})"\}$/.exec(String.fromCharCode(...(payload ?? [])));
    const root = match && unbase64url(match[2]);
    const count = match ? Number(match[1]) : 0;
    if (!root || count > BATCH_MAX || receipt.index >= count) throw invalid("the index is not in the signed batch");
    const leaf = await sha256(concat(Uint8Array.of(0), receipt.claims));
    const reached = await climb(leaf, receipt.index, count, receipt.path);
    if (!reached || !equal(reached, root)) throw invalid("the claims are not in the signed batch");
}

function checkExpected(claims, { requestHash, responseHash, functionName, packageDigest }) {
    const differs = (code, what) => new TfaasError(code, `receipt: it is about another ${what}`);
    if (functionName !== undefined && claims.fn !== functionName) throw differs("function_mismatch", "function");
    if (packageDigest !== undefined && claims.pkg !== packageDigest) throw differs("package_mismatch", "package");
    if (requestHash && claims.req !== base64url(requestHash)) throw differs("receipt_mismatch", "request");
    if (responseHash && claims.res !== base64url(responseHash)) throw differs("receipt_mismatch", "response");
}

/**
 * Verifies a receipt offline, under a verification that holds. Returns its claims.
 * @param {string} value text of the receipt
 * @param {object} report what verify() returned
 * @param {{requestHash?: Uint8Array, responseHash?: Uint8Array, functionName?: string,
 *          packageDigest?: string}} [expected] functionName: "name.namespace"; packageDigest: hex
 */
export async function verifyReceipt(value, report, expected = {}) {
    if (!report?.identity) throw new TfaasError("usage", "a receipt needs a verification that holds");
    let receipt, claims;
    try {
        receipt = readReceipt(value);
        claims = readClaims(receipt.claims);
    } catch (error) {
        throw error instanceof Malformed ? new TfaasError("receipt_form", error.message) : error;
    }
    let lease;
    try {
        lease = await checkLease(receipt.lease, report);
    } catch (error) {
        throw error instanceof TfaasError ? new TfaasError("receipt_lease", `receipt: ${error.message}`) : error;
    }
    if (hex(lease.instance) !== claims.iss || hex(report.weights) !== claims.weights)
        throw new TfaasError("receipt_lease", "receipt: of another instance or metering table than its lease");
    if (claims.iat + 120 < lease.notBefore || claims.iat - 120 > lease.notAfter)
        throw new TfaasError("receipt_lease", "receipt: its lease did not hold at its time");
    await checkSignature(receipt, lease.receiptKey);
    checkExpected(claims, expected);
    return claims;
}

/** Claims of verified receipts: two different ones with one number, or missing numbers, throw. */
export function checkReceiptSequences(claims) {
    for (const chain of grouped(claims).values()) {
        chain.sort((a, b) => a.seq - b.seq);
        for (let i = 1; i < chain.length; i++) {
            const [before, now] = [chain[i - 1], chain[i]];
            if (now.seq === before.seq && JSON.stringify(now) !== JSON.stringify(before))
                throw new TfaasError("receipt_duplicate");
            if (now.seq > before.seq + 1) throw new TfaasError("receipt_gap", `between ${before.seq} and ${now.seq}`);
        }
    }
}

function grouped(claims) {
    const to = new Map();
    for (const one of claims) to.set(one.iss, [...(to.get(one.iss) ?? []), one]);
    return to;
}
