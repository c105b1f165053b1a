// The client against a core with a software root, honest and lying in every way that it can see.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { base64url, concat, hex, utf8 } from "../src/bytes.js";
import { random, x25519 } from "../src/crypto.js";
import { createClient, tfaasFetch, verify, verifyReceipt } from "../src/index.js";
import { TestCore, signer } from "./support/core.js";

let core;
before(async () => (core = await (await TestCore.make()).listen()));
after(() => core.close());
const echo = async ({ body }) => ({ status: 200, fields: [["content-type", "text/plain"]], body });
beforeEach(() => {
    Object.assign(core, {
        faults: {}, calls: [], paths: [], onHttp: undefined, keyId: 7, domain: "openfaas-fn", aeads: [2, 3], handler: echo,
    });
    core.sessions.clear();
});

const client = (options = {}) => createClient({ baseUrl: core.url, policy: core.policy, ...options });
const fails = (code, promise) => assert.rejects(promise, (error) => {
    assert.equal(error.code, code, `${error.code}: ${error.message}`);
    return true;
});

test("a call: method, path, query, fields and body arrive; status, fields and body come back", async () => {
    core.handler = async (request) => ({
        status: 201, fields: [["content-type", "text/plain"], ["x-a", "1"], ["x-a", "2"]],
        body: utf8(`${request.method} ${request.path} ${hex(request.body)}`),
    });
    const response = await client().fetch("/function/hello/a/b?c=d", {
        method: "PUT", headers: { "X-Test": "yes" }, body: new Uint8Array([1, 2, 3]),
    });
    assert.ok(response instanceof Response);
    assert.equal(response.status, 201);
    assert.equal(response.headers.get("x-a"), "1, 2");
    assert.equal(await response.text(), "PUT /function/hello/a/b?c=d 010203");
    assert.equal(response.headers.has("tfaas-package"), false);
    assert.equal(response.tfaas.package, core.package);
    const [call] = core.calls;
    assert.deepEqual(call.fields.find(([name]) => name === "x-test"), ["x-test", "yes"]);
    assert.equal(core.paths.at(-1), "/function/hello");
});

test("bodies of every kind, and their content types", async () => {
    const c = client();
    core.handler = async (request) => ({
        status: 200, fields: [["x-type", request.fields.find(([name]) => name === "content-type")?.[1] ?? "none"]],
        body: request.body,
    });
    const stream = () => new ReadableStream({
        start(controller) {
            for (const part of ["st", "re", "am"]) controller.enqueue(utf8(part));
            controller.close();
        },
    });
    const cases = [
        ["text", "text", /^text\/plain;charset=UTF-8$/i],
        [new URLSearchParams({ a: "b" }), "a=b", /^application\/x-www-form-urlencoded/],
        [new Blob(["blob"], { type: "image/x" }), "blob", /^image\/x$/],
        [utf8("bytes").buffer, "bytes", /^none$/],
        [stream(), "stream", /^none$/],
        [null, "", /^none$/],
    ];
    for (const [body, expected, type] of cases) {
        const response = await c.fetch("/function/hello", { method: "POST", body });
        assert.equal(await response.text(), expected);
        assert.match(response.headers.get("x-type"), type);
    }
});

test("large bodies both ways, in every form", async () => {
    core.handler = async ({ body }) => ({ status: 200, fields: [], body });
    const body = random(65536), large = concat(...Array(12).fill(body));
    for (const tfaas of [{ form: "whole", session: false }, { form: "chunked", session: false }, {}, {}]) {
        const response = await client().fetch("/function/hello", { method: "POST", body: large, tfaas });
        assert.deepEqual(new Uint8Array(await response.arrayBuffer()), large);
    }
    const stream = new ReadableStream({
        start(controller) {
            for (let i = 0; i < 40; i++) controller.enqueue(body);
            controller.close();
        },
    });
    const response = await client().fetch("/function/hello", { method: "POST", body: stream, tfaas: { receipt: true } });
    assert.equal((await response.arrayBuffer()).byteLength, 40 * 65536);
    assert.equal((await response.tfaas.receipt).claims.fn, "hello.openfaas-fn");
    await fails("request_too_large", client().fetch("/function/hello", {
        method: "POST", body: new Uint8Array((1 << 20) + 1), tfaas: { form: "whole" },
    }));
});

test("the first call makes a session, later ones run in it, an unknown session is made again", async () => {
    const c = client();
    const forms = [];
    for (let i = 0; i < 3; i++) {
        const response = await c.fetch("/function/hello", { method: "POST", body: "x" });
        forms.push(response.tfaas.form);
        await response.text();
    }
    assert.deepEqual(forms, ["chunked", "session", "session"]);
    core.sessions.clear();
    const response = await c.fetch("/function/hello", { method: "POST", body: "again" });
    assert.equal(response.tfaas.form, "chunked");
    assert.equal(await response.text(), "again");
    assert.equal(core.paths.filter((path) => path.startsWith("/.well-known/tfaas/evidence")).length, 1);
    core.sessions.clear();
    await fails("session_unknown", c.fetch("/function/hello", { method: "POST", body: "once", tfaas: { once: true } }));
});

test("calls at the same time share one verification and have different sequences", async () => {
    const c = client();
    await (await c.fetch("/function/hello", { method: "POST", body: "0" })).text();
    const texts = await Promise.all(Array.from({ length: 20 }, async (_, i) =>
        (await c.fetch("/function/hello", { method: "POST", body: String(i) })).text()));
    assert.deepEqual(texts, Array.from({ length: 20 }, (_, i) => String(i)));
    assert.equal(core.paths.filter((path) => path.startsWith("/.well-known/tfaas/evidence")).length, 1);
});

test("a key that changed is fetched anew, once", async () => {
    const c = client();
    await (await c.fetch("/function/hello", { method: "POST", body: "x", tfaas: { session: false } })).text();
    core.keyId = 8;
    const response = await c.fetch("/function/hello", { method: "POST", body: "y", tfaas: { session: false } });
    assert.equal(await response.text(), "y");
    assert.equal(response.tfaas.keyId, 8);
    core.faults.keyUnknown = true;
    const before = core.paths.length;
    await fails("key_unknown", c.fetch("/function/hello", { method: "POST", body: "z", tfaas: { session: false } }));
    assert.equal(core.paths.length - before, 4, "call, evidence, domain, call");
});

test("a core that was started again with the same key id is met with a new fetch, once", async () => {
    const c = client();
    await (await c.fetch("/function/hello", { method: "POST", body: "x", tfaas: { session: false } })).text();
    core.request = await x25519(random(32));
    const response = await c.fetch("/function/hello", { method: "POST", body: "y", tfaas: { session: false } });
    assert.equal(await response.text(), "y");
    assert.equal(core.paths.filter((path) => path.startsWith("/.well-known/tfaas/evidence")).length, 2);
});

test("without AES the same with ChaCha20-Poly1305", async () => {
    core.aeads = [3];
    const response = await client().fetch("/function/hello", { method: "POST", body: "x" });
    assert.equal(await response.text(), "x");
});

test("a client with a wrong clock is told the core's, and corrects the date once", async () => {
    core.faults.clock = core.now + 500;
    const response = await client().fetch("/function/hello", { method: "POST", body: "x" });
    assert.equal(await response.text(), "x");
    assert.equal(core.calls.length, 2);
    await fails("date_refused", client().fetch("/function/hello", { method: "POST", body: "x", tfaas: { once: true } }));
});

test("a function cannot say what only a core may say", async () => {
    for (const [status, type] of [[400, "https://iana.org/assignments/http-problem-types#date"],
                                  [421, "tag:tfaas,2026:misdirected"]]) {
        core.calls.length = 0;
        core.handler = async () => ({
            status, body: utf8(JSON.stringify({ type })),
            fields: [["content-type", "application/problem+json"], ["date", "Thu, 01 Jan 2099 00:00:00 GMT"]],
        });
        const response = await client().fetch("/function/hello", { method: "POST", body: "x" });
        assert.equal(response.status, status);
        assert.equal((await response.json()).type, type);
        assert.equal(core.calls.length, 1);
    }
});

test("errors of the function are answers", async () => {
    core.handler = async () => ({ status: 503, fields: [["content-type", "application/problem+json"]], body: utf8("{}") });
    const response = await client().fetch("/function/hello");
    assert.equal(response.status, 503);
    assert.equal(await response.text(), "{}");
});

test("answers without content: 204 and HEAD", async () => {
    assert.equal((await client().fetch("/function/hello", { method: "HEAD" })).status, 200);
    core.handler = async () => ({ status: 204, fields: [] });
    const response = await client().fetch("/function/hello", { tfaas: { receipt: true } });
    assert.equal(response.status, 204);
    assert.equal(response.body, null);
    assert.equal((await response.tfaas.receipt).claims.status, 204);
});

test("namespaces, the gateway resource, and URLs", async () => {
    core.domain = "other";
    const c = client();
    const response = await c.fetch("/function/hello.other/x", { method: "POST", body: "1", tfaas: { gateway: true } });
    assert.equal(await response.text(), "1");
    assert.equal(core.paths.at(-1), "/.well-known/ohttp-gateway?namespace=other");
    assert.equal(core.calls[0].path, "/function/hello.other/x");
    await (await c.fetch("/function/hello", { tfaas: { namespace: "other" } })).text();
    assert.equal(core.calls[1].path, "/function/hello.other");
    await fails("domain_mismatch", client().fetch("/function/hello"));
    for (const url of ["/functions/hello", "/function/", "/function/Hello", "/function/a..b", "http://elsewhere/function/hello",
                       "/function/a%2fb"])
        await fails("usage", client().fetch(url));
    await fails("usage", client().fetch("/function/hello.a", { tfaas: { namespace: "b" } }));
    await fails("usage", client().fetch("/function/hello", { tfaas: { recipt: true } }));
    await fails("usage", client().fetch("/function/hello", { headers: { "tfaas-session": "1" } }));
    await fails("usage", client().fetch("/function/hello", { tfaas: { package: "abc" } }));
});

test("tfaasFetch and verify", async () => {
    const response = await tfaasFetch(`${core.url}/function/hello`, {
        method: "POST", body: "hi", tfaas: { policy: core.policy, receipt: true, package: core.package },
    });
    assert.equal(await response.text(), "hi");
    assert.equal((await response.tfaas.receipt).claims.pkg, core.package);
    await (await tfaasFetch(`${core.url}/function/hello`, { tfaas: { policy: core.policy } })).text();
    assert.equal(core.paths.filter((path) => path.startsWith("/.well-known/tfaas/evidence")).length, 1);
    await fails("simulated_refused", tfaasFetch(`${core.url}/function/hello`));
    const report = await verify(core.url, core.policy);
    assert.equal(report.ok, true);
    assert.equal(report.simulated, true);
    assert.match(report.notCovered[0], /SIMULATED/);
    assert.deepEqual(report.checks.map(({ number }) => number), report.checks.map((_, i) => i + 1));
    assert.ok(report.checks.every(({ result }) => result === "passed"));
    const refused = await verify(core.url);
    assert.equal(refused.ok, false);
    assert.equal(refused.error.code, "simulated_refused");
    assert.equal(refused.checks.find(({ name }) => name === "tee").result, "failed");
    assert.equal(refused.checks.find(({ name }) => name === "leases").result, "not made");
});

// --- a host that lies about the core ---

const bytes = (size) => new Uint8Array(size).fill(1);
const lies = {
    "not JSON": ["evidence_form", { collection: { __cmwc_t: "other" } }],
    "no key statement": ["evidence_form", { collection: { "key-statement": ["a", "AA", 4] } }],
    "padded base64": ["evidence_form", { collection: { evidence: ["application/vnd.tfaas.simulated+cbor", "AA==", 4] } }],
    "unknown kind of evidence": ["evidence_unknown", { collection: { evidence: ["application/x", "AAAA", 4] } }],
    "hardware that the policy does not name": ["tee_not_allowed",
        { collection: { evidence: ["application/vnd.intel.tdx-quote", "AAAA", 4] } }],
    "another report_data": ["statement_mismatch", { simulated: { 3: bytes(64) } }],
    "evidence changed": ["evidence_signature", { collection: { evidence: ["application/vnd.tfaas.simulated+cbor",
        base64url(utf8("rubbish")), 4] } }],
    "another nonce": ["evidence_nonce", { nonce: bytes(32) }],
    "evidence measures another core": ["statement_mismatch", { keyStatement: { 8: bytes(48) } }],
    "another core": ["measurement_not_allowed", { keyStatement: { 8: bytes(48) }, simulated: { 2: bytes(48) } }],
    "a key too many": ["evidence_form", { keyStatement: { 14: 1 } }],
    "a statement of the future": ["evidence_not_yet_valid", { times: [300, 4000] }],
    "a statement that ended": ["evidence_expired", { times: [-9000, -300] }],
    "an old statement": ["evidence_too_old", { times: [-5000, 100] }],
    "a short identity": ["evidence_form", { keyStatement: { 2: bytes(31) } }],
    "another domain": ["domain_mismatch", { domain: { 2: "other" } }],
    "a domain statement that ended": ["domain_expired", { domain: { 4: 1, 5: 2 } }],
    "a malformed domain statement": ["domain_form", { domain: { 6: bytes(31) } }],
    "a lease of another domain": ["lease_mismatch", { lease: { 2: "other" } }],
    "a lease of another core": ["lease_mismatch", { lease: { 9: bytes(48) } }],
    "a lease that ended": ["lease_expired", { lease: { 5: 1, 6: 2 } }],
    "a lease without an AEAD of this client": ["lease_form", { lease: { 7: new Uint8Array([
        7, 0, 0x20, ...bytes(32), 0, 4, 0, 1, 0, 1]) } }],
    "a lease that ends as it begins": ["lease_form", { lease: { 5: 9, 6: 9 } }],
    "a lease without a number": ["lease_form", { lease: { 4: 0 } }],
    "a lease with another KEM": ["lease_form", { lease: { 7: bytes(43) } }],
    "a malformed lease": ["lease_form", { lease: { 3: bytes(15) } }],
};

for (const [what, [code, faults]] of Object.entries(lies))
    test(`evidence: ${what}: ${code}`, async () => {
        core.faults = { ...faults };
        if (faults.times)
            core.faults = { keyStatement: { 4: core.now + faults.times[0], 5: core.now + faults.times[1] } };
        const report = await verify(core.url, core.policy);
        assert.equal(report.ok, false);
        assert.equal(report.error.code, code, report.error.message);
        assert.equal(report.checks.filter(({ result }) => result === "failed").length, 1);
        await fails(code, client({ fresh: true }).fetch("/function/hello", { method: "POST", body: "secret" }));
        assert.equal(core.calls.length, 0);
        assert.ok(core.paths.every((path) => path.startsWith("/.well-known/")), "nothing was sent");
    });

test("a domain where no worker runs holds, and can be sealed to; a call finds no lease", async () => {
    core.faults = { domain: { 7: [] } };
    const report = await verify(core.url, core.policy);
    assert.equal(report.ok, true);
    assert.equal(report.leaseCount, 0);
    await fails("lease_missing", client().fetch("/function/hello", { method: "POST", body: "secret" }));
    assert.equal(core.calls.length, 0);
    assert.ok((await client().sealSecret("token", utf8("x"))).length > 0);
});

test("evidence that gets too old for the policy is fetched again", async () => {
    let now = Date.now();
    const c = createClient({ baseUrl: core.url, policy: { ...core.policy, maximum_age_s: 100 }, now: () => now });
    await (await c.fetch("/function/hello", { method: "POST", body: "x", tfaas: { session: false } })).text();
    now += 110000;
    await fails("evidence_too_old", c.fetch("/function/hello", { method: "POST", body: "x", tfaas: { session: false } }));
});

test("statements signed by somebody else", async () => {
    core.faults = { domainSigner: await signer() };
    assert.equal((await verify(core.url, core.policy)).error.code, "domain_signature");
    core.faults = { leaseSigner: await signer() };
    assert.equal((await verify(core.url, core.policy)).error.code, "lease_signature");
});

test("a machine that the policy does not name", async () => {
    const policy = { ...core.policy, platforms: ["00".repeat(32)] };
    assert.equal((await verify(core.url, policy)).error.code, "platform_not_allowed");
});

test("the policy without a policy accepts nothing", async () => {
    const report = await verify(core.url, { version: 1, allow_simulated: true });
    assert.equal(report.error.code, "measurement_not_allowed");
});

// --- a host that lies about answers ---

const answerLies = {
    "in clear": ["downgrade", ({ send }) => send("text/plain", "hello")],
    "sealed type, rubbish": ["response_not_authentic", ({ send }) => send("message/ohttp-chunked-res", new Uint8Array(73))],
    "empty": ["response_truncated", ({ send }) => send("message/ohttp-chunked-res", "")],
    "an error page": ["host_refused", ({ send }) => send("text/html", "<h1>oops</h1>", 500)],
    "replayed": ["replay_reported", ({ send }) => send("application/problem+json", "{}", 409)],
    "not opened": ["request_not_opened", ({ send }) => send("application/problem+json", "{}", 400)],
    "unavailable": ["unavailable", ({ send }) => send("text/plain", "no core", 503)],
    "no such session": ["session_unknown", ({ send }) =>
        send("application/problem+json", '{"type":"tag:tfaas,2026:session-unknown"}', 400)],
    "cut connection": ["transport", ({ response }) => response.destroy()],
    "redirection": ["transport", ({ response }) => response.writeHead(302, { location: "/elsewhere" }).end()],
};

for (const [what, [code, answer]] of Object.entries(answerLies))
    test(`answer: ${what}: ${code}`, async () => {
        core.onHttp = (exchange) => exchange.request.method === "POST" && (answer(exchange), true);
        await fails(code, client().fetch("/function/hello", { method: "POST", body: "x" }).then((r) => r.text()));
    });

test("an answer that is cut, changed, reordered or doubled is never whole", async () => {
    core.handler = async () => ({ status: 200, fields: [], body: random(40000) });
    const changes = {
        "no final chunk": [(p) => p.slice(0, -1), ["response_truncated"]],
        "a chunk left out": [(p) => p.toSpliced(2, 1), ["response_not_authentic"]],
        "two chunks swapped": [(p) => [p[0], p[2], p[1], ...p.slice(3)], ["response_not_authentic"]],
        "a chunk twice": [(p) => [p[0], p[1], p[1], ...p.slice(2)], ["response_not_authentic"]],
        "a bit": [(p) => p.map((piece, i) => (i === 3 ? piece.map((byte, k) => (k === 20 ? byte ^ 1 : byte)) : piece)),
                  ["response_not_authentic"]],
        "another nonce": [(p) => [random(32), ...p.slice(1)], ["response_not_authentic"]],
        "bytes behind": [(p) => [...p, random(3)], ["response_not_authentic"]],
        "half a chunk": [(p) => [...p.slice(0, -2), p.at(-2).subarray(0, 40)], ["response_truncated"]],
    };
    for (const [what, [change, codes]] of Object.entries(changes)) {
        core.faults = { pieces: change };
        await assert.rejects(async () => {
            const response = await client().fetch("/function/hello", { tfaas: { session: false } });
            await response.arrayBuffer();
        }, (error) => codes.includes(error.code) || assert.fail(`${what}: ${error.code} ${error.message}`));
    }
});

test("an answer to another request does not open", async () => {
    let kept = null;
    core.faults = { pieces: (p) => {
        if (kept) return kept;
        kept = p;
        return p;
    } };
    const c = client();
    await (await c.fetch("/function/hello", { tfaas: { session: false } })).text();
    await fails("response_not_authentic", c.fetch("/function/hello", { tfaas: { session: false } }).then((r) => r.text()));
    kept = null;
    await (await c.fetch("/function/hello")).text();
    kept = null;
    await (await c.fetch("/function/hello")).text();
    await fails("response_not_authentic", c.fetch("/function/hello").then((r) => r.text()));
});

// --- packages and receipts ---

test("another package than the one demanded", async () => {
    const tfaas = { package: "ab".repeat(32) };
    await fails("package_mismatch", client().fetch("/function/hello", { tfaas }));
    core.faults.ignorePackage = true;
    await fails("package_mismatch", client().fetch("/function/hello", { tfaas }));
});

const receiptLies = {
    "none": ["receipt_missing", { noReceipt: true }],
    "rubbish": ["receipt_form", { receipt: { 1: "other" } }],
    "a claim is missing": ["receipt_form", { claims: { work: undefined } }],
    "of another request": ["receipt_mismatch", { claims: { req: base64url(bytes(32)) } }],
    "of another response": ["receipt_mismatch", { claims: { res: base64url(bytes(32)) } }],
    "of another function": ["function_mismatch", { claims: { fn: "other.openfaas-fn" } }],
    "of another instance": ["receipt_lease", { claims: { iss: "00".repeat(16) } }],
    "claims that were not signed": ["receipt_invalid", { otherClaims: utf8("{}") }],
    "another index": ["receipt_invalid", { receipt: { 3: 1 } }],
    "an index outside": ["receipt_invalid", { receipt: { 3: 3 } }],
    "a longer path": ["receipt_invalid", { receipt: { 4: [bytes(32), bytes(32)] } }],
    "lease of nobody": ["receipt_lease", { receipt: { 6: bytes(100) } }],
};

for (const [what, [code, faults]] of Object.entries(receiptLies))
    test(`receipt: ${what}: ${code}`, async () => {
        core.faults = faults;
        const response = await client().fetch("/function/hello", { method: "POST", body: "x", tfaas: { receipt: true } });
        await fails(code, response.text());
        await fails(code, response.tfaas.receipt);
    });

test("a receipt signed by another key", async () => {
    core.faults = { receiptSigner: await signer() };
    const response = await client().fetch("/function/hello", { tfaas: { receipt: true } });
    await fails("receipt_invalid", response.text());
});

test("a receipt holds offline, under the verification it belongs to", async () => {
    const c = client();
    const response = await c.fetch("/function/hello", { method: "POST", body: "x", tfaas: { receipt: true } });
    await response.text();
    const receipt = await response.tfaas.receipt;
    const report = await c.verify();
    assert.deepEqual(await verifyReceipt(receipt.text, report), receipt.claims);
    await fails("receipt_lease", verifyReceipt(receipt.text, { ...report, identity: bytes(32) }));
    await fails("usage", verifyReceipt(receipt.text, await verify(core.url)));
});

test("a body that is not read to its end has no receipt", async () => {
    core.handler = async () => ({ status: 200, fields: [], body: new Uint8Array(100000) });
    const response = await client().fetch("/function/hello", { tfaas: { receipt: true } });
    const reader = response.body.getReader();
    await reader.read();
    await reader.cancel();
    await fails("stopped", response.tfaas.receipt);
});

test("whatever is not read to its end is let go", async () => {
    core.handler = async () => ({ status: 200, fields: [], body: new Uint8Array(5 << 20) });
    const ended = new Set();
    const c = client({ fetch: async (url, init) => {
        const answer = await fetch(url, init);
        if (init.method !== "POST") return answer;
        const reader = answer.body.getReader();
        const body = new ReadableStream({
            async pull(controller) {
                const { value, done } = await reader.read();
                if (done) {
                    ended.add(reader);
                    controller.close();
                } else controller.enqueue(value);
            },
            cancel() {
                ended.add(reader);
                return reader.cancel();
            },
        });
        return new Response(body, answer);
    } });
    const response = await c.fetch("/function/hello");
    await response.body.cancel();
    assert.equal(ended.size, 1);
    core.faults.ignorePackage = true;
    await fails("package_mismatch", c.fetch("/function/hello", { tfaas: { package: "ab".repeat(32) } }));
    assert.equal(ended.size, 2);
    core.onHttp = ({ request, send }) => request.method === "POST" && (send("text/plain", "x".repeat(1 << 20), 500), true);
    await fails("host_refused", c.fetch("/function/hello"));
    assert.equal(ended.size, 3);
});

test("abort", async () => {
    await assert.rejects(client().fetch("/function/hello", { signal: AbortSignal.abort() }), { name: "AbortError" });
    core.onHttp = ({ request }) => request.method === "POST";
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(client().fetch("/function/hello", { signal: controller.signal }), { name: "AbortError" });
});
