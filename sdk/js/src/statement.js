// statement.js - key statement, domain statement and lease (common/statement.h): deterministic CBOR
// maps; and the envelope, [ statement, Ed25519 signature ].

import { utf8 } from "./bytes.js";
import { decode, isBytes, isList, isNumber, isText, isUint, statement } from "./cbor.js";
import { ed25519Verify, sha512 } from "./crypto.js";
import { Malformed } from "./errors.js";

const KEY_LABEL = "tfaas-key-v1";
const LEASES_MAX = 64, LEASE_SIZE_MAX = 512;
const DOMAIN_MAX = 63, VERSION_MAX = 64, CONFIGURATION_MAX = 64;

const KEY_STATEMENT = {
    2: ["identity", isBytes(32)],
    3: ["epoch", isUint],
    4: ["notBefore", isNumber],
    5: ["notAfter", isNumber],
    6: ["coreVersion", isText(VERSION_MAX)],
    7: ["weights", isBytes(32)],
    8: ["measurement", isBytes(48)],
    9: ["keyLifeS", isUint],
    10: ["leaseLifeS", isUint],
    11: ["replayWindowS", isUint],
    12: ["requestsPerKey", isUint],
    13: ["nonce", isBytes(8, 64), true],
};
const LEASE = {
    2: ["domain", isText(DOMAIN_MAX)],
    3: ["instance", isBytes(16)],
    4: ["number", isUint],
    5: ["notBefore", isNumber],
    6: ["notAfter", isNumber],
    7: ["keyConfiguration", isBytes(1, CONFIGURATION_MAX)],
    8: ["receiptKey", isBytes(32)],
    9: ["measurement", isBytes(48)],
    10: ["requestsPerKey", isUint],
};
const DOMAIN = {
    2: ["domain", isText(DOMAIN_MAX)],
    3: ["serial", isUint],
    4: ["notBefore", isNumber],
    5: ["notAfter", isNumber],
    6: ["sealingKey", isBytes(32)],
    7: ["leases", isList(LEASES_MAX, isBytes(1, LEASE_SIZE_MAX))],
};

function read(bytes, label, shape, noun) {
    const value = statement(bytes, label, shape, noun);
    if (value.notBefore >= value.notAfter) throw new Malformed(`${noun}: it does not end after it begins`);
    if (value.number === 0) throw new Malformed(`${noun}: its number is zero`);
    return value;
}

export const readKeyStatement = (bytes) => read(bytes, KEY_LABEL, KEY_STATEMENT, "key statement");
export const readLease = (bytes) => read(bytes, "tfaas-lease-v1", LEASE, "lease");
export const readDomainStatement = (bytes) => read(bytes, "tfaas-domain-v1", DOMAIN, "domain statement");

/** What evidence over this key statement has as its report_data. */
export const keyStatementDigest = (bytes) => sha512(utf8(KEY_LABEL), bytes);

export function splitEnvelope(bytes) {
    const value = decode(bytes);
    if (!Array.isArray(value) || value.length !== 2 || !isBytes(1, bytes.length)(value[0]) || !isBytes(64)(value[1]))
        throw new Malformed("envelope: not a statement and a signature");
    return { statement: value[0], signature: value[1] };
}

/** The statement, or null when the signature is not of `key`. */
export async function openEnvelope(bytes, key) {
    const { statement: inner, signature } = splitEnvelope(bytes);
    return (await ed25519Verify(key, signature, inner)) ? inner : null;
}
