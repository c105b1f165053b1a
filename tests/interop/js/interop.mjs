// HPKE and OHTTP against @hpke/core, Binary HTTP against bhttp-js, both roles.
// Usage: node interop.mjs PATH_OF_OHTTP_TOOL. Prints "N passed, N failed".
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { randomBytes, hkdfSync } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { BHttpDecoder, BHttpEncoder } from 'bhttp-js';
import assert from 'node:assert/strict';

const child = spawn(process.argv[2], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
async function ask(name, ...args) {
    child.stdin.write([name, ...args.map((a) => Buffer.from(a).toString('hex') || '-')].join(' ') + '\n');
    const [word, ...answers] = (await lines.next()).value.split(' ');
    if (word !== 'ok') throw new Error([word, ...answers].join(' '));
    return answers.map((a) => (a === '-' ? Buffer.alloc(0) : Buffer.from(a, 'hex')));
}
const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const text = (s) => new TextEncoder().encode(s);
const suites = {
    2: new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm() }),
    3: new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() }),
};
const same = (have, want) => assert.deepEqual(Buffer.from(have), Buffer.from(want));

async function hpkeOursToTheirs(aead, psk) {
    const suite = suites[aead];
    const pair = await suite.kem.deriveKeyPair(randomBytes(32));
    const key = psk ? { id: text('name'), key: randomBytes(32) } : undefined;
    const pk = await suite.kem.serializePublicKey(pair.publicKey);
    const [enc, sealed, exported] = await ask('hpke-seal', u16(aead), new Uint8Array(pk), text('info'),
        key?.key ?? '', key?.id ?? '', text('aad'), text('text'));
    const context = await suite.createRecipientContext({ recipientKey: pair.privateKey, enc, info: text('info'), psk: key });
    same(await context.open(sealed, text('aad')), text('text'));
    same(await context.export(text('aad'), 32), exported);
}

async function hpkeTheirsToOurs(aead, psk) {
    const suite = suites[aead];
    const ikm = randomBytes(32);
    const pair = await suite.kem.deriveKeyPair(ikm);
    const key = psk ? { id: text('name'), key: randomBytes(32) } : undefined;
    const context = await suite.createSenderContext({ recipientPublicKey: pair.publicKey, info: text('info'), psk: key });
    const sealed = await context.seal(text('text'), text('aad'));
    const [plain, exported] = await ask('hpke-open', u16(aead), ikm, new Uint8Array(context.enc), text('info'),
        key?.key ?? '', key?.id ?? '', text('aad'), new Uint8Array(sealed));
    same(plain, text('text'));
    same(exported, await context.export(text('aad'), 32));
}

// OHTTP over @hpke/core, written from RFC 9458.
const requestLabel = 'message/bhttp request', responseLabel = 'message/bhttp response';
async function responseContext(suite, context, enc, nonce) {
    const secret = Buffer.from(await context.export(text(responseLabel), 32));
    const salt = Buffer.concat([Buffer.from(enc), nonce]);
    const key = hkdfSync('sha256', secret, salt, 'key', 32);
    return [suite.aead.createEncryptionContext(key), new Uint8Array(hkdfSync('sha256', secret, salt, 'nonce', 12))];
}

async function ohttpWeAreClient(aead) {
    const suite = suites[aead];
    const [, config, secret] = await ask('key', [7], randomBytes(32));
    const request = randomBytes(1000), response = randomBytes(2000);
    const [message] = await ask('encapsulate', u16(aead), Buffer.concat([u16(config.length), config]), request);
    const header = message.subarray(0, 7), enc = message.subarray(7, 39);
    const recipientKey = await suite.kem.deserializePrivateKey(secret);
    const context = await suite.createRecipientContext({ recipientKey, enc, info: Buffer.concat([text(requestLabel), Buffer.alloc(1), header]) });
    same(await context.open(message.subarray(39)), request);
    const nonce = randomBytes(32);
    const [aeadContext, base] = await responseContext(suite, context, enc, nonce);
    const sealed = Buffer.from(await aeadContext.seal(base, response, new Uint8Array(0)));
    same((await ask('open', Buffer.concat([nonce, sealed])))[0], response);
}

async function ohttpWeAreServer(aead) {
    const suite = suites[aead];
    const [, config] = await ask('key', [7], randomBytes(32));
    const request = randomBytes(1000), response = randomBytes(2000);
    const header = Buffer.concat([config.subarray(0, 3), u16(1), u16(aead)]);
    const recipientPublicKey = await suite.kem.deserializePublicKey(config.subarray(3, 35));
    const context = await suite.createSenderContext({ recipientPublicKey, info: Buffer.concat([text(requestLabel), Buffer.alloc(1), header]) });
    const message = Buffer.concat([header, Buffer.from(context.enc), Buffer.from(await context.seal(request, new Uint8Array(0)))]);
    same((await ask('decapsulate', message))[0], request);
    const [answer] = await ask('respond', response);
    const [aeadContext, base] = await responseContext(suite, context, context.enc, answer.subarray(0, 32));
    same(await aeadContext.open(base, answer.subarray(32), new Uint8Array(0)), response);
}

// bhttp-js leaves out the query of a request, so there is none here.
async function binaryHttpRequest(framing) {
    const request = new Request('https://example.com/hello', { method: 'POST', headers: { 'x-a': 'b' }, body: 'hello' });
    const theirs = await new BHttpEncoder().encodeRequest(request);
    const [ours] = await ask('bhttp', [framing], [3], theirs);
    const back = new BHttpDecoder().decodeRequest(new Uint8Array(ours));
    assert.equal(back.method, 'POST');
    assert.equal(back.url, 'https://example.com/hello');
    assert.equal(back.headers.get('x-a'), 'b');
    assert.equal(await back.text(), 'hello');
}

async function binaryHttpResponse(framing) {
    const response = new Response('hello', { status: 404, headers: { 'content-type': 'text/plain' } });
    const theirs = await new BHttpEncoder().encodeResponse(response);
    const [ours] = await ask('bhttp', [framing], [1], theirs);
    const back = new BHttpDecoder().decodeResponse(new Uint8Array(ours));
    assert.equal(back.status, 404);
    assert.equal(back.headers.get('content-type'), 'text/plain');
    assert.equal(await back.text(), 'hello');
}

const tests = [];
for (const aead of [2, 3]) {
    for (const psk of [false, true]) tests.push([hpkeOursToTheirs, aead, psk], [hpkeTheirsToOurs, aead, psk]);
    tests.push([ohttpWeAreClient, aead], [ohttpWeAreServer, aead]);
}
for (const framing of [0, 1]) tests.push([binaryHttpRequest, framing], [binaryHttpResponse, framing]);
let passed = 0, failed = 0;
for (const [test, ...args] of tests) {
    try {
        await test(...args);
        passed++;
    } catch (error) {
        failed++;
        console.log(`FAILED ${test.name} ${args}: ${error.stack}`);
    }
}
console.log(`js: ${passed} passed, ${failed} failed`);
child.stdin.end();
process.exit(failed ? 1 : 0);
