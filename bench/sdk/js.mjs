// js.mjs - times of @tfaas/client, in Node and in a headless Chromium where there is one: verifying
// each vector of evidence, and sealed calls. node bench/sdk/js.mjs [URL POLICY-FILE FUNCTION] measures
// calls against that tfaasd, else against the tests' core (in this process, so for itself only).
// --json: one object of medians in milliseconds, by engine, and nothing else on stdout.

import { readFileSync } from "node:fs";
import { createClient } from "../../sdk/js/src/index.js";
import { findBrowser, runPage } from "../../sdk/js/test/support/browser.js";
import { TestCore } from "../../sdk/js/test/support/core.js";
import { pack, timeAppraisal, timeCalls, unpack } from "../../sdk/js/test/support/measure.js";
import { evidenceVectors } from "../../sdk/js/test/support/vectors.js";

const json = process.argv.includes("--json");
const [url, policyFile, fn = "echo"] = process.argv.slice(2).filter((word) => word !== "--json");
const core = url ? null : await (await TestCore.make()).listen();
const baseUrl = url ?? core.url;
const policy = url ? JSON.parse(readFileSync(policyFile, "utf8")) : core.policy;
const body = "hello";
const expected = await (await createClient({ baseUrl, policy }).fetch(`/function/${fn}`, { method: "POST", body })).text();
const vectors = [...evidenceVectors()].map(pack).filter(({ verdict }) => verdict !== "reject");

const ms = (value) => (value === undefined ? "" : value.toFixed(2)).padStart(9);
const medians = {};
function print(engine, times) {
    medians[engine] = Object.fromEntries(Object.entries(times).map(([name, { median }]) => [name, median]));
    if (json) return;
    console.log(`\n${engine}\n${"".padEnd(28)}${"first".padStart(9)}${"median".padStart(9)}${"worst".padStart(9)}  ms`);
    for (const [name, { first, median, worst }] of Object.entries(times))
        console.log(`${name.padEnd(28)}${ms(first)}${ms(median)}${ms(worst)}`);
}

const times = {};
for (const one of vectors) times[one.name] = await timeAppraisal(unpack(one));
const client = createClient({ baseUrl, policy });
for (const [name, tfaas] of [["call, session", {}], ["call, stateless", { session: false }], ["call, receipt", { receipt: true }]])
    times[name] = {
        median: await timeCalls(async () => (await client.fetch(`/function/${fn}`, { method: "POST", body, tfaas })).text()),
    };
print(`Node ${process.versions.node}`, times);

const browser = findBrowser();
if (!browser) console.error("no Chromium here");
else {
    const report = await runPage(browser, baseUrl, { vectors, call: { policy, fn, body, expected } });
    for (const [name, good, why] of report.checks) if (!good) console.error(`FAILED ${name}: ${why}`);
    print(report.engine, report.times);
}
await core?.close();
if (json) console.log(JSON.stringify(medians));
