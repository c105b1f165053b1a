// Byte forms against the vectors of RFCs and of the other languages (tests/vectors/protocol), and
// against rubbish.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { concat, hex, text, unbase64url, unhex, utf8, varint } from "../src/bytes.js";
import { contentChunk, knownContent, readResponse, requestHead, streamEnd } from "../src/bhttp.js";
import { decode, encode } from "../src/cbor.js";
import { Sha256, ed25519Verify, hkdfExpand, hkdfExtract, random, sha256, without, x25519 } from "../src/crypto.js";
import { Malformed } from "../src/errors.js";
import { setupReceiver, setupSender } from "../src/hpke.js";
import { appraiseEvidence, generateLogKey, openLogLine, readPolicy } from "../src/index.js";
import { chooseAead, chunkedExchange, readKeyConfiguration, sessionExchange, wholeExchange } from "../src/ohttp.js";
import { checkSignature, readReceipt } from "../src/receipt.js";
import { seal, sealLogLine } from "../src/sealed.js";
import { keyStatementDigest, openEnvelope, readDomainStatement, readKeyStatement, readLease } from "../src/statement.js";
import { ByteReader } from "../src/streams.js";
import { signer } from "./support/core.js";
import { file, protocolFolder } from "./support/vectors.js";

const EMPTY = new Uint8Array(0);
const read = (name) => JSON.parse(readFileSync(name, "utf8"));
const of = (...parts) => (async function* () { yield* parts; })();
const all = async (iterable) => {
    const parts = [];
    for await (const part of iterable) parts.push(part);
    return concat(...parts);
};

test("HPKE: RFC 9180, base mode of X25519 with HKDF-SHA256", async (t) => {
    const name = file("hpke", "rfc9180.json");
    if (!name) return t.skip("no vectors here");
    const vectors = read(name).filter((v) => v.mode === 0 && v.kem_id === 0x20 && v.kdf_id === 1 && v.aead_id <= 3);
    assert.ok(vectors.length >= 3);
    for (const v of vectors) {
        const info = unhex(v.info), pair = await x25519(unhex(v.skEm ?? v.skE ?? (await derive(v.ikmE))));
        const sender = await setupSender(unhex(v.pkRm), info, v.aead_id, pair);
        assert.equal(hex(sender.enc), v.enc);
        const receiver = await setupReceiver(await x25519(unhex(v.skRm)), sender.enc, info, v.aead_id);
        for (const one of v.exports ?? [])
            assert.equal(hex(await sender.exportSecret(unhex(one.exporter_context), one.L)), one.exported_value);
        let next = 0; // the aad names the sequence, some are left out
        for (const one of v.encryptions ?? []) {
            const number = Number(text(unhex(one.aad)).replace("Count-", ""));
            const consecutive = number === next;
            for (; next < number; next++) await sender.seal(EMPTY, EMPTY);
            const sealed = await sender.seal(unhex(one.aad), unhex(one.pt ?? plain));
            assert.equal(hex(sealed), one.ct);
            if (consecutive && number < 2) assert.equal(hex(await receiver.open(unhex(one.aad), sealed)), one.pt ?? plain);
            next++;
        }
    }
});

const plain = "4265617574792069732074727574682c20747275746820626561757479";

/** DeriveKeyPair (RFC 9180 7.1.3). */
async function derive(ikm) {
    const suite = concat(utf8("HPKE-v1"), utf8("KEM"), Uint8Array.of(0, 0x20));
    const prk = await hkdfExtract(EMPTY, concat(suite, utf8("dkp_prk"), unhex(ikm)));
    return hex(await hkdfExpand(prk, concat(Uint8Array.of(0, 32), suite, utf8("sk")), 32));
}

test("Oblivious HTTP: RFC 9458 appendix A", async (t) => {
    const name = file("hpke", "rfc9458-appendix-a.json");
    if (!name) return t.skip("no vectors here");
    const v = read(name);
    const config = readKeyConfiguration(unhex(v.key_config));
    assert.equal(config.id, 1);
    assert.deepEqual(config.aeads, [1, 3]);
    const exchange = await wholeExchange(config, 1, await x25519(unhex(v.skE)));
    assert.equal(hex(await exchange.sealAll(unhex(v.bhttp_request))), v.encapsulated_request);
    const plain = await all(exchange.open(of(unhex(v.encapsulated_response))));
    assert.equal(hex(plain), v.bhttp_response);
    const head = await readResponse(new ByteReader(of(plain)));
    assert.equal(head.status, 200);
});

test("chunked Oblivious HTTP: the draft's example", async (t) => {
    const name = file("hpke", "chunked-ohttp.json");
    if (!name) return t.skip("no vectors here");
    const v = read(name);
    const exchange = await chunkedExchange(readKeyConfiguration(unhex(v.key_config)), 1, await x25519(unhex(v.skE)));
    const bytes = unhex(v.bhttp_request);
    let at = 0;
    const pieces = v.request_chunks.slice(0, -1).map((size) => bytes.subarray(at, (at += size)));
    assert.equal(v.request_chunks.at(-1), 0);
    assert.equal(hex(await all(exchange.sealStream(of(...pieces)))), v.encapsulated_request);
    assert.equal(hex(await all(exchange.open(of(unhex(v.encapsulated_response))))), v.bhttp_response);
});

test("Oblivious HTTP: vectors of other languages", async (t) => {
    const name = path.join(protocolFolder, "ohttp.json");
    if (!existsSync(name)) return t.skip("no tests/vectors/protocol/ohttp.json here");
    let count = 0;
    for (const v of read(name)) {
        if (v.extra || !/^message\/bhttp /.test(v.request_label)) continue;
        const config = readKeyConfiguration(unhex(v.key_config));
        const make = v.request_label.includes("chunked") ? chunkedExchange : wholeExchange;
        const exchange = await make(config, v.aead_id, await x25519(unhex(v.skE)));
        if (make === wholeExchange)
            assert.equal(hex(await exchange.sealAll(unhex(v.bhttp_request))), v.encapsulated_request);
        assert.equal(hex(await all(exchange.open(of(unhex(v.encapsulated_response))))), v.bhttp_response);
        count++;
    }
    assert.ok(count > 0);
});

test("key configurations: every cut and odd suites are refused", () => {
    const good = unhex("01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e79815500080001000100010003");
    for (let size = 0; size < good.length; size++)
        assert.throws(() => readKeyConfiguration(good.subarray(0, size)), Malformed);
    assert.throws(() => readKeyConfiguration(concat(good, EMPTY, Uint8Array.of(0))), Malformed);
    const without256 = good.slice();
    without256[38] = 2; // another KDF in the first suite
    assert.deepEqual(readKeyConfiguration(without256).aeads, [3]);
    assert.throws(() => chooseAead({ aeads: [] }), Malformed);
});

test("chunked requests: any size, in one piece or as a stream, are the same plaintext", async () => {
    const pair = await x25519(random(32));
    const config = { id: 3, publicKey: pair.publicKey, aeads: [2] };
    for (const size of [0, 1, 16383, 16384, 16385, 50000]) {
        const plain = new Uint8Array(size).map((_, i) => i);
        for (const send of [(x) => x.sealAll(plain), (x) => all(x.sealStream(of(plain)))]) {
            const exchange = await chunkedExchange(config, 2);
            const message = await send(exchange);
            const info = concat(utf8("message/bhttp chunked request"), Uint8Array.of(0), message.subarray(0, 7));
            const context = await setupReceiver(pair, message.subarray(7, 39), info, 2);
            assert.deepEqual(await openAll(message.subarray(39), (part, aad) => context.open(aad, part)), plain);
        }
    }
});

async function openAll(bytes, open) {
    const reader = new ByteReader(of(bytes));
    const parts = [];
    for (;;) {
        const size = await reader.varint();
        const final = size === 0;
        const sealed = final ? await reader.rest(16400) : await reader.take(size);
        parts.push(await open(sealed, final ? utf8("final") : EMPTY));
        if (final) return concat(...parts);
    }
}

test("sessions: keys depend on id, sequence and nonces", async () => {
    const session = { id: random(16), secret: random(32), aead: 2 };
    const nonce = random(16);
    const [one, same, other] = await Promise.all([1, 1, 2].map(async (sequence) =>
        hex(await (await sessionExchange(session, sequence, nonce)).sealAll(utf8("hello")))));
    assert.equal(one, same);
    assert.notEqual(one.slice(80), other.slice(80));
    assert.equal(one.slice(0, 80), hex(session.id) + "0000000000000001" + hex(nonce));
});

/** Vectors of tests/vectors/protocol, made by other implementations. */
function shared(name, run) {
    const full = path.join(protocolFolder, name);
    test(`vectors of other languages: ${name}`, { skip: existsSync(full) ? false : "they are not here" },
         () => run(read(full)));
}

shared("session.json", async (vectors) => {
    for (const v of vectors) {
        const head = unhex(v.request_head);
        const session = { id: head.subarray(0, 16), secret: unhex(v.secret), aead: v.aead_id };
        const sequence = new DataView(head.buffer).getBigUint64(16);
        const exchange = await sessionExchange(session, sequence, head.slice(24));
        assert.equal(hex(await all(exchange.open(of(unhex(v.response))))), v.bhttp_response);
        const pieces = await piecesOf(unhex(v.request).subarray(40), unhex(v.bhttp_request));
        assert.equal(hex(await exchange.sealPieces(...pieces)), v.request);
    }
});

/** The plaintext in the pieces that the sender of `message` chose. */
async function piecesOf(message, plain) {
    const reader = new ByteReader(of(message)), pieces = [];
    for (let at = 0; ;) {
        const size = await reader.varint();
        if (size === 0) return [...pieces, plain.subarray(at)];
        await reader.take(size);
        pieces.push(plain.subarray(at, (at += size - 16)));
    }
}

shared("receipt.json", async (vectors) => {
    for (const v of vectors) {
        const receipt = readReceipt(v.receipt), key = unhex(v.receipt_key);
        assert.deepEqual([text(receipt.claims), receipt.index, receipt.jws, text(receipt.lease)],
                         [v.claims, v.index, v.jws, v.lease]);
        await checkSignature(receipt, key);
        for (const change of [{ claims: utf8('{"seq":9}') }, { index: receipt.index + 1 }, { path: [...receipt.path, key] },
                              { path: receipt.path.slice(1) }, { jws: v.jws.slice(0, -2) + "AA" }]) {
            if (change.path?.length === receipt.path.length) continue;
            await assert.rejects(checkSignature({ ...receipt, ...change }, key), { code: "receipt_invalid" });
        }
        await assert.rejects(checkSignature(receipt, unhex("01".repeat(32))), { code: "receipt_invalid" });
    }
});

shared("statements.json", async (all) => {
    const v = Object.fromEntries(Object.entries(all).map(([name, group]) =>
        [name, Object.fromEntries(Object.entries(group).map(([key, value]) => [key, unhex(value)]))]));
    const is = (got, expected) => assert.equal(hex(got), hex(expected));
    for (const one of [v.key_statement, v.key_statement_with_nonce]) {
        const statement = readKeyStatement(one.bytes);
        is(await keyStatementDigest(one.bytes), one.report_data);
        is(statement.identity, v.keys.identity);
        assert.equal(statement.nonce && hex(statement.nonce), one.nonce && hex(one.nonce));
    }
    is(await openEnvelope(v.lease.envelope, v.keys.identity), v.lease.bytes);
    assert.equal(await openEnvelope(v.lease.envelope, v.keys.signing_key), null);
    const lease = readLease(v.lease.bytes);
    is(lease.instance, v.lease.instance);
    assert.deepEqual(readKeyConfiguration(lease.keyConfiguration), { id: 9, publicKey: v.keys.request_key, aeads: [2, 3] });
    const domain = readDomainStatement(await openEnvelope(v.domain_statement.envelope, v.keys.identity));
    is(domain.leases[0], v.lease.envelope);
    is(domain.sealingKey, v.keys.sealing_key);
    for (const { bytes, read: one } of [{ bytes: v.key_statement.bytes, read: readKeyStatement },
                                        { bytes: v.lease.bytes, read: readLease },
                                        { bytes: v.domain_statement.bytes, read: readDomainStatement }]) {
        for (let size = 0; size < bytes.length; size++) assert.throws(() => one(bytes.subarray(0, size)), Malformed);
        assert.throws(() => one(concat(bytes, Uint8Array.of(0))), Malformed);
        for (const other of [readKeyStatement, readLease, readDomainStatement])
            if (other !== one) assert.throws(() => other(bytes), Malformed);
    }
    const found = await appraiseEvidence({ tee: "simulated", quote: v.simulated.bytes, atUnix: 1800000000 });
    is(found.platformId, v.simulated.platform_id);
    is(found.reportData, v.key_statement.report_data);
    await checkSealed(v, is);
});

async function checkSealed(v, is) {
    const { content, content_key: contentKey } = v.sealed_content;
    const domain = await x25519(v.keys.sealing_secret);
    const options = [
        [v.sealed_secret.object, { kind: "secret", name: "token", packages: [v.sealed_content.package] }],
        [v.sealed_package.object, { kind: "package", name: "hello", logKey: v.keys.log_key }],
    ];
    for (const [object, option] of options) {
        is(await openSealed(decode(object), domain), content);
        const ephemeral = await x25519(unhex("09".repeat(32)));
        is(await seal({ domain: "shop", sealingKey: v.keys.sealing_key, ...option }, content,
                      { pair: ephemeral, contentKey: contentKey.slice() }), object);
    }
    is(await openLogLine(text(v.log.line), v.keys.log_secret, v.sealed_content.package), v.log.text);
}

// --- Binary HTTP ---

const request = { method: "GET", scheme: "https", authority: "example.com", path: "/", fields: [["a", "b"]] };

test("Binary HTTP: requests in both framings", () => {
    const control = "034745540568747470730b6578616d706c652e636f6d012f";
    assert.equal(hex(concat(requestHead(request, false), knownContent(utf8("xyz")))), `00${control}04016101620378797a`);
    assert.equal(hex(concat(requestHead(request, true), contentChunk(utf8("xyz")), streamEnd())),
                 `02${control}01610162000378797a0000`);
});

async function readAll(bytes, piece = bytes.length || 1) {
    const pieces = [];
    for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece));
    const head = await readResponse(new ByteReader(of(...pieces)));
    const parts = [];
    for (;;) {
        const { value, done } = await head.content.next();
        if (done) return { status: head.status, fields: head.fields, content: concat(...parts), trailers: value };
        parts.push(value);
    }
}

// RFC 9292 section 5.2's response with informational ones, and the same with trailers.
const informational = "03406601610162 00 4067 00 40c8 0161 0162 00 03787a79 00 0174 0175 00".replaceAll(" ", "");

test("Binary HTTP: responses, in pieces of any size", async () => {
    for (const piece of [1, 2, 3, 100]) {
        const got = await readAll(unhex(informational), piece);
        assert.deepEqual([got.status, got.fields, hex(got.content), got.trailers],
                         [200, [["a", "b"]], "787a79", [["t", "u"]]]);
        const known = await readAll(unhex("0140c804016101620378797a"), piece);
        assert.deepEqual([known.status, known.fields, hex(known.content), known.trailers],
                         [200, [["a", "b"]], "78797a", []]);
        assert.equal((await readAll(unhex("0140c8"), piece)).status, 200);
        assert.equal(hex((await readAll(unhex("0140c80001780000000000"), piece)).content), "78");
    }
});

test("Binary HTTP: what is refused", async () => {
    const bad = {
        "a request": "00034745540568747470730b6578616d706c652e636f6d012f",
        "unknown framing": "0440c8",
        "status 600": "014258",
        "status 99": "014063",
        "padding that is not zero": "0140c8000000000001",
        "content that is cut": "0140c8000578",
        "a name in upper case": "0140c80401410162",
        "a name with a blank": "0140c804012001 62".replace(" ", ""),
        "a value with CR": "0140c8040161010d",
        "a section that ends inside a field": "0140c80301610162",
        "stream content without its end": "0340c8000378797a",
        "a field section of 4 GiB": "0140c8c000000100000000",
        "empty": "",
    };
    for (const [what, bytes] of Object.entries(bad))
        await assert.rejects(readAll(unhex(bytes)), Malformed, what);
    const many = concat(...Array(300).fill(unhex("01610162")));
    await assert.rejects(readAll(concat(unhex("0140c8"), varint(many.length), many)), Malformed);
    const good = unhex(informational);
    // Section 3.8: trailing empty sections may be left out, here all behind the status, or behind the header.
    for (let size = 0; size < good.length - 8; size++)
        if (size !== 13 && size !== 18) await assert.rejects(readAll(good.subarray(0, size)), Malformed, `cut at ${size}`);
});

// --- CBOR ---

test("CBOR: one form each", () => {
    for (const bytes of ["00", "17", "1818", "190100", "1a00010000", "1b0000000100000000", "1bffffffffffffffff", "4161",
                         "6161", "8201a10102", "f4", "f5", "a0"])
        assert.equal(hex(encode(decode(unhex(bytes)))), bytes);
    for (const bytes of ["", "1817", "190017", "1a0000ffff", "1b00000000ffffffff", "20", "5f4161ff", "4261", "61ff", "6100",
                         "9f01ff", "a201010101", "a202010101", "a16161 01".replace(" ", ""), "c001", "f6", "f93c00", "0000",
                         "818181818181", "9affffffff", "bbffffffffffffffff", "5bffffffffffffffff"])
        assert.throws(() => decode(unhex(bytes)), Malformed, bytes);
});

// --- primitives ---

test("SHA-256 in pieces is WebCrypto's", async () => {
    for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000]) {
        const bytes = random(size);
        for (const piece of [1, 7, 64, 1000]) {
            const hash = new Sha256();
            for (let at = 0; at < size; at += piece) hash.update(bytes.subarray(at, at + piece));
            assert.equal(hex(hash.digest()), hex(await sha256(bytes)), `${size} in pieces of ${piece}`);
        }
    }
});

test("Ed25519 and X25519 without the engine's are the same", async () => {
    const by = await signer(), message = random(100), signature = await by.sign(message);
    const secret = random(32), peer = await x25519(random(32));
    const native = await (await x25519(secret)).agree(peer.publicKey);
    const changed = signature.slice();
    changed[0] ^= 1;
    const check = async () => {
        assert.equal(await ed25519Verify(by.publicKey, signature, message), true);
        assert.equal(await ed25519Verify(by.publicKey, changed, message), false);
        assert.equal(await ed25519Verify(by.publicKey, signature, random(100)), false);
        assert.equal(await ed25519Verify(new Uint8Array(32).fill(255), signature, message), false);
        assert.equal(await ed25519Verify(by.publicKey, signature.subarray(1), message), false);
        await assert.rejects((await x25519(secret)).agree(new Uint8Array(32)), Malformed);
        await assert.rejects((await x25519()).agree(new Uint8Array(32)), Malformed);
    };
    await check();
    without.add("Ed25519").add("X25519");
    try {
        await check();
        const replaced = await x25519(secret);
        assert.equal(hex(await replaced.agree(peer.publicKey)), hex(native));
    } finally {
        without.clear();
    }
    assert.equal(hex((await x25519(secret)).publicKey), hex(await publicOf(secret)));
});

async function publicOf(secret) {
    without.add("X25519");
    try {
        return (await x25519(secret)).publicKey;
    } finally {
        without.clear();
    }
}

test("base64url is strict", () => {
    assert.equal(hex(unbase64url("AQI")), "0102");
    for (const bad of ["AQI=", "AQJ", "A", "AQ+", "A Q", null]) assert.equal(unbase64url(bad), null);
});

// --- sealed objects ---

test("a sealed secret opens with the domain's key and its own header only", async () => {
    const domain = await x25519(random(32)), digest = "ab".repeat(32);
    const object = await seal({ kind: "secret", domain: "d", name: "s", packages: [digest], sealingKey: domain.publicKey },
                              "value");
    const value = decode(object);
    assert.deepEqual([...value.keys()], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(hex(value.get(5)), hex((await sha256(domain.publicKey)).subarray(0, 8)));
    assert.equal(hex(decode(value.get(6)).get(1)[0]), digest);
    assert.equal(hex(await openSealed(value, domain)), hex(utf8("value")));
    value.set(4, "t");
    await assert.rejects(openSealed(value, domain), Malformed);
});

async function openSealed(value, domain) {
    const part = (keys) => encode(new Map(keys.map((key) => [key, value.get(key)])));
    const info = concat(utf8("tfaas-sealed-v1"), part([1, 2, 3, 4, 5, 6]));
    const context = await setupReceiver(domain, value.get(7), info, 3);
    const key = await context.open(EMPTY, value.get(8));
    const { aead } = await import("../src/crypto.js");
    return (await aead(3, key)).open(new Uint8Array(12), part([1, 2, 3, 4, 5, 6, 7, 8]), value.get(9));
}

test("log lines open with the owner's key, for the package that wrote them", async () => {
    const key = await generateLogKey(), digest = "cd".repeat(32);
    const line = await sealLogLine("hello\n", key.publicKey, digest);
    assert.equal(hex(await openLogLine(`${line}\n`, key.secret, digest)), hex(utf8("hello\n")));
    await assert.rejects(openLogLine(line, key.secret, "ce".repeat(32)), { code: "response_not_authentic" });
    await assert.rejects(openLogLine(line, (await generateLogKey()).secret, digest), { code: "response_not_authentic" });
    await assert.rejects(openLogLine("hello", key.secret, digest), { code: "usage" });
});

// --- policies ---

test("policies are read strictly", () => {
    const core = "ab".repeat(48);
    const good = readPolicy(JSON.stringify({
        version: 1, cores: [core], platforms: ["00".repeat(16)], maximum_age_s: 60, allow_simulated: false,
        intel_tcb: { statuses: ["UpToDate", "SWHardeningNeeded"], advisories: ["INTEL-SA-00615"] },
        sgx: { enclaves: ["cd".repeat(32)] }, tdx: { domains: [{ mrtd: core, rtmrs: [core, null, core, null] }] },
        snp: { launches: [core], minimum_tcb: { Turin: { fmc: 1, boot_loader: 1, tee: 0, snp: 2, microcode: 3 } } },
    }));
    assert.equal(good.snp.minimumTcb.Turin.fmc, 1);
    assert.equal(readPolicy().maximumAgeS, 4200);
    assert.deepEqual(readPolicy().intelTcb.statuses, ["UpToDate"]);
    for (const bad of [
        "{", "[]", "null", {}, { version: 2 }, { version: 1, core: [] }, { version: 1, cores: ["AB".repeat(48)] },
        { version: 1, cores: ["ab"] }, { version: 1, allow_simulated: 1 }, { version: 1, allow_debug: true },
        { version: 1, maximum_age_s: 0 }, { version: 1, intel_tcb: {} }, { version: 1, intel_tcb: { statuses: ["Revoked"] } },
        { version: 1, intel_tcb: { statuses: ["Unknown"] } }, { version: 1, tdx: {} },
        { version: 1, tdx: { domains: [{ mrtd: core }] } }, { version: 1, snp: { launches: [] } },
        { version: 1, snp: { launches: [], minimum_tcb: { Turin: { boot_loader: 1, tee: 1, snp: 1, microcode: 1 } } } },
        { version: 1, snp: { launches: [], minimum_tcb: { Rome: {} } } }, { version: 1, cores: Array(65).fill(core) },
    ]) assert.throws(() => readPolicy(bad), { code: "policy_invalid" }, JSON.stringify(bad));
});
