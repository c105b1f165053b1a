// Evidence made by real hardware: each vector's verdict, fields, and negatives made from it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { appraiseEvidence } from "../src/evidence/index.js";
import { negatives } from "./support/mutate.js";
import { evidenceVectors } from "./support/vectors.js";

const vectors = evidenceVectors();
const when = ({ expected }) => expected.verify_at_unix ?? 1750000000 /* inside every PCK certificate of a quote without collateral */;
const judge = ({ evidence }, atUnix, change = {}) => appraiseEvidence({ ...evidence, atUnix, ...change });

test("there are vectors of every TEE", (t) => {
    if (vectors.size === 0) return t.skip("no evidence vectors here (TFAAS_VECTORS names a folder with them)");
    const tees = new Set([...vectors.values()].map(({ expected }) => expected.tee));
    assert.deepEqual([...tees].sort(), ["sgx", "snp", "tdx"]);
});

function checkVerdict(result, expected) {
    if (expected.verdict === "signature-ok") {
        const debug = expected.fields.debug;
        assert.equal(result.verdict, debug ? "reject" : "policy", result.error);
        if (debug) assert.equal(result.error, "Debug mode is enabled");
        else assert.equal(result.tcbStatus, "Unknown");
        return;
    }
    assert.equal(result.verdict, expected.verdict, result.error);
    if (expected.verdict === "reject") {
        if (expected.error) assert.equal(`Verification failed: ${result.error}`, expected.error);
        return;
    }
    if (expected.tcb_status) assert.equal(result.tcbStatus, expected.tcb_status);
    if (expected.advisory_ids) assert.deepEqual([...result.advisoryIds].sort(), expected.advisory_ids);
    if (expected.tee !== "snp") assert.equal(result.fields.fmspc.toUpperCase(), expected.fmspc);
}

for (const [name, vector] of vectors) {
    const { expected } = vector;
    test(`${name}: ${expected.verdict}`, async () => {
        const result = await judge(vector, when(vector));
        checkVerdict(result, expected);
        for (const [key, value] of Object.entries(expected.fields ?? {}))
            if (!key.startsWith("hcl_")) assert.deepEqual(result.fields[key], value, key);
    });

    if (expected.expired_at_unix)
        test(`${name}: expired collateral`, async () => {
            const result = await judge(vector, expected.expired_at_unix);
            assert.equal(result.verdict, "reject");
            assert.match(result.error, /expired/);
        });

    if (expected.verdict !== "reject" && !expected.fields?.debug)
        test(`${name}: every negative is rejected`, async () => {
            let count = 0;
            for (const [what, change, at] of negatives(vector)) {
                const result = await judge(vector, at ?? when(vector), change);
                assert.equal(result.verdict, "reject", what);
                assert.ok(result.error.length > 0, what);
                count++;
            }
            assert.ok(count >= (expected.tee === "snp" ? 20 : 19), `${count} cases`);
        });
}

for (const name of ["milan-v3-azure-hcl", "tdx-v4-uptodate", "sgx-v3-confighard"]) {
    const vector = vectors.get(name);
    if (!vector) continue;
    test(`${name}: no changed byte of the signed part, no cut, is accepted`, async () => {
        const { quote } = vector.evidence;
        const signed = { snp: 0x2a0, tdx: 48 + 584, sgx: 48 + 384 }[vector.expected.tee];
        for (let at = 0; at < signed; at += 7) {
            const changed = quote.slice();
            changed[at] ^= 1 << (at % 8);
            assert.equal((await judge(vector, when(vector), { quote: changed })).verdict, "reject", `byte ${at}`);
        }
        for (let size = 0; size < quote.length - 100; size += 97)
            assert.equal((await judge(vector, when(vector), { quote: quote.subarray(0, size) })).verdict, "reject");
    });
}

const genuineMilan = vectors.get("milan-v2-virtee"), genoa = vectors.get("genoa-v3-azure-hcl");
if (genuineMilan && genoa)
    test("a chain of another generation does not help", async () => {
        const swap = { ca: genoa.evidence.ca };
        assert.equal((await judge(genuineMilan, when(genuineMilan), swap)).verdict, "reject");
        assert.equal((await judge(genuineMilan, when(genuineMilan), { vek: genoa.evidence.vek })).verdict, "reject");
        assert.equal((await judge(genuineMilan, when(genuineMilan), { ca: undefined })).verdict, "reject");
        assert.equal((await judge(genuineMilan, when(genuineMilan), { tee: "tdx" })).verdict, "reject");
    });
