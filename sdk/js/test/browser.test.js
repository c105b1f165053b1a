// The same code in a headless Chromium: evidence, calls through a gateway in every form, the engine's
// curves and their replacement.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findBrowser, runPage } from "./support/browser.js";
import { TestCore } from "./support/core.js";
import { pack } from "./support/measure.js";
import { evidenceVectors } from "./support/vectors.js";

const browser = findBrowser();

test("Chromium: evidence, calls, receipts", async (t) => {
    if (!browser) return t.skip("no Chromium here (scripts/deps.sh browser)");
    const core = await (await TestCore.make()).listen();
    try {
        const report = await runPage(browser, core.url, {
            vectors: [...evidenceVectors()].map(pack),
            call: { policy: core.policy, fn: "echo", body: "hello", expected: "hello" },
        });
        assert.deepEqual(report.checks.filter(([, good]) => !good), []);
        assert.ok(report.checks.length > 20);
        // A browser that takes 50 ms on a quiet machine may take more on a busy one: bench/sdk/js.mjs tells.
        for (const [name, { median }] of Object.entries(report.times)) assert.ok(median < 500, `${name}: ${median} ms`);
    } finally {
        await core.close();
    }
});
