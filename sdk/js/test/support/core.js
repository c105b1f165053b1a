// core.js - a keeper and a worker for tests, with a software root: the server's side of
// SPECIFICATION.md section 14, in so far as a client can see it. `faults` make it lie.

import { createServer } from "node:http";
import { base64url, concat, hex, u16, utf8, varint } from "../../src/bytes.js";
import { encode } from "../../src/cbor.js";
import { aead, hkdfExpand, hkdfExtract, random, sha256, x25519 } from "../../src/crypto.js";
import { counterNonce, setupReceiver } from "../../src/hpke.js";
import { hashedRequestHead, hashedResponseHead } from "../../src/bhttp.js";
import { keyStatementDigest } from "../../src/statement.js";
import { ByteReader } from "../../src/streams.js";

const { subtle } = globalThis.crypto;
const EMPTY = new Uint8Array(0), FINAL = utf8("final"), ZERO = new Uint8Array(12);
const AES_256_GCM = 2, CHACHA20_POLY1305 = 3;

export async function signer() {
    const pair = await subtle.generateKey("Ed25519", true, ["sign", "verify"]);
    return {
        publicKey: new Uint8Array(await subtle.exportKey("raw", pair.publicKey)),
        sign: async (bytes) => new Uint8Array(await subtle.sign("Ed25519", pair.privateKey, bytes)),
    };
}

const map = (object) => new Map(Object.entries(object).filter(([, value]) => value !== undefined)
    .map(([key, value]) => [Number(key), value]));
const envelope = async (by, statement) => encode([statement, await by.sign(statement)]);

export class TestCore {
    static async make(options = {}) {
        const core = new TestCore();
        Object.assign(core, {
            domain: "openfaas-fn", faults: {}, calls: [], seen: new Set(), sessions: new Map(), sequence: 0,
            aeads: [AES_256_GCM, CHACHA20_POLY1305], now: Math.floor(Date.now() / 1000), keyId: 7,
            measurement: random(48), weights: random(32), instance: random(16), package: hex(random(32)),
            handler: async ({ body }) => ({ status: 200, fields: [["content-type", "text/plain"]], body }),
        }, options);
        core.root = await signer();
        core.identity = await signer();
        core.receiptKey = await signer();
        core.request = await x25519(random(32));
        core.sealing = await x25519(random(32));
        return core;
    }

    get policy() {
        return { version: 1, cores: [hex(this.measurement)], allow_simulated: true };
    }

    // --- statements ---

    keyStatement(nonce) {
        return encode(map({
            1: "tfaas-key-v1", 2: this.identity.publicKey, 3: 1, 4: this.now - 10, 5: this.now + 4190, 6: "test",
            7: this.weights, 8: this.measurement, 9: 3600, 10: 600, 11: 120, 12: 1 << 20, 13: nonce,
            ...this.faults.keyStatement,
        }));
    }

    async simulated(reportData) {
        const fields = {
            1: "tfaas-simulated-v1", 2: this.measurement, 3: reportData, 4: this.now, 5: this.root.publicKey,
            ...this.faults.simulated,
        };
        return encode(map({ ...fields, 6: await this.root.sign(encode(map(fields))) }));
    }

    async evidence(nonce) {
        const statement = this.keyStatement(this.faults.nonce ?? nonce);
        const digest = await keyStatementDigest(statement);
        return JSON.stringify({
            __cmwc_t: "tag:tfaas,2026:evidence",
            evidence: ["application/vnd.tfaas.simulated+cbor", base64url(await this.simulated(digest)), 4],
            "key-statement": ["application/vnd.tfaas.key-statement+cbor", base64url(statement), 4],
            ...this.faults.collection,
        });
    }

    async lease() {
        const suites = this.aeads.flatMap((id) => [...u16(1), ...u16(id)]);
        const config = concat(Uint8Array.of(this.keyId), u16(0x20), this.request.publicKey, u16(suites.length),
                              Uint8Array.from(suites));
        return envelope(this.faults.leaseSigner ?? this.identity, encode(map({
            1: "tfaas-lease-v1", 2: this.domain, 3: this.instance, 4: 1, 5: this.now - 10, 6: this.now + 590, 7: config,
            8: this.receiptKey.publicKey, 9: this.measurement, 10: 1 << 20, ...this.faults.lease,
        })));
    }

    async domainStatement() {
        return envelope(this.faults.domainSigner ?? this.identity, encode(map({
            1: "tfaas-domain-v1", 2: this.domain, 3: 1, 4: this.now - 10, 5: this.now + 590, 6: this.sealing.publicKey,
            7: [await this.lease()], ...this.faults.domain,
        })));
    }

    // --- opening and sealing ---

    async openWhole(body) {
        const { context, sealed } = await this.#context(body, "message/bhttp request");
        return { plain: await context.open(EMPTY, sealed), context, respond: (plain) => this.#whole(context, plain) };
    }

    async openChunked(body) {
        const { context, sealed } = await this.#context(body, "message/bhttp chunked request");
        const plain = await openChunks(sealed, (part, aad) => context.open(aad, part));
        return { plain, context, respond: (pieces) => this.#chunked(context, pieces) };
    }

    async openSession(body) {
        const id = body.subarray(0, 16);
        const session = this.sessions.get(hex(id));
        if (!session) throw Object.assign(new Error("no session"), { problem: "session" });
        const head = body.subarray(0, 40);
        const number = hex(head.subarray(0, 24)); // id and sequence
        if (this.seen.has(number)) throw Object.assign(new Error("replayed"), { problem: "replay" });
        this.seen.add(number);
        const key = await hkdfExpand(session.secret, concat(utf8("tfaas session request"), head), 32);
        const cipher = await aead(session.aead, key);
        let count = 0;
        const plain = await openChunks(body.subarray(40), (part, aad) => cipher.open(counterNonce(ZERO, count++), aad, part));
        return { plain, respond: async (pieces) => {
            const nonce = random(16);
            const info = concat(utf8("tfaas session response"), head, nonce);
            const sealer = await aead(session.aead, await hkdfExpand(session.secret, info, 32));
            let sent = 0;
            return [nonce, ...(await chunks(pieces, (part, aad) => sealer.seal(counterNonce(ZERO, sent++), aad, part)))];
        } };
    }

    async #context(body, label) {
        if (body[0] !== this.keyId || this.faults.keyUnknown) throw Object.assign(new Error("key"), { problem: "key" });
        const header = body.subarray(0, 7), enc = body.subarray(7, 39);
        if (this.seen.has(hex(enc))) throw Object.assign(new Error("replayed"), { problem: "replay" });
        this.seen.add(hex(enc));
        const info = concat(utf8(label), Uint8Array.of(0), header);
        const context = await setupReceiver(this.request, enc, info, (header[5] << 8) | header[6]);
        return { context, sealed: body.subarray(39) };
    }

    async #responseKey(context, label, nonce) {
        const secret = await context.exportSecret(label, 32);
        const prk = await hkdfExtract(concat(context.enc, nonce), secret);
        return [await aead(context.aead, await hkdfExpand(prk, utf8("key"), 32)), await hkdfExpand(prk, utf8("nonce"), 12)];
    }

    async #whole(context, pieces) {
        const nonce = random(32);
        const [cipher, base] = await this.#responseKey(context, "message/bhttp response", nonce);
        return [nonce, await cipher.seal(base, EMPTY, concat(...pieces))];
    }

    async #chunked(context, pieces) {
        const nonce = random(32);
        const [cipher, base] = await this.#responseKey(context, "message/bhttp chunked response", nonce);
        let sent = 0;
        return [nonce, ...(await chunks(pieces, (part, aad) => cipher.seal(counterNonce(base, sent++), aad, part)))];
    }

    // --- one call ---

    async serve(opened, functionName) {
        const request = await readRequest(opened.plain);
        const field = (name) => request.fields.find(([its]) => its === name)?.[1];
        this.calls.push({ ...request, date: field("date") });
        const off = Math.abs(Date.parse(field("date")) / 1000 - (this.faults.clock ?? this.now));
        if (!(off <= 120)) return this.#problem(opened, 400, "https://iana.org/assignments/http-problem-types#date");
        const wanted = field("tfaas-package");
        if (wanted && wanted !== `sha256:${this.package}` && !this.faults.ignorePackage)
            return this.#problem(opened, 412, "tag:tfaas,2026:package-mismatch");
        const answer = await this.handler(request);
        const own = [["tfaas-package", `sha256:${this.package}`]];
        if (field("tfaas-session") && opened.context && !this.faults.noSession)
            own.push(["tfaas-session", await this.#newSession(opened.context)]);
        const trailers = field("tfaas-receipt") && !this.faults.noReceipt
            ? [["tfaas-receipt", await this.receipt(request, answer, functionName)]] : [];
        return opened.respond(responsePieces(answer, [...answer.fields, ...own], trailers));
    }

    async #newSession(context) {
        const id = random(16);
        id[0] = this.keyId;
        this.sessions.set(hex(id), { secret: await context.exportSecret("tfaas session", 32), aead: context.aead });
        return `${base64url(id)};max-age=3600`;
    }

    #problem(opened, status, type) {
        const body = utf8(JSON.stringify({ type, status, title: "refused" }));
        const date = new Date((this.faults.clock ?? this.now) * 1000).toUTCString();
        return opened.respond(responsePieces({ status, body },
                                             [["content-type", "application/problem+json"], ["date", date]], []));
    }

    async receipt(request, answer, functionName) {
        const hash = async (head, body) => base64url(await sha256(head, body));
        const name = functionName.includes(".") ? functionName : `${functionName}.${this.domain}`;
        const claims = utf8(JSON.stringify({
            iss: hex(this.instance), seq: ++this.sequence, iat: this.now, fn: name, pkg: this.package,
            req: await hash(hashedRequestHead(request), request.body),
            res: await hash(hashedResponseHead(answer.status, answer.fields), answer.body ?? EMPTY),
            status: answer.status, outcome: "OK", work: 1, exact: true, mem: 2, cpu_ns: 3, weights: hex(this.weights),
            ...this.faults.claims,
        }));
        const leaf = (bytes) => sha256(Uint8Array.of(0), bytes);
        const others = [await leaf(utf8("a")), await leaf(utf8("b"))]; // leaves 0 and 1 of three; ours is 2
        const left = await sha256(Uint8Array.of(1), ...others);
        const root = await sha256(Uint8Array.of(1), left, await leaf(this.faults.otherClaims ?? claims));
        const signed = [utf8('{"alg":"EdDSA","typ":"tfaas-receipt+jws"}'),
                        utf8(`{"count":3,"root":"${base64url(root)}"}`)].map(base64url).join(".");
        const by = this.faults.receiptSigner ?? this.receiptKey;
        const jws = `${signed}.${base64url(await by.sign(utf8(signed)))}`;
        return base64url(encode(map({
            1: "tfaas-receipt-v1", 2: claims, 3: 2, 4: [left], 5: jws, 6: await this.lease(), ...this.faults.receipt,
        })));
    }

    // --- HTTP ---

    async listen() {
        this.server = createServer((request, response) => {
            this.#http(request, response).catch((error) => {
                response.writeHead(500).end(String(error));
            });
        });
        await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
        this.url = `http://127.0.0.1:${this.server.address().port}`;
        return this;
    }

    close() {
        this.server.closeAllConnections();
        return new Promise((resolve) => this.server.close(resolve));
    }

    async #http(request, response) {
        const url = new URL(request.url, this.url);
        const parts = [];
        for await (const part of request) parts.push(part);
        const body = new Uint8Array(Buffer.concat(parts));
        const send = (type, bytes, status = 200) => response.writeHead(status, { "content-type": type }).end(bytes);
        this.paths ??= [];
        this.paths.push(url.pathname + url.search);
        if (this.onHttp?.({ url, request, response, body, send })) return;
        if (url.pathname === "/.well-known/tfaas/evidence") {
            const nonce = url.searchParams.get("nonce");
            send("application/vnd.tfaas.evidence+json",
                 await this.evidence(nonce ? new Uint8Array(Buffer.from(nonce, "base64url")) : undefined));
        } else if (url.pathname === "/.well-known/tfaas/domain") {
            send("application/vnd.tfaas.domain+cbor", await this.domainStatement());
        } else if (request.method === "POST") {
            await this.#sealed(url, request, response, body);
        } else send("text/plain", "no such page", 404);
    }

    async #sealed(url, request, response, body) {
        const type = request.headers["content-type"];
        const open = {
            "message/ohttp-req": "openWhole", "message/ohttp-chunked-req": "openChunked",
            "application/vnd.tfaas.session-req": "openSession",
        }[type];
        if (!open) return response.writeHead(426).end("encapsulation is required");
        let opened;
        try {
            opened = await this[open](body);
        } catch (error) {
            const [status, kind] = {
                key: [400, "https://iana.org/assignments/http-problem-types#ohttp-key"],
                session: [400, "tag:tfaas,2026:session-unknown"], replay: [409, "about:blank"],
            }[error.problem] ?? [400, "about:blank"];
            return response.writeHead(status, { "content-type": "application/problem+json" })
                .end(JSON.stringify({ type: kind, title: error.message }));
        }
        const name = url.pathname.startsWith("/function/") ? url.pathname.slice(10) : "any";
        let pieces = await this.serve(opened, name);
        if (this.faults.pieces) pieces = this.faults.pieces(pieces);
        response.writeHead(200, { "content-type": type.replace(/-req$/, "-res") });
        for (const piece of pieces) response.write(piece);
        response.end();
    }
}

async function openChunks(bytes, open) {
    const reader = new ByteReader((async function* () { yield bytes; })());
    const parts = [];
    for (;;) {
        const size = await reader.varint();
        parts.push(await open(size === 0 ? await reader.rest(20000) : await reader.take(size), size === 0 ? FINAL : EMPTY));
        if (size === 0) return concat(...parts);
    }
}

async function chunks(pieces, seal) {
    const to = [];
    for (const piece of pieces)
        for (let at = 0; at < piece.length; at += 16384) {
            const sealed = await seal(piece.subarray(at, at + 16384), EMPTY);
            to.push(concat(varint(sealed.length), sealed));
        }
    to.push(concat(varint(0), await seal(EMPTY, FINAL)));
    return to;
}

const vector = (bytes) => concat(varint(bytes.length), bytes);
const lines = (fields) => fields.flatMap(([name, value]) => [vector(utf8(name)), vector(utf8(value))]);

function responsePieces({ status, body = EMPTY }, fields, trailers) {
    const head = concat(varint(3), varint(status), ...lines(fields), varint(0));
    const content = [];
    for (let at = 0; at < body.length; at += 10000) content.push(vector(body.subarray(at, at + 10000)));
    return [head, ...content, concat(varint(0), ...lines(trailers), varint(0))];
}

/** Either framing. */
async function readRequest(plain) {
    const reader = new ByteReader((async function* () { yield plain; })());
    const take = async () => reader.take(await reader.varint());
    const string = async () => new TextDecoder().decode(await take());
    const framing = await reader.varint();
    const request = { method: await string(), scheme: await string(), authority: await string(), path: await string(), fields: [] };
    const end = framing === 0 ? await reader.varint() : Infinity;
    for (let used = 0; used < end;) {
        const name = await string();
        if (name === "" && framing === 2) break;
        const value = await string();
        request.fields.push([name, value]);
        used += vector(utf8(name)).length + vector(utf8(value)).length;
    }
    const parts = [];
    if (framing === 0) parts.push(await take());
    else for (let part = await take(); part.length > 0; part = await take()) parts.push(part);
    request.body = concat(...parts);
    return request;
}
