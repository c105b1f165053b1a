// errors.js - the one class of errors that this package throws on purpose, each with a code. The
// codes are those of libtfaas (include/tfaas/client.h, TFAAS_CLIENT_ERROR_LIST), in lower case; the
// last one is our own.

export const CODES = Object.freeze({
    usage: "a parameter is missing or malformed",
    policy_invalid: "the policy is malformed",
    request_too_large: "the request is larger than its form takes",
    no_memory: "memory ran out",
    stopped: "the caller's own callback ended the call",
    transport: "no answer came through",
    unavailable: "the host says that it cannot serve now",
    host_refused: "the host answered in clear with an error (its word only)",
    evidence_form: "the evidence is malformed",
    evidence_unknown: "the evidence is of a kind that this client cannot appraise",
    simulated_refused: "the evidence is SIMULATED: it proves nothing, the policy refuses it",
    tee_not_allowed: "the policy does not accept this kind of hardware",
    evidence_signature: "the evidence is not genuine",
    tcb_refused: "the platform's firmware is not good enough for the policy",
    milan_refused: "AMD Milan's keys have been extracted; the policy does not name it",
    debug_refused: "the host may read what runs: a debug launch",
    launch_not_allowed: "what was launched is not in the policy",
    platform_not_allowed: "the machine is not in the policy",
    statement_mismatch: "the evidence is not about this key statement",
    evidence_nonce: "the key statement does not hold this client's nonce",
    measurement_not_allowed: "the core is not in the policy",
    evidence_not_yet_valid: "the key statement is not valid yet",
    evidence_expired: "the key statement has expired",
    evidence_too_old: "the key statement is older than the policy's limit",
    domain_form: "the domain statement is malformed",
    domain_signature: "the domain statement is not signed by the attested identity",
    domain_mismatch: "the domain statement is of another domain",
    domain_expired: "the domain statement is outside its times",
    lease_form: "a lease is malformed",
    lease_signature: "a lease is not signed by the attested identity",
    lease_mismatch: "a lease is for another domain or measurement",
    lease_expired: "every lease is outside its times",
    lease_missing: "no worker of the domain holds a lease",
    key_unknown: "the host says that the core does not know the key, also after a new fetch",
    session_unknown: "the host says that the core does not know the session",
    request_not_opened: "the host says that the request did not open",
    replay_reported: "the host says that the core has seen this request before",
    downgrade: "the answer is not sealed",
    response_not_authentic: "the answer does not open",
    response_truncated: "the answer ends before its end",
    response_form: "the answer opens but is malformed",
    response_too_large: "the answer is larger than the caller's limit",
    date_refused: "the core refuses the request's date, also after a correction",
    function_mismatch: "another function than the one that was called",
    package_mismatch: "the function has another package than was demanded",
    receipt_missing: "the answer holds no receipt",
    receipt_form: "the receipt is malformed",
    receipt_lease: "the receipt's lease is not of the attested identity and domain",
    receipt_invalid: "the receipt's signature does not cover its claims",
    receipt_mismatch: "the receipt is about another request or response",
    receipt_duplicate: "two different receipts have one number: a copied core",
    receipt_gap: "numbers are missing between the receipts",
    engine_lacks: "this JavaScript engine lacks something that cannot be replaced",
});

export class TfaasError extends Error {
    /** @param {keyof CODES} code @param {string} [message] @param {object} [more] copied onto the error */
    constructor(code, message = CODES[code], { cause, ...more } = {}) {
        super(message, cause === undefined ? undefined : { cause });
        this.name = "TfaasError";
        this.code = code;
        Object.assign(this, more);
    }
}

/** Bytes that are not what they should be. Layers above turn it into a TfaasError of theirs. */
export class Malformed extends Error {}

/** Runs `make`; what it throws for malformed bytes becomes a TfaasError with `code`. */
export async function malformedIs(code, make) {
    try {
        return await make();
    } catch (error) {
        throw error instanceof Malformed ? new TfaasError(code, error.message) : error;
    }
}
