// errors.js - one class of errors, each with a code. The codes up to NOT_GRANTED are those of the
// whole project (include/tfaas/status.h); the others are the client's own.

/** Problem types (RFC 9457) of answers that are not sealed: the host's word only. */
const PROBLEMS = {
    "https://iana.org/assignments/http-problem-types#ohttp-key": "KEY_UNKNOWN",
    "https://iana.org/assignments/http-problem-types#date": "DATE_REFUSED",
    "tag:tfaas,2026:session-unknown": "SESSION_UNKNOWN",
};

export class TfaasError extends Error {
    /** @param {string} code @param {string} message @param {object} [more] copied onto the error */
    constructor(code, message, more = {}) {
        super(message, more.cause === undefined ? undefined : { cause: more.cause });
        this.name = "TfaasError";
        this.code = code;
        for (const [key, value] of Object.entries(more)) if (key !== "cause") this[key] = value;
    }
}

export function problemCode(type) {
    return Object.hasOwn(PROBLEMS, type) ? PROBLEMS[type] : undefined;
}
