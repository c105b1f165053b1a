// Every case of tests/vectors/synthetic.json: evidence of invented platforms under invented roots, one
// change in each. Verdict, status and advisories are the ones that the case names (its reason is in
// libtfaas's words); under the real roots none of them holds.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { text } from "../src/bytes.js";
import { appraiseEvidence, appraiseUnder } from "../src/evidence/index.js";
import { rootsOf } from "../src/evidence/roots.js";
import { file } from "./support/vectors.js";

const name = file("synthetic.json");
const all = name ? JSON.parse(readFileSync(name, "utf8")) : null;
const blob = (key) => (key === undefined ? undefined : new Uint8Array(Buffer.from(all.blobs[key], "base64")));

function evidenceOf(one) {
    const quote = blob(one.quote), vek = blob(one.vek), ca = blob(one.ca);
    const evidence = { tee: one.tee, quote, atUnix: one.at };
    if (typeof one.collateral === "string") evidence.collateral = text(blob(one.collateral));
    else if (one.collateral)
        evidence.collateral = Object.fromEntries(
            Object.entries(one.collateral).map(([key, value]) => [key, Buffer.from(blob(value)).toString("utf8")]));
    if (vek) evidence.vek = vek[0] === 0x30 || vek.length === 0 ? vek : Buffer.from(vek).toString("latin1");
    if (ca) evidence.ca = Buffer.from(ca).toString("latin1");
    return evidence;
}

function check(one, found) {
    const what = `${one.name}: ${found.verdict} ${found.error}`;
    assert.equal(found.verdict, one.verdict, what);
    assert.equal(found.tcbStatus, one.tcb_status ?? null, what);
    assert.deepEqual(found.advisoryIds, one.advisory_ids ?? [], what);
    assert.equal(found.error !== "", found.verdict === "reject", what);
    assert.equal(found.expiresUnix > 0, found.verdict !== "reject", what);
    if (found.verdict !== "reject") assert.equal(found.debug, one.debug ?? false, what);
}

if (!all) test("synthetic evidence", (t) => t.skip("no tests/vectors/synthetic.json here"));
else {
    const { intel, milan, genoa, turin } = all.roots;
    const roots = rootsOf({ intel: blob(intel), Milan: blob(milan), Genoa: blob(genoa), Turin: blob(turin) });
    for (const one of all.cases.filter((one) => one.hcl === undefined))
        test(`synthetic: ${one.name}`, async () => {
            const evidence = evidenceOf(one);
            check(one, await appraiseUnder(roots, evidence));
            assert.equal((await appraiseEvidence(evidence)).verdict, "reject");
        });
}
