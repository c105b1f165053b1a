// page.js - runs in a browser: verdicts and times of evidence, calls in every form, refusals. Reports
// to /done.

import { without } from "../../src/crypto.js";
import { TfaasError, createClient, tfaasFetch } from "../../src/index.js";
import { timeAppraisal, timeCalls, unpack } from "./measure.js";

const report = { checks: [], times: {}, engine: navigator.userAgent };

async function check(name, run) {
    try {
        await run();
        report.checks.push([name, true, ""]);
    } catch (error) {
        report.checks.push([name, false, `${error.code ?? error.name}: ${error.message} ${error.stack}`]);
    }
}

const is = (got, expected) => {
    if (got !== expected) throw new Error(`${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
};
const code = async (promise) => {
    try {
        await promise;
    } catch (error) {
        if (error instanceof TfaasError) return error.code;
        throw error;
    }
    return "no error";
};

async function evidence(vectors) {
    for (const one of vectors)
        await check(`evidence ${one.name}`, async () => {
            const times = await timeAppraisal(unpack(one));
            const expected = one.verdict === "signature-ok" ? (one.debug ? "reject" : "policy") : one.verdict;
            is(times.verdict, expected);
            report.times[one.name] = times;
        });
}

async function calls({ policy, fn, body, expected }) {
    const baseUrl = location.origin;
    const client = createClient({ baseUrl, policy });
    const call = (tfaas, c = client) => c.fetch(`/function/${fn}`, { method: "POST", body, tfaas });
    await check("verify", async () => {
        const found = await client.verify({ fresh: true });
        if (!found.ok) throw found.error;
    });
    for (const tfaas of [{ form: "whole", session: false }, { session: false }, {}, {}, { receipt: true }])
        await check(`call ${JSON.stringify(tfaas)}`, async () => {
            const response = await call(tfaas);
            is(response.status, 200);
            is(await response.text(), expected);
            if (tfaas.receipt) is((await response.tfaas.receipt).claims.status, 200);
        });
    await check("sessions are used", async () => {
        const response = await call({});
        is(response.tfaas.form, "session");
        await response.text();
    });
    await check("a stream as body", async () => {
        const stream = new Blob([body]).stream();
        is(await (await client.fetch(`/function/${fn}`, { method: "POST", body: stream })).text(), expected);
    });
    await check("tfaasFetch", async () => {
        is(await (await tfaasFetch(`/function/${fn}`, { method: "POST", body, tfaas: { policy } })).text(), expected);
    });
    await check("without a policy nothing is sent", async () => is(await code(call({}, createClient({ baseUrl }))), "simulated_refused"));
    await check("sealing", async () => {
        const object = await client.sealSecret("name", "value", { packages: ["ab".repeat(32)] });
        is(object[0], 0xa9);
    });
    await check("calls without the engine's curves", async () => {
        without.add("Ed25519").add("X25519");
        try {
            const other = createClient({ baseUrl, policy });
            is(await (await call({ receipt: true }, other)).text(), expected);
        } finally {
            without.clear();
        }
    });
    await check("times of calls", async () => {
        report.times["call, session"] = { median: await timeCalls(async () => (await call({})).text()) };
        report.times["call, stateless"] = { median: await timeCalls(async () => (await call({ session: false })).text()) };
        report.times["call, receipt"] = { median: await timeCalls(async () => (await call({ receipt: true })).text()) };
    });
}

const input = await (await fetch("/input")).json();
await evidence(input.vectors);
if (input.call) await calls(input.call);
await fetch("/done", { method: "POST", body: JSON.stringify(report) });
