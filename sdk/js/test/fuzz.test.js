// Rubbish: whatever bytes come, every parser answers with its own refusal and nothing else, in bounded
// time. The seed is fixed, TFAAS_FUZZ_ROUNDS says how much.

import assert from "node:assert/strict";
import { test } from "node:test";
import { base64url, concat, utf8 } from "../src/bytes.js";
import { readResponse } from "../src/bhttp.js";
import { decode, encode } from "../src/cbor.js";
import { Malformed, TfaasError } from "../src/errors.js";
import { appraiseEvidence } from "../src/evidence/index.js";
import { readPolicy } from "../src/policy.js";
import { readReceipt } from "../src/receipt.js";
import { readDomainStatement, readKeyStatement, readLease, splitEnvelope } from "../src/statement.js";
import { ByteReader } from "../src/streams.js";
import { verifyAll } from "../src/verify.js";
import { TestCore } from "./support/core.js";
import { evidenceVectors } from "./support/vectors.js";

const rounds = Number(process.env.TFAAS_FUZZ_ROUNDS ?? 300);

/** xorshift32 */
function random(seed) {
    let state = seed;
    return (below) => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) % below;
    };
}

function mutate(bytes, next) {
    let to = bytes.slice();
    for (let i = 1 + next(4); i > 0; i--) {
        const at = next(to.length || 1);
        switch (next(5)) {
        case 0: to[at] ^= 1 << next(8); break;
        case 1: to[at] = [0, 0x7f, 0x80, 0xff][next(4)]; break;
        case 2: to = to.slice(0, at); break;
        case 3: to = concat(to.subarray(0, at), to.subarray(next(to.length || 1), next(to.length || 1) + 64), to.subarray(at)); break;
        default: to = concat(to.subarray(0, at), Uint8Array.from({ length: next(9) }, () => next(256)), to.subarray(at));
        }
    }
    return to;
}

const refusesOnly = (run) => {
    try {
        run();
    } catch (error) {
        if (!(error instanceof Malformed)) throw error;
    }
};

test("evidence: mutated quotes, certificates and collateral", async () => {
    const next = random(1);
    for (const [name, { evidence, expected }] of evidenceVectors()) {
        const atUnix = expected.verify_at_unix ?? 1750000000;
        for (let i = 0; i < rounds / 10; i++) {
            const one = { ...evidence, atUnix };
            const part = ["quote", "quote", "vek", "ca", "collateral"][next(5)];
            if (one[part] === undefined) continue;
            one[part] = typeof one[part] === "string"
                ? Buffer.from(mutate(new Uint8Array(Buffer.from(one[part])), next)).toString("latin1") : mutate(one[part], next);
            const { verdict, error } = await appraiseEvidence(one);
            // What is not signed may change: zero bytes behind a quote, blanks in PEM.
            if (verdict !== "reject") assert.equal(verdict, expected.verdict === "accept" ? "accept" : "policy", name);
            else assert.ok(error.length > 0, name);
        }
    }
});

test("statements, receipts, policies, responses: mutated and made up", async () => {
    const next = random(2);
    const core = await TestCore.make();
    const lease = await core.lease(), domain = await core.domainStatement();
    const request = { method: "GET", scheme: "https", authority: "a", path: "/", fields: [], body: new Uint8Array(0) };
    const receipt = await core.receipt(request, { status: 200, fields: [] }, "f");
    const seeds = {
        key: core.keyStatement(new Uint8Array(16)), lease: splitEnvelope(lease).statement,
        domain: splitEnvelope(domain).statement, envelope: domain, receipt: new Uint8Array(Buffer.from(receipt, "base64url")),
    };
    const readers = [decode, readKeyStatement, readLease, readDomainStatement, splitEnvelope,
                     (bytes) => readReceipt(base64url(bytes))];
    for (let i = 0; i < rounds * 10; i++) {
        const bytes = mutate(Object.values(seeds)[next(5)], next);
        for (const read of readers) refusesOnly(() => read(bytes));
    }
    const document = JSON.stringify({ ...core.policy, intel_tcb: { statuses: ["UpToDate"] }, sgx: { enclaves: [] } });
    for (let i = 0; i < rounds; i++) {
        const text = Buffer.from(mutate(utf8(document), next)).toString("latin1");
        try {
            readPolicy(text);
        } catch (error) {
            assert.equal(error.code, "policy_invalid");
        }
    }
    const response = Uint8Array.from(Buffer.from("034066016101620040c801610162000378797a000174017500", "hex"));
    for (let i = 0; i < rounds * 3; i++) {
        const bytes = mutate(response, next);
        try {
            const { content } = await readResponse(new ByteReader((async function* () { yield bytes; })()));
            while (!(await content.next()).done);
        } catch (error) {
            if (!(error instanceof Malformed)) throw error;
        }
    }
});

test("verification: mutated answers of the host end in a report", async () => {
    const next = random(3);
    const core = await TestCore.make();
    const evidence = await core.evidence(), domainStatement = await core.domainStatement();
    const policy = readPolicy(core.policy);
    const input = { evidence, domainStatement, policy, domain: core.domain, now: core.now };
    assert.equal((await verifyAll(input)).report.ok, true);
    for (let i = 0; i < rounds; i++) {
        const changed = next(2) === 0
            ? { evidence: Buffer.from(mutate(utf8(evidence), next)).toString("latin1") }
            : { domainStatement: mutate(domainStatement, next) };
        const { report, leases } = await verifyAll({ ...input, ...changed });
        assert.ok(report.ok || (report.error instanceof TfaasError && leases.length === 0));
        if (report.ok && changed.domainStatement) assert.deepEqual(changed.domainStatement, domainStatement);
    }
    assert.throws(() => encode(undefined));
});
