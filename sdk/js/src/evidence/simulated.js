// simulated.js - evidence of the software root (common/simulated.h). It proves nothing: whoever runs
// the host holds the key. Policies refuse it unless they say otherwise.

import { hex } from "../bytes.js";
import { encode, isBytes, isUint, statement } from "../cbor.js";
import { ed25519Verify, sha256 } from "../crypto.js";
import { Malformed } from "../errors.js";
import { reject } from "./reject.js";

const LABEL = "tfaas-simulated-v1";
const SIZE_MAX = 320;
const SHAPE = {
    2: ["measurement", isBytes(48)],
    3: ["reportData", isBytes(64)],
    4: ["issuedAt", isUint],
    5: ["rootKey", isBytes(32)],
    6: ["signature", isBytes(64)],
};

export async function appraiseSimulated(evidence, out) {
    let s;
    try {
        if (evidence.quote.length > SIZE_MAX) throw reject("simulated evidence: too large");
        s = statement(evidence.quote, LABEL, SHAPE, "simulated evidence");
    } catch (error) {
        throw error instanceof Malformed ? reject(error.message) : error;
    }
    const signed = encode(new Map([
        [1, LABEL], [2, s.measurement], [3, s.reportData], [4, s.issuedAt], [5, s.rootKey],
    ]));
    if (!(await ed25519Verify(s.rootKey, s.signature, signed)))
        throw reject("simulated evidence: signature is invalid");
    Object.assign(out, {
        formatVersion: 1, measurement: s.measurement, reportData: s.reportData, svn: 0, debug: false,
        platformId: await sha256(s.rootKey), expiresUnix: Infinity,
        fields: { measurement: hex(s.measurement), report_data: hex(s.reportData), issued_at: s.issuedAt,
                  root_key: hex(s.rootKey) },
    });
}
