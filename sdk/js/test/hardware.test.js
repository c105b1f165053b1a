// Evidence of real hardware against policies: each of the policy's rules refuses by its own name, and
// what passes all of them ends at the report_data, which is of somebody else's statement.

import assert from "node:assert/strict";
import { test } from "node:test";
import { base64url, concat, fromPem, unhex, utf8 } from "../src/bytes.js";
import { readPolicy } from "../src/policy.js";
import { verifyAll } from "../src/verify.js";
import { TestCore } from "./support/core.js";
import { evidenceVectors } from "./support/vectors.js";

const vectors = evidenceVectors();
const TYPES = {
    sgx: "application/vnd.intel.sgx-quote", tdx: "application/vnd.intel.tdx-quote", snp: "application/vnd.amd.snp-report",
};
const GUIDS = [
    "63da758de6644564adc5f4b93be8accd", "4ab7b379bbac4fe4a02f05aef327c782", "c0b406a4a80349529743" + "3fb6014cd0ae",
];
const VLEK = "a8074bc2a25a483eaae639c045a0b8a1";
const u32 = (value) => new Uint8Array(new Uint32Array([value]).buffer);

/** GHCB's certificate table. */
function table({ vek, ca }, vlek) {
    const certificates = [vek, ...fromPem(ca, 8).map(([, der]) => der)];
    const guids = [vlek ? VLEK : GUIDS[0], ...GUIDS.slice(1)];
    let offset = 24 * (certificates.length + 1);
    const entries = certificates.map((der, i) => {
        const entry = concat(unhex(guids[i]), u32(offset), u32(der.length));
        offset += der.length;
        return entry;
    });
    return concat(...entries, new Uint8Array(24), ...certificates);
}

async function judge(name, policy, change = {}) {
    const { evidence, expected } = vectors.get(name);
    const core = await TestCore.make({ now: expected.verify_at_unix });
    const endorsements = expected.tee === "snp"
        ? ["application/vnd.amd.snp-certificates", base64url(table(evidence, expected.fields.signing_key === "VLEK")), 2]
        : ["application/vnd.tfaas.collateral+json", base64url(utf8(evidence.collateral ?? "{}")), 2];
    core.faults.collection = { evidence: [TYPES[expected.tee], base64url(evidence.quote), 4], endorsements, ...change };
    const { report } = await verifyAll({
        evidence: await core.evidence(), domainStatement: await core.domainStatement(), domain: core.domain, now: core.now,
        policy: readPolicy({ ...core.policy, ...policy }),
    });
    assert.equal(report.ok, false);
    assert.equal(report.checks.filter(({ result }) => result === "failed").length, 1);
    return report.error.code;
}

function refuses(name, good, cases) {
    test(`${name}: policies`, { skip: vectors.has(name) ? false : "this vector is not here" }, async () => {
        assert.equal(await judge(name, good(vectors.get(name).expected.fields)), "statement_mismatch");
        for (const [code, change, answer] of cases) {
            const policy = { ...good(vectors.get(name).expected.fields), ...change };
            assert.equal(await judge(name, policy, answer), code, `${code} ${JSON.stringify(change)}`);
        }
    });
}

refuses("sgx-v3-confighard", (fields) => ({
    allow_simulated: false, sgx: { enclaves: [fields.mr_enclave] },
    intel_tcb: { statuses: ["ConfigurationAndSWHardeningNeeded"], advisories: ["INTEL-SA-00289", "INTEL-SA-00615"] },
}), [
    ["tee_not_allowed", { sgx: undefined, tdx: { domains: [] } }],
    ["tcb_refused", { intel_tcb: undefined }],
    ["tcb_refused", { intel_tcb: { statuses: ["ConfigurationAndSWHardeningNeeded"], advisories: ["INTEL-SA-00289"] } }],
    ["launch_not_allowed", { sgx: { enclaves: ["00".repeat(32)] } }],
    ["platform_not_allowed", { platforms: ["00".repeat(16)] }],
    ["tcb_refused", {}, { endorsements: undefined }],
    ["evidence_form", {}, { endorsements: ["application/x", "AAAA", 2] }],
    ["evidence_signature", {}, { endorsements: ["application/vnd.tfaas.collateral+json", base64url(utf8("{}")), 2] }],
]);

const td = (fields, change = {}) => ({
    mrtd: fields.mr_td, rtmrs: [fields.rt_mr0, fields.rt_mr1, fields.rt_mr2, fields.rt_mr3], ...change,
});
refuses("tdx-v4-uptodate", (fields) => ({ tdx: { domains: [td(fields)] } }), [
    ["tee_not_allowed", { tdx: undefined }],
    ["launch_not_allowed", { tdx: { domains: [] } }],
    ["tcb_refused", { intel_tcb: { statuses: ["OutOfDate"] } }],
    ["tcb_refused", {}, { endorsements: undefined }],
]);
test("tdx-v4-uptodate: RTMRs", { skip: !vectors.has("tdx-v4-uptodate") }, async () => {
    const { fields } = vectors.get("tdx-v4-uptodate").expected;
    const other = [fields.rt_mr0, null, "00".repeat(48), fields.rt_mr3];
    assert.equal(await judge("tdx-v4-uptodate", { tdx: { domains: [td(fields, { rtmrs: other })] } }), "launch_not_allowed");
    other[2] = null;
    assert.equal(await judge("tdx-v4-uptodate", { tdx: { domains: [td(fields, { rtmrs: other })] } }), "statement_mismatch");
});
test("tdx-v4-debug: debug is refused", { skip: !vectors.has("tdx-v4-debug") }, async () => {
    const { fields } = vectors.get("tdx-v4-debug").expected;
    assert.equal(await judge("tdx-v4-debug", { tdx: { domains: [td(fields)] } }, { endorsements: undefined }), "debug_refused");
});

const none = { boot_loader: 0, tee: 0, snp: 0, microcode: 0 };
const launch = (generation, svns = none) => (fields) => ({
    snp: { launches: [fields.measurement], minimum_tcb: { [generation]: svns } },
});
refuses("genoa-v3-azure-hcl", launch("Genoa"), [
    ["tee_not_allowed", { snp: undefined }],
    ["tcb_refused", { snp: { launches: [], minimum_tcb: { Milan: none } } }],
    ["tcb_refused", { snp: { launches: [], minimum_tcb: { Genoa: { ...none, microcode: 255 } } } }],
    ["launch_not_allowed", { snp: { launches: [], minimum_tcb: { Genoa: none } } }],
    ["platform_not_allowed", { platforms: ["00".repeat(64)] }],
    ["evidence_form", {}, { endorsements: undefined }],
    ["evidence_form", {}, { endorsements: ["application/vnd.amd.snp-certificates", base64url(new Uint8Array(24)), 2] }],
    ["evidence_form", {}, { endorsements: ["application/vnd.amd.snp-certificates", base64url(new Uint8Array(5)), 2] }],
]);
refuses("milan-v2-virtee", launch("Milan"), [["milan_refused", { snp: { launches: [], minimum_tcb: { Genoa: none } } }]]);
test("milan-v2-gce: a guest that the host may debug", { skip: !vectors.has("milan-v2-gce") }, async () => {
    const policy = launch("Milan")(vectors.get("milan-v2-gce").expected.fields);
    assert.equal(await judge("milan-v2-gce", policy), "debug_refused");
});
test("milan-v3-vlek: what runs at VMPL 1 is not what was launched", { skip: !vectors.has("milan-v3-vlek") }, async () => {
    const policy = launch("Milan")(vectors.get("milan-v3-vlek").expected.fields);
    assert.equal(await judge("milan-v3-vlek", policy), "launch_not_allowed");
});
