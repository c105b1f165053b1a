// index.js - appraisal of evidence: is it genuine, is its platform patched, and what does it say.
// No network, no clock: everything comes in as bytes and the time is a parameter. What the platform
// may be, and what may run on it, is the policy's matter (policy.js).

import { bytesOf } from "../bytes.js";
import { appraiseSgx, appraiseTdx } from "./dcap.js";
import { Rejection, reject } from "./reject.js";
import { pinnedRoots } from "./roots.js";
import { appraiseSimulated } from "./simulated.js";
import { appraiseSnp } from "./snp.js";

const QUOTE_MAX = 64 * 1024;
const VERIFIERS = { sgx: appraiseSgx, tdx: appraiseTdx, snp: appraiseSnp, simulated: appraiseSimulated };

/**
 * @param {{tee: string, quote: Uint8Array, collateral?: string | object, vek?: Uint8Array | string,
 *          ca?: string | Uint8Array[], atUnix: number}} evidence
 * @returns what was found; verdict "reject" (with `error`), "policy" or "accept"
 */
export const appraiseEvidence = (evidence) => appraiseUnder(pinnedRoots(), evidence);

/** The same under other roots: for tests. */
export async function appraiseUnder(roots, evidence) {
    const out = {
        tee: evidence.tee, verdict: "reject", tcbStatus: null, advisoryIds: [], error: "", formatVersion: 0,
        measurement: null, reportData: null, debug: false, svn: 0, platformId: null, fields: {},
        tcbDateUnix: 0, tcbEvaluationDataNumber: 0, expiresUnix: 0,
    };
    try {
        if (!Object.hasOwn(VERIFIERS, evidence.tee)) throw reject("no TEE named");
        if (!Number.isFinite(evidence.atUnix)) throw reject("no time named");
        const quote = bytesOf(evidence.quote);
        if (quote.length > QUOTE_MAX) throw reject(`the quote is larger than ${QUOTE_MAX} bytes`);
        await VERIFIERS[evidence.tee]({ ...evidence, quote, roots }, out);
    } catch (error) {
        if (!(error instanceof Rejection)) throw error;
        return Object.assign(out, {
            error: error.message, tcbStatus: null, advisoryIds: [], tcbDateUnix: 0, expiresUnix: 0,
        });
    }
    const current = evidence.tee === "snp" || out.tcbStatus === "UpToDate";
    out.verdict = current ? "accept" : "policy";
    return out;
}
