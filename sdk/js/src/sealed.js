// sealed.js - secrets and packages that an owner seals to a verified trust domain, and log lines
// that a confidential function sealed to its owner (common/sealed.h).

import { base64url, bytesOf, concat, unbase64url, unhex, utf8 } from "./bytes.js";
import { encode } from "./cbor.js";
import { CHACHA20_POLY1305, aead, random, sha256, x25519 } from "./crypto.js";
import { Malformed, TfaasError } from "./errors.js";
import { setupReceiver, setupSender } from "./hpke.js";

const LABEL = "tfaas-sealed-v1", LOG_LABEL = "tfaas-log-v1", LOG_PREFIX = `${LOG_LABEL}:`;
const PACKAGES_MAX = 64, HEADER_MAX = 4096, NAME_MAX = 253;
const EMPTY = new Uint8Array(0), ZERO_NONCE = new Uint8Array(12);

const usage = (what) => new TfaasError("usage", what);

function digestOf(value) {
    const bytes = typeof value === "string" ? unhex(value.replace(/^sha256:/, ""), 32) : value;
    if (!(bytes instanceof Uint8Array) || bytes.length !== 32) throw usage("a package digest has 32 bytes");
    return bytes;
}

function policyOf(packages, logKey) {
    const policy = new Map();
    if (packages.length > PACKAGES_MAX) throw usage(`more than ${PACKAGES_MAX} packages`);
    if (packages.length > 0) policy.set(1, packages.map(digestOf));
    if (logKey) {
        if (logKey.length !== 32) throw usage("a log key has 32 bytes");
        policy.set(2, logKey);
    }
    return encode(policy);
}

const isName = (value) => typeof value === "string" && value.length > 0 && utf8(value).length <= NAME_MAX;

/** `pair` and `contentKey`: for test vectors only. */
export async function seal({ kind, domain, name, packages = [], logKey, sealingKey }, content,
                           { pair, contentKey = random(32) } = {}) {
    if (!isName(name) || !isName(domain)) throw usage("a name of 1 to 253 bytes is needed");
    if (!(sealingKey instanceof Uint8Array) || sealingKey.length !== 32) throw usage("a sealing key has 32 bytes");
    const map = new Map([
        [1, LABEL], [2, kind], [3, domain], [4, name], [5, (await sha256(sealingKey)).subarray(0, 8)],
        [6, policyOf(packages, logKey)],
    ]);
    const context = await setupSender(sealingKey, concat(utf8(LABEL), encode(map)), CHACHA20_POLY1305, pair);
    map.set(7, context.enc).set(8, await context.seal(EMPTY, contentKey));
    const header = encode(map);
    if (header.length > HEADER_MAX) throw usage("name and packages are too long");
    const cipher = await aead(CHACHA20_POLY1305, contentKey);
    map.set(9, await cipher.seal(ZERO_NONCE, header, bytesOf(content)));
    contentKey.fill(0);
    return encode(map);
}

/**
 * A line of a confidential function's logs, opened with the owner's log key.
 * @param {string} line "tfaas-log-v1:..."
 * @param {Uint8Array} logSecret X25519 secret key (32)
 * @param {string | Uint8Array} packageDigest of the package that wrote it
 */
export async function openLogLine(line, logSecret, packageDigest) {
    const value = typeof line === "string" ? line.replace(/\r?\n$/, "") : "";
    const bytes = value.startsWith(LOG_PREFIX) ? unbase64url(value.slice(LOG_PREFIX.length)) : null;
    if (!bytes || bytes.length < 32 + 16) throw usage("not a sealed log line");
    if (!(logSecret instanceof Uint8Array) || logSecret.length !== 32) throw usage("a log secret has 32 bytes");
    const info = concat(utf8(LOG_LABEL), digestOf(packageDigest));
    try {
        const context = await setupReceiver(await x25519(logSecret), bytes.subarray(0, 32), info, CHACHA20_POLY1305);
        return await context.open(EMPTY, bytes.subarray(32));
    } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        throw new TfaasError("response_not_authentic", "the log line does not open");
    }
}

/** For tests and tools: seals a line as the core does. */
export async function sealLogLine(plain, logKey, packageDigest, pair) {
    const info = concat(utf8(LOG_LABEL), digestOf(packageDigest));
    const context = await setupSender(logKey, info, CHACHA20_POLY1305, pair);
    return LOG_PREFIX + base64url(concat(context.enc, await context.seal(EMPTY, bytesOf(plain))));
}

/** A key pair for logs: { secret, publicKey }, 32 bytes each. */
export async function generateLogKey() {
    const secret = random(32);
    return { secret, publicKey: (await x25519(secret)).publicKey };
}
