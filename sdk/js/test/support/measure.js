// measure.js - what is measured alike in Node and in browsers.

import { appraiseEvidence } from "../../src/evidence/index.js";

/** Vectors as JSON carries them: [{ name, verdict, tee, quote (base64), ... }]. */
export function pack([name, { evidence, expected }]) {
    const base64 = (bytes) => (bytes instanceof Uint8Array ? btoa(String.fromCharCode(...bytes)) : bytes);
    return {
        name, verdict: expected.verdict, error: expected.error ?? null, tee: evidence.tee, quote: base64(evidence.quote),
        collateral: evidence.collateral, vek: base64(evidence.vek), ca: evidence.ca, debug: expected.fields?.debug ?? false,
        atUnix: expected.verify_at_unix ?? 1750000000,
    };
}

export function unpack(one) {
    const bytes = (text) => (text === undefined ? undefined : Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    return {
        tee: one.tee, quote: bytes(one.quote), collateral: one.collateral, vek: bytes(one.vek), ca: one.ca,
        atUnix: one.atUnix,
    };
}

/** Median and worst of `count` appraisals, in ms, and the first one's (nothing warm). */
export async function timeAppraisal(evidence, count = 20) {
    const times = [];
    let verdict;
    for (let i = 0; i < count; i++) {
        const start = performance.now();
        ({ verdict } = await appraiseEvidence(evidence));
        times.push(performance.now() - start);
    }
    const sorted = [...times].sort((a, b) => a - b);
    return { verdict, first: times[0], median: sorted[count >> 1], worst: sorted[count - 1] };
}

/** Sealed calls one after the other: ms per call, median. */
export async function timeCalls(call, count = 50) {
    const times = [];
    for (let i = 0; i < count; i++) {
        const start = performance.now();
        await call();
        times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[count >> 1];
}
