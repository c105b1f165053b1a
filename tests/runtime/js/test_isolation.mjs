// tfaas:isolation against a compartment that answers whatever it likes: here the test plays it, byte by
// byte. The real ones are in tests/hostile/compartments.c and tests/e2e/test_compartments.py.
import assert from 'node:assert/strict';

const HANDLER = `
const { compartment } = require('tfaas:isolation');
const c = compartment({ module: './lib/m.js' });
const seen = new Set();
const PLAIN = new Set([Object, Array, Map, Set, Date, ArrayBuffer, Uint8Array, Int8Array, Uint8ClampedArray, Uint16Array, Int16Array,
    Uint32Array, Int32Array, Float16Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array].map((each) => each.prototype));
const check = (value) => {
    if (typeof value === 'function' || typeof value === 'symbol') throw new Error('a ' + typeof value + ' came out');
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (!PLAIN.has(Object.getPrototypeOf(value))) throw new Error('a prototype of its own');
    if (value instanceof Map) for (const pair of value) pair.forEach(check);
    else if (value instanceof Set) value.forEach(check);
    else if (!ArrayBuffer.isView(value)) for (const key of Reflect.ownKeys(value)) {
        const { get, set, value: own } = Object.getOwnPropertyDescriptor(value, key);
        if (get || set) throw new Error('an accessor');
        check(own);
    }
};
const before = Reflect.ownKeys(Object.prototype).length;
module.exports = async (event) => {
    const counts = { ok: 0 };
    for (let i = 0; i < Number(event.body); i++) {
        seen.clear();
        try {
            let value = WHAT;
            if (value instanceof Promise) value = await value;
            check(value);
            counts.ok++;
        } catch (error) {
            if (error.code === undefined) throw error;
            if (!(error instanceof Error)) throw new Error('no Error');
            counts[error.code] = (counts[error.code] ?? 0) + 1;
        }
    }
    if (Reflect.ownKeys(Object.prototype).length !== before || ({}).x !== undefined) throw new Error('polluted');
    return counts;
};
`;
const files = (what) => ({ '/function/handler.js': HANDLER.replace('WHAT', what), '/function/lib/m.js': '' });
const CALL = 'c.call("x")';
const hex = (text) => Buffer.from(text.replace(/ /g, ''), 'hex');

/* One answer, and what becomes of it. */
const outcome = (rt, answer, what = CALL) => {
    const image = rt.load(files(what), { compartment: () => answer });
    assert.equal(image.code, 0, image.log);
    const r = image.invoke({ method: 'POST', body: '1' });
    assert.equal(r.status, 200, r.log);
    return Object.entries(JSON.parse(r.text)).filter(([, count]) => count).map(([code]) => code.replace('TFAAS_COMPARTMENT_', '')).join();
};

/* Answers that are right: the seeds of what follows. */
const SEEDS = ['8200f7', '820082f4f5', '8200a1616101', '8200a1695f5f70726f746f5f5fa1617801', '8200d9010281616b', '8200d90103a10102', '8200c1fb41d26580b487e69b',
    '8200c249010000000000000000', '8200c340', '8200d81cd84043010203', '8200d81cd85648000000000000f03f', '8200d81c81d81d00', '8200d81ca16161d81d00',
    '820083d81c80d81d00f6', '82004401020304', '820064f09f9880', '8200fb7ff8000000000000', '82001b001fffffffffffff', '8201a2676d657373616765616d646e616d6569547970654572726f72',
    '820263776879', '820305', '8204a1676d657373616765616d', '8200a16365736df5', '8200' + '81'.repeat(60) + '80'];

export const tests = [
    ['answers that are right', (rt) => {
        for (const seed of SEEDS) {
            const kind = { '8201': 'EXCEPTION', '8202': 'BAD_VALUE', '8204': 'EXCEPTION' }[seed.slice(0, 4)] ?? 'ok';
            assert.equal(outcome(rt, hex(seed)), kind, seed);
        }
    }],
    ['answers that are none', (rt) => {
        for (const bytes of ['', '00', 'f6', '80', '8100', '8205f6', '82f600', '8200', '8200f6f6', 'a10000', '9f00ff', '820018ff00', '8200d81d00', '8200d81d1a00030d40',
            '82009b0000000100000000', '82009a00030d40', '8200bb7fffffffffffffff', '8200ba80000000', '82001817', '8200f818', '8200f93c00', '8200fa3f800000',
            '820062c328', '820063eda080', '8200a10102', '8200d9010301', '8200d9010201', '8200c161', '8200c2590401' + '00'.repeat(1025), '8200d84343010203',
            '8200d845430102', '8200d81cd81c80', '8200d81c05', '8200c1c100', '8200df', '8200ff', '82001bffffffffffffffff', '82003b001fffffffffffff',
            '8200' + '81'.repeat(70) + '80', '8200d9d9f700']) {
            assert.match(outcome(rt, hex(bytes)), /^(BAD_VALUE|TRAPPED)$/, bytes);
        }
        const long = Buffer.concat([hex('82009a00030d3f'), Buffer.alloc(199999, 0x80)]);
        assert.equal(outcome(rt, long), 'BAD_VALUE', 'too many');
        assert.equal(outcome(rt, Buffer.concat([hex('82009a0002bf20'), Buffer.alloc(180000, 0x80)])), 'ok', 'many');
    }],
    ['every error has its code', (rt) => {
        const codes = ['TRAPPED', 'MEMORY', 'WORK', 'DEADLINE', 'TOO_LARGE', 'HOSTCALLS', 'BUSY', 'CLOSED', 'LATE', 'TOO_MANY', 'REFUSED', 'UNAVAILABLE', 'TRAPPED'];
        codes.forEach((code, i) => assert.equal(outcome(rt, -1 - i), code));
    }],
    ['mutated answers to a call', (rt) => mutate(rt, CALL, 20000)],
    ['mutated descriptions of exports', (rt) => mutate(rt, 'JSON.stringify(Object.keys(c.exports ?? {}))', 6000, ['8200a26365736df46474726565a1647061746880',
        '8200a26365736df5647472 6565d81ca364706174688068 63616c6c61626c65f5676d656d62657273a26161a26470617468816161 6576616c7565016162d81d00'])],
    ['no compartment here', (rt) => {
        const image = rt.load(files(CALL));
        assert.notEqual(image.code, 0);
        assert.match(image.log, /the compartment failed/);
    }],
    ['options are checked', (rt) => {
        for (const [options, text] of [['{}', /module, memory/], ['{ module: "./lib/m.js", memory: "x" }', /memory/], ['{ module: "./lib/m.js", wrk: 1 }', /no option "wrk"/],
            ['{ module: "./lib/m.js", work: -1 }', /work: -1/], ['{ module: "./lib/m.js", grant: { fetch: [] } }', /no capability is named "fetch"/],
            ['{ module: "./lib/m.js", grant: { env: ["A\\nmodule x"] } }', /list of names/], ['{ module: "./absent.js" }', /Cannot find module/],
            ['{ module: "/var/x.wasm" }', /no file of the package/]]) {
            const image = rt.load({ '/function/handler.js': `require('tfaas:isolation').compartment(${options})`, '/function/lib/m.js': '' }, { compartment: () => -1 });
            assert.notEqual(image.code, 0, options);
            assert.match(image.log, text);
        }
    }],
];

/* A generator of its own, so that a failure comes again. */
function mutate(rt, what, count, more = []) {
    let state = 0x2545f491;
    const random = (below) => { state ^= state << 13; state ^= state >>> 17; state ^= state << 5; return (state >>> 0) % below; };
    const seeds = [...SEEDS, ...Array(20).fill(more).flat()].map(hex);
    let last;
    const answer = () => {
        let bytes = Buffer.from(seeds[random(seeds.length)]);
        for (let n = random(4); n >= 0; n--) {
            const at = random(bytes.length), other = seeds[random(seeds.length)];
            const kind = random(4);
            if (kind === 0) bytes[at] = random(256);
            else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([[0xd8, 0xa1, 0x82, 0x9a, 0xff, 0x7f][random(6)]]), bytes.subarray(at)]);
            else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length))]);
            else bytes = bytes.subarray(0, Math.max(1, at));
        }
        last = bytes;
        return bytes;
    };
    const image = rt.load(files(what), { compartment: answer });
    assert.equal(image.code, 0, image.log);
    const r = image.invoke({ method: 'POST', body: String(count) });
    assert.equal(r.status, 200, `${last.toString('hex')}: ${r.log} ${r.error}`);
    const counts = JSON.parse(r.text);
    assert.ok(counts.ok > count / 1000 && Object.values(counts).reduce((a, b) => a + b) === count, r.text);
}
