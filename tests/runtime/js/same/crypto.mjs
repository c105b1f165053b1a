// crypto.subtle and node:crypto. Published values: FIPS 180-4, RFC 4231, 5869, 6070/7914, 6979, 7748, 8032, NIST SP 800-38A/D.
import node from 'node:crypto';

const hex = (text) => new Uint8Array(text.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);
const text = (string) => new TextEncoder().encode(string);
const pattern = (size, seed = 1) => { const out = new Uint8Array(size); for (let i = 0, x = seed; i < size; i++) { x = (x * 1103515245 + 12345) >>> 0; out[i] = x >>> 16; } return out; };
// made for this test
const RSA = `-----BEGIN PRIVATE KEY-----
MIIDlwIBADANBgkqhkiG9w0BAQEFAASCA4EwggN9AgEAAoHBAMv3fvzGfS7OvBnN
ok0uRc7VfcVwvrhRh7o9yacHl56/G7uomXT6nBsyGHoa3PsWJEE6HRNfvQi/TUiS
uXRvtGcrt6oAgAJOA5Q3GkbHWpIZyX6XzeH0Pg55zRLUICCKE8hnNwN/qTQizhXH
sqfkaMZvLBjcloiYgaM/zN8HJKblCmRdc/iXF0YFwHBzoZIup8dYShiDfxbZXqE2
MU6xiSxqSui9gbOY4hwUhrTsEKIR1ww9X+Pg0UuQ43G80F8q/wIDAQABAoHAbp18
uu2Sek4X6Q6CVMUhirhxiyBH7oIYz8IumG0fpzIRgkY/Yxd+jakvaRkkeu9ZHh68
IgOr6xCEgzU/aowiFEm7Q3Ed+yIAAuOXVodK8S0W/5aoS0BAX21i8DEmcz8t333Y
WM0/Z55e/b0v+hIfr01+/kt0erG465grjRP2PX+A53tcEQRfwOMMUb0KyQYHnN7S
7UMZTW5BYwbBErhg85ErGuFyJA+hY/rlETgr1b+Bm930Y1PIAopkfy24W0jhAmEA
6OPAVo6Pfzcv4U0Y5vWfsj3BPgqOvl2nrWoWMhgYeS6hP4ZyRrySZOKZk00YFE/Y
HHsgrYQGueK7ppKDmKGKw2t0EzS0DVVMwunkKiu6hJBFku9MsF9o1ruDTBOgiPx5
AmEA4DT/foe8tokQzMXBj7Vd71mFKSPOCYpjDEGd6vtTckjW8yr3D47ieizsqPbL
IxTBU9ZSFYP7cwV7mYCK+Asn6aoZ645xYsaiVJkTBO4F5ENxJwYh0/Pg/BzRwH1T
UxU3AmEAp6ro26hReWZzC0LlbcpiygGZ8Z/KOxXUVY5uImykmgJPRxv1hCXZQ9a8
eIdlkaIWVhLzaNkHuqaZMQiEw8txytW+wOENzBegZyfbA91tsGjqHio4zTYzlX10
vr3WsykJAmEAoYXM4u0LCT3punxlnBB/YeXORvsifkESZkwHZrg1P8o2AO1dG/pG
MtqWjItvgRB8ztdCP3nb9ttmVgoDE/uFf5MqJUdzbEPJwsScrRqFaBMmO4Txbe7u
kPJ6MgCXvO01AmBtigwU8YeVDm/6mlFGptp/rUgajVI0m9gahX1v6aolfjvfSU1a
jl1ogxqw/iJoyO02SfSkLQcKHG3NitbycCjH5CEUEifClKC3JHtpskoJMQqJQq47
0qLy+pIamO+rXt0=
-----END PRIVATE KEY-----`;
const { subtle } = crypto;
const same = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;
const check = (say, label, got, wanted) => say(label, same(got, hex(wanted)) ? 'the published value' : got);

export default async (say) => {
    // --- digests ---
    check(say, 'SHA-1 abc', await subtle.digest('SHA-1', text('abc')), 'a9993e364706816aba3e25717850c26c9cd0d89d');
    check(say, 'SHA-256 abc', await subtle.digest({ name: 'sha-256' }, text('abc')), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    check(say, 'SHA-384 abc', await subtle.digest('SHA-384', text('abc')), 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7');
    check(say, 'SHA-512 abc', await subtle.digest('SHA-512', text('abc')), 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f');
    for (const size of [0, 1, 55, 56, 63, 64, 65, 111, 112, 119, 120, 127, 128, 129, 1000, 70000])
        for (const name of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) say(`${name} ${size}`, await subtle.digest(name, pattern(size, size)));
    await say.of('an unknown hash', () => subtle.digest('SHA-7', text('')));
    await say.of('no bytes', () => subtle.digest('SHA-256', 'text'));
    for (const name of ['md5', 'sha1', 'SHA224', 'sha256', 'sha384', 'sha512', 'RSA-SHA256']) {
        const hash = node.createHash(name);
        for (const size of [0, 1, 3, 64, 7, 130, 5000]) hash.update(pattern(size, size));
        say(`${name} in pieces`, hash.copy().digest('hex'));
        say(`${name} goes on`, hash.update('é', 'latin1').update('é').update('00ff', 'hex').digest('base64url'));
        await say.of(`${name} twice`, () => hash.digest());
        say(`${name} hmac`, node.createHmac(name, 'key').update('The quick brown fox jumps over the lazy dog').digest('base64'));
        say(`${name} hmac, long key`, node.createHmac(name, pattern(300)).update(pattern(1000)).digest('hex'));
    }
    await say.of('an unknown hash of node', () => node.createHash('nope'));

    // --- HMAC ---
    const hmacKey = (hash, bytes) => subtle.importKey('raw', bytes, { name: 'HMAC', hash }, true, ['sign', 'verify']);
    check(say, 'RFC 4231 case 2', await subtle.sign('HMAC', await hmacKey('SHA-256', text('Jefe')), text('what do ya want for nothing?')),
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
    check(say, 'RFC 4231 case 6', await subtle.sign('HMAC', await hmacKey('SHA-512', new Uint8Array(131).fill(0xaa)), text('Test Using Larger Than Block-Size Key - Hash Key First')),
        '80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598');
    for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
        const key = await hmacKey(hash, pattern(40)), mac = await subtle.sign('HMAC', key, pattern(99));
        say(`HMAC ${hash}`, mac);
        say('verify', [await subtle.verify('HMAC', key, mac, pattern(99)), await subtle.verify('HMAC', key, mac, pattern(98)), await subtle.verify('HMAC', key, mac.slice(1), pattern(99))]);
        say('jwk', await subtle.exportKey('jwk', key));
        say('key', [key.type, key.extractable, key.algorithm, key.usages]);
        const made = await subtle.generateKey({ name: 'HMAC', hash }, true, ['sign']);
        say('made', [made.algorithm.length, made.algorithm.hash, (await subtle.exportKey('raw', made)).byteLength]);
    }
    await say.of('wrong usage', async () => subtle.sign('HMAC', await subtle.importKey('raw', pattern(9), { name: 'HMAC', hash: 'SHA-1' }, false, ['verify']), text('')));
    await say.of('not extractable', async () => subtle.exportKey('raw', await subtle.importKey('raw', pattern(9), { name: 'HMAC', hash: 'SHA-1' }, false, ['verify'])).catch((error) => error.name.slice(0, 13)));
    await say.of('no usage', () => subtle.importKey('raw', pattern(9), { name: 'HMAC', hash: 'SHA-1' }, false, []));
    await say.of('foreign usage', () => subtle.importKey('raw', pattern(9), { name: 'HMAC', hash: 'SHA-1' }, false, ['encrypt']));
    await say.of('unknown usage', () => subtle.importKey('raw', pattern(9), { name: 'HMAC', hash: 'SHA-1' }, false, ['dance']));
    await say.of('unknown algorithm', () => subtle.importKey('raw', pattern(9), 'DES', false, ['sign']));

    // --- AES ---
    check(say, 'AES-128-CBC, SP 800-38A F.2.1', (await subtle.encrypt({ name: 'AES-CBC', iv: hex('000102030405060708090a0b0c0d0e0f') },
        await subtle.importKey('raw', hex('2b7e151628aed2a6abf7158809cf4f3c'), 'AES-CBC', false, ['encrypt']), hex('6bc1bee22e409f96e93d7e117393172a'))).slice(0, 16),
    '7649abac8119b246cee98e9b12e9197d');
    check(say, 'AES-256-CTR, SP 800-38A F.5.5', await subtle.encrypt({ name: 'AES-CTR', counter: hex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'), length: 64 },
        await subtle.importKey('raw', hex('603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4'), 'AES-CTR', false, ['encrypt']), hex('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51')),
    '601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5');
    const gcmKey = await subtle.importKey('raw', hex('feffe9928665731c6d6a8f9467308308'), 'AES-GCM', false, ['encrypt', 'decrypt']);
    const plain = hex('d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39');
    const additionalData = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
    check(say, 'AES-128-GCM, test case 4', await subtle.encrypt({ name: 'AES-GCM', iv: hex('cafebabefacedbaddecaf888'), additionalData }, gcmKey, plain),
        '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47');
    const short = node.createCipheriv('aes-128-gcm', hex('feffe9928665731c6d6a8f9467308308'), hex('cafebabefacedbad')).setAAD(additionalData);
    check(say, 'AES-128-GCM, test case 5', Buffer.concat([short.update(plain), short.final(), short.getAuthTag()]),
        '61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f45983612d2e79e3b0785561be14aaca2fccb');
    const empty = node.createCipheriv('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12));
    empty.final();
    check(say, 'AES-128-GCM, test case 1', empty.getAuthTag(), '58e2fccefa7e3061367f1d57a4e7455a');
    for (const bits of [128, 192, 256])
        for (const size of [0, 1, 15, 16, 17, 100, 4096, 70001]) {
            const bytes = pattern(bits / 8, bits), data = pattern(size, size + 1), iv = pattern(16, 3);
            for (const [name, params] of [['AES-CBC', { iv }], ['AES-CTR', { counter: iv, length: 128 }], ['AES-GCM', { iv, additionalData: pattern(size % 31 + 1), tagLength: 96 }]]) {
                if (name === 'AES-GCM' && size === 0) continue; // node 20 fails; an empty text is among the known values
                const key = await subtle.importKey('raw', bytes, name, true, ['encrypt', 'decrypt']), sealed = await subtle.encrypt({ name, ...params }, key, data);
                say(`${name} ${bits} ${size}`, await subtle.digest('SHA-256', sealed));
                say('back', same(await subtle.decrypt({ name, ...params }, key, sealed), data));
                if (name !== 'AES-CTR') { new Uint8Array(sealed)[sealed.byteLength - 1] ^= 0x55; await say.of('changed', () => subtle.decrypt({ name, ...params }, key, sealed).then(() => name === 'AES-CBC' ? 'by chance' : 0)); }
            }
        }
    const ctrKey = await subtle.importKey('raw', pattern(16), 'AES-CTR', true, ['encrypt', 'decrypt']);
    for (const length of [4, 9, 31, 32, 33, 64, 127, 128])
        for (const counter of [new Uint8Array(16).fill(255), hex('00000000000000000000000ffffffffe'), hex('000000000000000000fffffffffffffe')])
            await say.of(`counter of ${length} bits`, () => subtle.encrypt({ name: 'AES-CTR', counter, length }, ctrKey, pattern(80)));
    await say.of('counter too short', () => subtle.encrypt({ name: 'AES-CTR', counter: pattern(16), length: 2 }, ctrKey, pattern(80)));
    await say.of('bad key size', () => subtle.importKey('raw', pattern(17), 'AES-GCM', true, ['encrypt']));
    say('AES jwk', await subtle.exportKey('jwk', ctrKey));
    const kek = await subtle.importKey('raw', hex('000102030405060708090a0b0c0d0e0f'), 'AES-KW', true, ['wrapKey', 'unwrapKey']);
    const wrapped = await subtle.wrapKey('raw', await subtle.importKey('raw', hex('00112233445566778899aabbccddeeff'), 'AES-GCM', true, ['encrypt']), kek, 'AES-KW');
    check(say, 'RFC 3394 4.1', wrapped, '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5');
    const unwrapped = await subtle.unwrapKey('raw', wrapped, kek, 'AES-KW', 'AES-GCM', true, ['encrypt']);
    say('unwrapped', await subtle.exportKey('jwk', unwrapped));
    for (const bits of [128, 192, 256]) for (const mode of ['cbc', 'ctr', 'gcm']) {
        const cipher = node.createCipheriv(`aes-${bits}-${mode}`, pattern(bits / 8), pattern(16, 5));
        if (mode === 'gcm') cipher.setAAD(Buffer.from('more'));
        const out = Buffer.concat([cipher.update('first, ', 'utf8'), cipher.update(pattern(45)), cipher.final()]);
        say(`node ${mode} ${bits}`, out);
        const back = node.createDecipheriv(`aes-${bits}-${mode}`, pattern(bits / 8), pattern(16, 5));
        if (mode === 'gcm') { say('tag', cipher.getAuthTag()); back.setAAD(Buffer.from('more')).setAuthTag(cipher.getAuthTag()); }
        say('back', Buffer.concat([back.update(out.subarray(0, 9)), back.update(out.subarray(9)), back.final()]));
    }
    await say.of('node gcm, wrong tag', () => { const d = node.createDecipheriv('aes-128-gcm', pattern(16), pattern(12)); d.setAuthTag(Buffer.alloc(16)); d.update('00', 'hex'); return d.final(); });
    await say.of('node cipher, key size', () => node.createCipheriv('aes-128-cbc', 'short', pattern(16)));
    await say.of('node cipher, name', () => node.createCipheriv('rot13', 'short', pattern(16)));

    // --- derivation ---
    const hkdfKey = await subtle.importKey('raw', new Uint8Array(22).fill(11), 'HKDF', false, ['deriveBits', 'deriveKey']);
    check(say, 'RFC 5869 case 1', await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: hex('000102030405060708090a0b0c'), info: hex('f0f1f2f3f4f5f6f7f8f9') }, hkdfKey, 336),
        '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
    check(say, 'RFC 5869 case 7', node.hkdfSync('sha1', Buffer.alloc(22, 12), '', '', 42), '2c91117204d745f3500d636a62f64f0ab3bae548aa53d423b0d1f27ebba6f5e5673a081d70cce7acfc48');
    const pbkdf2 = async (hash, password, salt, iterations, bits) => subtle.deriveBits({ name: 'PBKDF2', hash, salt, iterations },
        await subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits']), bits);
    check(say, 'RFC 6070', await pbkdf2('SHA-1', text('password'), text('salt'), 4096, 160), '4b007901b765489abead49d926f721d065a429c1');
    check(say, 'RFC 7914', await pbkdf2('SHA-256', text('passwd'), text('salt'), 1, 512), '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783');
    say('PBKDF2 SHA-384', await pbkdf2('SHA-384', pattern(200), pattern(20), 77, 800));
    say('PBKDF2 SHA-512', node.pbkdf2Sync('password', 'salt', 1500, 100, 'sha512'));
    say('deriveKey', await subtle.exportKey('jwk', await subtle.deriveKey({ name: 'HKDF', hash: 'SHA-512', salt: text(''), info: text('x') }, hkdfKey, { name: 'AES-GCM', length: 256 }, true, ['encrypt'])));
    say('deriveKey HMAC', await subtle.exportKey('jwk', await subtle.deriveKey({ name: 'HKDF', hash: 'SHA-384', salt: text(''), info: text('x') }, hkdfKey, { name: 'HMAC', hash: 'SHA-1' }, true, ['sign'])));
    await say.of('too much', () => subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: text(''), info: text('') }, hkdfKey, 8 * 32 * 256));

    // --- Ed25519, X25519 ---
    const edJwk = { kty: 'OKP', crv: 'Ed25519', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
    const edKey = await subtle.importKey('jwk', edJwk, 'Ed25519', true, ['sign']);
    check(say, 'RFC 8032 test 1', await subtle.sign('Ed25519', edKey, new Uint8Array(0)),
        'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b');
    const edPublic = await subtle.importKey('raw', hex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'), 'Ed25519', true, ['verify']);
    const edSigned = await subtle.sign({ name: 'Ed25519' }, edKey, pattern(1000));
    say('Ed25519', [edSigned, await subtle.verify('Ed25519', edPublic, edSigned, pattern(1000)), await subtle.verify('Ed25519', edPublic, edSigned, pattern(999))]);
    say('Ed25519 forms', [await subtle.exportKey('pkcs8', edKey), await subtle.exportKey('spki', edPublic), await subtle.exportKey('raw', edPublic)]);
    const { alg: _, ...edJwkOut } = await subtle.exportKey('jwk', edKey);
    say('Ed25519 jwk', Object.entries(edJwkOut).sort());
    const alice = { kty: 'OKP', crv: 'X25519', d: 'dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo', x: 'hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo' };
    const bob = { kty: 'OKP', crv: 'X25519', x: '3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08' };
    check(say, 'RFC 7748 6.1', await subtle.deriveBits({ name: 'X25519', public: await subtle.importKey('jwk', bob, 'X25519', true, []) }, await subtle.importKey('jwk', alice, 'X25519', true, ['deriveBits']), 256),
        '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742');

    // --- P-256, P-384: ECDSA's signatures are random in node ---
    const p256 = { kty: 'EC', crv: 'P-256', d: 'ya-p2EW6dRZrXCFXZ7HWk05Qw9vGJZx1LTIe2-4qtMM', x: 'YP7UuiVanTHJYeq0xFS1Id0QS7RV9kO7qZ9nkCYBBlg' };
    for (const [curve, hash, size] of [['P-256', 'SHA-256', 32], ['P-384', 'SHA-384', 48]]) {
        const pair = await subtle.generateKey({ name: 'ECDSA', namedCurve: curve }, true, ['sign', 'verify']);
        say(`${curve} pair`, [pair.privateKey.type, pair.privateKey.usages, pair.publicKey.type, pair.publicKey.usages, pair.publicKey.algorithm, pair.publicKey.extractable]);
        const signature = await subtle.sign({ name: 'ECDSA', hash }, pair.privateKey, pattern(100));
        say('signature', [signature.byteLength, await subtle.verify({ name: 'ECDSA', hash }, pair.publicKey, signature, pattern(100)), await subtle.verify({ name: 'ECDSA', hash: 'SHA-512' }, pair.publicKey, signature, pattern(100))]);
        const forms = {};
        for (const format of ['pkcs8', 'jwk']) forms[format] = await subtle.exportKey(format, pair.privateKey);
        for (const format of ['spki', 'raw']) forms[format] = await subtle.exportKey(format, pair.publicKey);
        say('forms', [forms.pkcs8.byteLength, forms.spki.byteLength, forms.raw.byteLength, Object.keys(forms.jwk).sort()]);
        for (const [format, usages] of [['pkcs8', ['sign']], ['spki', ['verify']], ['raw', ['verify']], ['jwk', ['sign']]]) {
            const again = await subtle.importKey(format, forms[format], { name: 'ECDSA', namedCurve: curve }, true, usages);
            say(`${format} again`, [again.type, again.algorithm]);
        }
        const one = await subtle.generateKey({ name: 'ECDH', namedCurve: curve }, true, ['deriveBits']), two = await subtle.generateKey({ name: 'ECDH', namedCurve: curve }, true, ['deriveBits']);
        const a = await subtle.deriveBits({ name: 'ECDH', public: two.publicKey }, one.privateKey, size * 8), b = await subtle.deriveBits({ name: 'ECDH', public: one.publicKey }, two.privateKey, size * 8);
        say('agreed', same(a, b));
        forms.raw = new Uint8Array(forms.raw);
        forms.raw[5] ^= 1;
        await say.of('not a point', () => subtle.importKey('raw', forms.raw, { name: 'ECDSA', namedCurve: curve }, true, ['verify']));
        const pem = node.createPrivateKey({ key: Buffer.from(forms.pkcs8), format: 'der', type: 'pkcs8' });
        say('node key', [pem.type, pem.asymmetricKeyType, pem.asymmetricKeyDetails, pem.export({ format: 'pem', type: 'pkcs8' }).split('\n')[0], pem.export({ format: 'pem', type: 'sec1' }).split('\n')[0]]);
        const der = node.sign(hash.replace('-', ''), pattern(77), pem), raw = node.sign(hash.replace('-', ''), pattern(77), { key: pem, dsaEncoding: 'ieee-p1363' });
        say('node signature', [node.verify(hash.replace('-', ''), pattern(77), node.createPublicKey(pem), der), raw.length, node.verify(hash.replace('-', ''), pattern(76), pem, der)]);
        say('createSign', node.createVerify('SHA256').update('x').verify(node.createPublicKey(pem.export({ format: 'pem', type: 'sec1' })), node.createSign('SHA256').update('x').sign(pem, 'hex'), 'hex'));
    }
    // RFC 6979 A.2.5, "sample", SHA-256
    const sample = await subtle.importKey('raw', hex('0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299'), { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
    const rs = hex('efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8');
    say('RFC 6979', [await subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, sample, rs, text('sample')), await subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, sample, rs, text('simple'))]);
    await say.of('a JWK without y', () => subtle.importKey('jwk', p256, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']));
    const ecdh = node.createECDH('prime256v1'), peer = node.createECDH('prime256v1');
    ecdh.setPrivateKey(Buffer.alloc(32, 7));
    peer.setPrivateKey(Buffer.alloc(32, 9));
    say('node ECDH', [ecdh.getPublicKey('hex'), ecdh.computeSecret(peer.getPublicKey()), peer.computeSecret(ecdh.getPublicKey('base64'), 'base64', 'hex')]);

    // --- RSA ---
    const pair = node.createPrivateKey(RSA);
    say('RSA key', [pair.asymmetricKeyType, pair.asymmetricKeyDetails, node.createPublicKey(RSA).export({ format: 'jwk' })]);
    const rsa = { key: RSA };
    for (const hash of ['sha1', 'sha256', 'sha384', 'sha512']) {
        const signature = node.sign(hash, pattern(500), RSA);
        say(`RS ${hash}`, [signature, node.verify(hash, pattern(500), node.createPublicKey(RSA), signature), node.verify(hash, pattern(501), node.createPublicKey(RSA), signature)]);
        const options = { ...rsa, padding: node.constants.RSA_PKCS1_PSS_PADDING, saltLength: node.constants.RSA_PSS_SALTLEN_DIGEST };
        say(`PS ${hash}`, [node.verify(hash, pattern(9), options, node.sign(hash, pattern(9), options)), node.verify(hash, pattern(8), options, node.sign(hash, pattern(9), options))]);
    }
    say('RSA forms', [pair.export({ format: 'pem', type: 'pkcs1' }), node.createPublicKey(pair).export({ format: 'pem', type: 'spki' }), node.createPublicKey(pair).export({ format: 'der', type: 'pkcs1' })]);
    const der = pair.export({ format: 'der', type: 'pkcs8' });
    const rsaSigner = await subtle.importKey('pkcs8', der, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, ['sign']);
    say('RS256', [rsaSigner.algorithm, await subtle.sign('RSASSA-PKCS1-v1_5', rsaSigner, text('hello'))]);
    const spki = node.createPublicKey(pair).export({ format: 'der', type: 'spki' });
    const pss = await subtle.importKey('pkcs8', der, { name: 'RSA-PSS', hash: 'SHA-256' }, true, ['sign']), pssPublic = await subtle.importKey('spki', spki, { name: 'RSA-PSS', hash: 'SHA-256' }, true, ['verify']);
    const signed = await subtle.sign({ name: 'RSA-PSS', saltLength: 20 }, pss, text('hello'));
    say('PS256', [await subtle.verify({ name: 'RSA-PSS', saltLength: 20 }, pssPublic, signed, text('hello')), await subtle.verify({ name: 'RSA-PSS', saltLength: 32 }, pssPublic, signed, text('hello'))]);
    const opener = await subtle.importKey('pkcs8', der, { name: 'RSA-OAEP', hash: 'SHA-256' }, true, ['decrypt']), sealer = await subtle.importKey('spki', spki, { name: 'RSA-OAEP', hash: 'SHA-256' }, true, ['encrypt']);
    const sealed = await subtle.encrypt({ name: 'RSA-OAEP', label: text('l') }, sealer, text('secret'));
    say('OAEP', Buffer.from(await subtle.decrypt({ name: 'RSA-OAEP', label: text('l') }, opener, sealed)).toString());
    await say.of('OAEP, other label', () => subtle.decrypt({ name: 'RSA-OAEP', label: text('m') }, opener, sealed));
    say('node OAEP', node.privateDecrypt(RSA, node.publicEncrypt(node.createPublicKey(RSA), Buffer.from('hi'))));

    // --- the rest ---
    say('sizes', [node.randomBytes(33).length, crypto.getRandomValues(new Uint32Array(5)).length, crypto.randomUUID().length, node.randomUUID().length]);
    await say.of('too many random bytes', () => crypto.getRandomValues(new Uint8Array(65537)));
    await say.of('random floats', () => crypto.getRandomValues(new Float64Array(2)));
    say('equal', [node.timingSafeEqual(Buffer.from('abc'), text('abc')), node.timingSafeEqual(Buffer.from('abc'), text('abd'))]);
    await say.of('unequal sizes', () => node.timingSafeEqual(Buffer.from('abc'), text('ab')));
    say('ints', [1, 2, 3].every(() => { const n = node.randomInt(5, 9); return n >= 5 && n < 9; }));
    const secret = node.createSecretKey(Buffer.from('0011', 'hex'));
    say('secret', [secret.type, secret.symmetricKeySize, secret.export(), secret.export({ format: 'jwk' }), node.createHmac('sha256', secret).update('a').digest('hex')]);
    await say.of('illegal', () => new CryptoKey());
};
