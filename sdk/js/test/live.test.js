// The client against a real tfaasd and its cores, with a software root.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hex, utf8 } from "../src/bytes.js";
import { createClient, generateLogKey, openLogLine, verify, verifyReceipt, checkReceiptSequences } from "../src/index.js";
import { findBrowser, runPage } from "./support/browser.js";
import { Tfaasd, missing } from "./support/tfaasd.js";

const ECHO = `export default { async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/throw") throw new Error("no");
    if (url.pathname === "/status") return new Response(null, { status: Number(url.search.slice(1)) });
    if (url.pathname === "/own")
        return new Response("x", { headers: { "tfaas-package": "forged", "tfaas-receipt": "forged", "x-own": "1" } });
    return new Response(request.body ? await request.arrayBuffer() : "", { headers: {
        "x-seen": request.method + " " + url.pathname + url.search,
        "x-tfaas": [...request.headers.keys()].filter((name) => name.startsWith("tfaas-")).join() || "none",
        "x-test": request.headers.get("x-test") ?? "",
    } });
} };`;
const READER = `const fs = require("fs");
module.exports = async (event, context) => {
    console.log("asked for " + event.body);
    return context.status(200).succeed(fs.readFileSync("/var/openfaas/secrets/" + event.body).toString());
};`;

const skip = missing();
let daemon, digest;
before(async () => {
    if (skip) return;
    daemon = await Tfaasd.start();
    digest = await daemon.deploy("echo", ECHO);
});
after(() => daemon?.stop());

const client = (options = {}) => createClient({ baseUrl: daemon.url, policy: daemon.policy, ...options });
const fails = (code, promise) => assert.rejects(promise, (error) => {
    assert.equal(error.code, code, `${error.code}: ${error.message}`);
    return true;
});
const live = (name, run) => test(`tfaasd: ${name}`, { skip }, run);

live("verification", async () => {
    const report = await verify(daemon.url, daemon.policy);
    assert.equal(report.ok, true, report.error?.message);
    assert.ok(report.checks.every(({ result }) => result === "passed"));
    assert.equal((await verify(daemon.url)).error.code, "simulated_refused");
    const other = { ...daemon.policy, cores: ["00".repeat(48)] };
    assert.equal((await verify(daemon.url, other)).error.code, "measurement_not_allowed");
    assert.equal((await verify(daemon.url, { ...daemon.policy, platforms: [hex(report.platformId)] })).ok, true);
    assert.equal((await verify(daemon.url, { ...daemon.policy, platforms: ["00".repeat(32)] })).error.code,
                 "platform_not_allowed");
});

live("a call in every form, with a receipt each", async () => {
    const c = client(), claims = [];
    for (const [tfaas, form] of [[{ form: "whole", session: false }, "whole"], [{ session: false }, "chunked"], [{}, "chunked"],
                                 [{}, "session"], [{ gateway: true }, "session"], [{ gateway: true, session: false }, "chunked"]]) {
        const response = await c.fetch("/function/echo/a/b?c=d", {
            method: "POST", headers: { "X-Test": "yes" }, body: "hello", tfaas: { ...tfaas, receipt: true, package: digest },
        });
        assert.equal(response.status, 200);
        assert.equal(await response.text(), "hello");
        assert.deepEqual(["x-seen", "x-tfaas", "x-test"].map((name) => response.headers.get(name)),
                         ["POST /a/b?c=d", "none", "yes"]);
        assert.equal(response.tfaas.form, form);
        assert.equal(response.tfaas.package, digest);
        claims.push(await response.tfaas.receipt);
    }
    checkReceiptSequences(claims.map((one) => one.claims));
    const report = await c.verify();
    for (const one of claims) assert.deepEqual(await verifyReceipt(one.text, report), one.claims);
    assert.ok(claims.every((one) => one.claims.work > 0 && one.claims.outcome === "OK"));
});

live("large and streamed bodies", async () => {
    const body = new Uint8Array(3 << 20).map((_, i) => i * 7);
    const c = client();
    const response = await c.fetch("/function/echo", { method: "POST", body, tfaas: { receipt: true } });
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), body);
    assert.equal((await response.tfaas.receipt).claims.status, 200);
    const stream = new ReadableStream({
        start(controller) {
            for (let at = 0; at < body.length; at += 100000) controller.enqueue(body.subarray(at, at + 100000));
            controller.close();
        },
    });
    const streamed = await c.fetch("/function/echo", { method: "PUT", body: stream, tfaas: { receipt: true } });
    assert.equal(hex(new Uint8Array(await streamed.arrayBuffer()).slice(-8)), hex(body.slice(-8)));
    await streamed.tfaas.receipt;
    const whole = await c.fetch("/function/echo", { method: "POST", body: body.subarray(0, 900000), tfaas: { form: "whole" } });
    assert.equal((await whole.arrayBuffer()).byteLength, 900000);
});

live("methods, statuses and failures are the function's, sealed, with receipts", async () => {
    const c = client();
    for (const method of ["GET", "DELETE", "OPTIONS", "HEAD"]) {
        const response = await c.fetch("/function/echo", { method, tfaas: { receipt: true } });
        assert.equal(response.headers.get("x-seen"), `${method} /`);
        assert.equal((await response.text(), await response.tfaas.receipt).claims.status, 200);
    }
    for (const status of [204, 404, 503]) {
        const response = await c.fetch(`/function/echo/status?${status}`, { tfaas: { receipt: true } });
        assert.equal(response.status, status);
        assert.equal((await response.text(), await response.tfaas.receipt).claims.status, status);
    }
    const thrown = await c.fetch("/function/echo/throw", { tfaas: { receipt: true } });
    assert.equal(thrown.status, 500);
    await thrown.text();
    assert.equal((await thrown.tfaas.receipt).claims.status, 500);
});

live("a function cannot forge what is the core's", async () => {
    const response = await client().fetch("/function/echo/own", { tfaas: { receipt: true, package: digest } });
    assert.equal(await response.text(), "x");
    assert.equal(response.headers.get("x-own"), "1");
    assert.equal(response.tfaas.package, digest);
    assert.notEqual((await response.tfaas.receipt).text, "forged");
});

live("many calls at once", async () => {
    const c = client();
    await (await c.fetch("/function/echo")).text();
    const texts = await Promise.all(Array.from({ length: 40 }, async (_, i) =>
        (await c.fetch("/function/echo", { method: "POST", body: String(i), tfaas: { receipt: i % 2 === 0 } })).text()));
    assert.deepEqual(texts, Array.from({ length: 40 }, (_, i) => String(i)));
});

live("what the core refuses", async () => {
    const c = client();
    await fails("package_mismatch", c.fetch("/function/echo", { tfaas: { package: "ab".repeat(32) } }));
    const absent = await c.fetch("/function/absent").catch((error) => error);
    assert.ok(absent.code === "host_refused" || absent.status === 404, `${absent.code} ${absent.status}`);
    const late = () => Date.now() - 100000;
    assert.equal(await (await client({ now: late }).fetch("/function/echo", { method: "POST", body: "late" })).text(), "late");
    await fails("evidence_not_yet_valid", client({ now: () => Date.now() - 86400000 }).fetch("/function/echo"));
});

live("a gateway that replays, changes or swaps is noticed", async () => {
    let sent = [], change = null;
    const transport = async (url, init) => {
        if (init.method === "POST") {
            sent.push(init);
            if (change) return change(url, init);
        }
        return fetch(url, init);
    };
    const c = client({ fetch: transport });
    const call = (tfaas = {}) => c.fetch("/function/echo", { method: "POST", body: "one", tfaas: { once: true, ...tfaas } });
    for (const tfaas of [{ session: false }, { session: false, form: "whole" }, {}, {}]) {
        await (await call(tfaas)).text();
        change = (url) => fetch(url, sent.at(-2));
        await fails("replay_reported", call(tfaas));
        change = null;
    }
    change = (url, init) => fetch(url, { ...init, body: init.body.map((byte, i) => (i === init.body.length - 1 ? byte ^ 1 : byte)) });
    await fails("request_not_opened", call({ session: false }));
    change = async (url, init) => {
        const answer = await fetch(url, init);
        const bytes = new Uint8Array(await answer.arrayBuffer());
        bytes[bytes.length - 1] ^= 1;
        return new Response(bytes, answer);
    };
    await fails("response_not_authentic", call({ session: false, form: "whole" }).then((r) => r.text()));
    await fails("response_not_authentic", call().then((r) => r.text()));
    change = () => new Response("in clear");
    await fails("downgrade", call());
});

live("another domain has other keys", async () => {
    await daemon.addNamespace("other");
    await daemon.deploy("echo", ECHO, "other");
    const c = client();
    const response = await c.fetch("/function/echo.other/x", { method: "POST", body: "there", tfaas: { receipt: true } });
    assert.equal(await response.text(), "there");
    assert.equal((await response.tfaas.receipt).claims.fn, "echo.other");
    const [one, two] = [await c.verify(), await c.verify({ namespace: "other" })];
    assert.notEqual(hex(one.sealingKey), hex(two.sealingKey));
    assert.equal(hex(one.identity), hex(two.identity));
    // What was sealed to one domain does not open in the other.
    const astray = client({ fetch: (url, init) => fetch(url.replace("/function/echo", "/function/echo.other"), init) });
    const error = await astray.fetch("/function/echo", { tfaas: { once: true } }).catch((thrown) => thrown);
    assert.ok(["key_unknown", "request_not_opened"].includes(error.code), error.message);
});

live("a sealed secret is read by the package that it names, and by no other", async () => {
    const c = client();
    const reader = await daemon.deploy("reader-package", READER);
    const put = async (name, packages) => daemon.putSecret(name, await c.sealSecret(name, `value of ${name}`, { packages }));
    await put("for-reader", [reader]);
    await put("for-others", ["ab".repeat(32)]);
    await daemon.deployImage("reader", "reader-package:latest", { secrets: ["for-reader"] });
    const response = await c.fetch("/function/reader", { method: "POST", body: "for-reader" });
    assert.equal(await response.text(), "value of for-reader");
    const refused = await daemon.deployImage("thief", "reader-package:latest", { secrets: ["for-others"] })
        .then(() => c.fetch("/function/thief", { method: "POST", body: "for-others" })).then(
            async (answer) => ({ status: answer.status, text: await answer.text() }), (error) => ({ status: 0, text: error.message }));
    assert.notEqual(refused.status, 200);
    assert.ok(!refused.text.includes("value of"));
});

live("a sealed package runs for sealed calls only, its logs are for its owner", async () => {
    const c = client(), key = await generateLogKey();
    const inner = await daemon.deploy("open-reader", READER);
    const plain = daemon.readPackage(inner);
    const object = await c.sealPackage("hidden", plain, { logKey: key.publicKey });
    const sealed = await daemon.putSealedPackage("hidden:latest", object);
    await daemon.putSecret("hidden-secret", utf8("plain one"));
    await daemon.deployImage("hidden", "hidden:latest", { secrets: ["hidden-secret"] });
    const response = await c.fetch("/function/hidden", { method: "POST", body: "hidden-secret" });
    assert.equal(response.status, 200, await response.clone().text());
    assert.equal(await response.text(), "plain one");
    assert.equal(response.tfaas.package, inner);
    assert.equal((await fetch(`${daemon.url}/function/hidden`, { method: "POST", body: "hidden-secret" })).status, 426);
    const lines = await daemon.logs("hidden");
    assert.ok(!JSON.stringify(lines).includes("asked for"));
    const line = lines.map(({ text }) => text).find((text) => text.includes("tfaas-log-v1:"));
    assert.ok(line, `${sealed}: ${JSON.stringify(lines)}`);
    const opened = await openLogLine(line.slice(line.indexOf("tfaas-log-v1:")), key.secret, inner);
    assert.match(new TextDecoder().decode(opened), /asked for hidden-secret/);
});

live("a tfaasd that was started again has new keys: the client follows", async () => {
    let url = daemon.url;
    const c = client({ fetch: (where, init) => fetch(where.replace(daemon.url, url), init) });
    await (await c.fetch("/function/echo")).text();
    const second = await Tfaasd.start();
    try {
        await second.deploy("echo", ECHO);
        while (!(await verify(second.url, daemon.policy)).ok) await new Promise((resolve) => setTimeout(resolve, 50));
        url = second.url;
        assert.equal(await (await c.fetch("/function/echo", { method: "POST", body: "anew" })).text(), "anew");
    } finally {
        await second.stop();
    }
});

live("Chromium", async (t) => {
    const browser = findBrowser();
    if (!browser) return t.skip("no Chromium here (scripts/deps.sh browser)");
    const report = await runPage(browser, daemon.url, {
        vectors: [], call: { policy: daemon.policy, fn: "echo", body: "hello", expected: "hello" },
    });
    assert.deepEqual(report.checks.filter(([, good]) => !good), []);
    assert.ok(report.checks.length > 10);
});
