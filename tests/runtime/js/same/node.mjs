// node's modules: buffer, events, util, path, querystring, url, assert, string_decoder, stream.
import assert from 'node:assert';
import { EventEmitter, once } from 'node:events';
import path from 'node:path';
import querystring from 'node:querystring';
import stream from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import timers from 'node:timers/promises';
import url from 'node:url';
import util from 'node:util';

const code = (action) => { try { action(); return 'nothing'; } catch (error) { return `${error.name} ${error.code}`; } };

export default async (say) => {
    // --- Buffer ---
    const sample = Buffer.from('h\u00e9llo w\u00f6rld \ud83d\ude00');
    for (const encoding of ['utf8', 'hex', 'base64', 'base64url', 'latin1', 'ascii', 'utf16le', 'UCS-2', 'binary']) {
        const text = sample.toString(encoding);
        say(`encoding ${encoding}`, [text, Buffer.from(text, encoding), Buffer.byteLength('h\u00e9llo \ud83d\ude00', encoding), Buffer.from('zz h\u00e9 11==', encoding), sample.toString(encoding, 3, 9)]);
    }
    say('from', [Buffer.from([1, 257, -1, 3.7]), Buffer.from(new Uint16Array([1, 300])), Buffer.from(Uint8Array.of(1, 2, 3).buffer, 1, 1), Buffer.from({ length: 2, 0: 7, 1: 8 }), Buffer.from(JSON.parse(JSON.stringify(Buffer.from('x')))), Buffer.from(new String('s'))]);
    say('from errors', [5, null, undefined, {}, true, Symbol.iterator].map((value) => code(() => Buffer.from(value))));
    say('alloc', [Buffer.alloc(5, 'ab'), Buffer.alloc(4, 257), Buffer.alloc(3, Buffer.from([1, 2])), Buffer.alloc(2), Buffer.allocUnsafe(3).length, code(() => Buffer.alloc(-1)), code(() => Buffer.alloc('1')), Buffer.alloc(4, 'YQ==', 'base64')]);
    say('statics', [Buffer.isBuffer(sample), Buffer.isBuffer(new Uint8Array(1)), Buffer.isEncoding('UTF-8'), Buffer.isEncoding('x'), Buffer.compare(Buffer.from('a'), Buffer.from('b')), Buffer.concat([Buffer.from('a'), new Uint8Array([66]), Buffer.from('c')]), Buffer.concat([Buffer.from('abc')], 2), Buffer.concat([Buffer.from('abc')], 5), Buffer.concat([])]);
    const b = Buffer.from('this is a buffer, this is');
    say('search', [b.indexOf('is'), b.indexOf('is', 3), b.indexOf('is', -2), b.lastIndexOf('is'), b.lastIndexOf('is', 10), b.lastIndexOf('this', -6), b.indexOf(''), b.indexOf(Buffer.from('a b')), b.indexOf(0x66), b.includes('buffer'), b.includes('nope'), b.indexOf('7468', 1, 'hex'), b.lastIndexOf('zz'), b.indexOf('is', 100), b.lastIndexOf('is', -100)]);
    say('parts', [b.slice(-4), b.subarray(1, 3), b.slice(3, 1), Buffer.isBuffer(b.subarray(1)), b.slice(0, 4).equals(Buffer.from('this')), b.compare(Buffer.from('thiz')), b.compare(Buffer.from('xxis'), 2, 4, 2, 4), b.toJSON().data.length, b.readUInt8(2), b.at(-1)]);
    const n = Buffer.alloc(24);
    for (const [method, value, ...at] of [['writeInt8', -5, 0], ['writeUInt16LE', 0xabcd, 1], ['writeInt32BE', -123456, 3], ['writeUIntBE', 0x123456789a, 7, 5], ['writeIntLE', -1234567, 12, 3], ['writeDoubleLE', Math.PI, 15]]) say(method, n[method](value, ...at));
    say('bytes', n);
    say('numbers', [n.readInt8(0), n.readUInt16LE(1), n.readUint16BE(1), n.readInt32BE(3), n.readUIntBE(7, 5), n.readIntLE(12, 3), n.readDoubleLE(15), n.readFloatBE(15), n.readBigUInt64LE(8), n.readBigInt64BE(8)]);
    say('number errors', [() => n.readUInt8(24), () => n.readUInt32LE(21), () => n.writeUInt8(256, 0), () => n.writeInt16LE(40000, 0), () => n.readUInt8(1.5), () => n.readUInt8('1'), () => n.readUIntLE(0, 7), () => n.writeBigUInt64LE(-1n, 0)].map(code));
    const w = Buffer.alloc(8);
    say('write', [w.write('abc'), w.write('\u20ac\u20ac', 4), w.write('ff00', 6, 'hex'), w.write('xyz', 1, 2), w, w.fill('ab', 1, 6), w.fill(0), w.copy(w, 1), code(() => w.write('a', 9))]);
    say('swap', [Buffer.from([1, 2, 3, 4]).swap16(), Buffer.from([1, 2, 3, 4]).swap32(), code(() => Buffer.from([1, 2, 3]).swap16()), Buffer.from('abc').reverse(), [...Buffer.from('ab').entries()], Buffer.from('abc').map((x) => x + 1)]);

    // --- events ---
    const emitter = new EventEmitter(), seen = [];
    emitter.on('newListener', (name) => seen.push(`new ${String(name)}`));
    emitter.on('a', function (...values) { seen.push(['a', this === emitter, ...values]); });
    emitter.once('a', () => seen.push('once'));
    emitter.prependListener('a', () => seen.push('first'));
    say('emitted', [emitter.emit('a', 1, 2), emitter.emit('a'), emitter.emit('none'), seen, emitter.listenerCount('a'), emitter.eventNames()]);
    const f = () => {};
    emitter.on('b', f).on('b', f).off('b', f);
    say('counted', [emitter.listenerCount('b'), emitter.rawListeners('b').length, emitter.getMaxListeners()]);
    say('errors', [code(() => emitter.emit('error', new RangeError('x'))), code(() => emitter.emit('error', 'text')), code(() => emitter.on('x', 5))]);
    setTimeout(() => emitter.emit('later', 7, 8), 1);
    say('once', await once(emitter, 'later'));
    setTimeout(() => emitter.emit('error', new RangeError('x')), 1);
    await say.of('once error', () => once(emitter, 'later'));
    function Old() { EventEmitter.call(this); }
    util.inherits(Old, EventEmitter);
    const old = new Old();
    old.on('x', (v) => say('old style', v));
    old.emit('x', 5);
    emitter.removeAllListeners();
    say('none left', emitter.eventNames());

    // --- path ---
    const paths = ['', '.', '/', '//', 'a', '/a/b.c', 'a/b/', '../x', 'a//b/./c/../d', '.hidden', 'a.b.c', 'x.', '/a/..b', 'a/b/../../../c', './a', '/a/b/..'];
    for (const p of paths) say(`path ${p}`, [path.normalize(p), path.dirname(p), path.basename(p), path.extname(p), path.parse(p), path.isAbsolute(p), path.join('/r', p, 'q'), path.resolve('/r', p), path.relative('/a/b', path.resolve('/', p)), path.format(path.parse(p))]);
    say('more', [path.join(), path.join('', ''), path.resolve('/a', 'b', '../c'), path.basename('/a/b.html', '.html'), path.basename('aaa', 'a'), path.relative('/a/b/c', '/a/d'), path.relative('/x', '/x'), path.sep, code(() => path.join(5)), path.posix === path]);

    // --- querystring, url ---
    for (const q of ['a=1&b=2&a=3', 'a=%20+b&c', '=x&&y=', 'a=%zz&%C3%A9=%E9', 'a:1;b:2']) say(`query ${q}`, [Object.entries(querystring.parse(q)), Object.entries(querystring.parse(q, ';', ':'))]);
    say('stringify', [querystring.stringify({ a: 1, b: [2, 'x y'], c: null, d: true, e: '\u00e9', f: NaN }), querystring.stringify({ a: 'b' }, ';', ':'), querystring.stringify('x'), querystring.escape('a b&'), querystring.unescape('%41%zz')]);
    const keys = ['protocol', 'slashes', 'auth', 'host', 'port', 'hostname', 'hash', 'search', 'query', 'pathname', 'path', 'href'];
    for (const u of ['http://user:pa%20ss@Host.com:80/p/a?q=1&r=2#h', '/a?b#c', 'mailto:a@b.c', 'http://a.com', '//h/p', 'a/b c', 'http://[::1]:3000/x', 'file:///a/b', 'javascript:alert(1)', '', 'https://a.com?x', 'x:y'])
        say(`parse ${u}`, keys.map((key) => { const value = url.parse(u)[key]; return typeof value === 'object' && value !== null ? Object.entries(value) : value; }));
    say('parsed query', [Object.entries(url.parse('/x?a=1&b=2', true).query), url.parse('/x', true).search, url.parse('//h/p', false, true).host]);
    say('format', [url.format({ protocol: 'https', host: 'a.com', pathname: 'x', query: { a: 1 } }), url.format({ pathname: '/p', search: 'q', hash: 'h' }), url.format(new URL('http://u:p@h/x?y#z'), { auth: false, fragment: false }), url.format('http://A.com/b')]);
    say('resolve', [['/one/two/three', 'four'], ['http://example.com/', '/one'], ['http://example.com/one', '/two'], ['http://a/b/c', '../d'], ['http://a/b', 'https://c/d'], ['/a', '?x']].map(([from, to]) => url.resolve(from, to)));
    say('file', [url.fileURLToPath('file:///a%20b/c'), url.pathToFileURL('/a b/#c?').href, code(() => url.fileURLToPath('http://a')), code(() => url.fileURLToPath('file://h/a'))]);

    // --- util ---
    say('format', [util.format('%s %d %i %f %j %% %o', 'a', '5', 5.7, '1.5', { x: 1 }, 7), util.format('a', 'b', 5), util.format('%s', null, undefined), util.format('%d', 5n), util.format(1, 2), util.format('%s', Symbol('s')), util.format('%x', 1), util.format('100%', 1)]);
    for (const value of [1, 'a\'b', null, undefined, true, -0, 5n, Symbol('x'), [1, [2, [3, [4, [5]]]]], { a: { b: { c: { d: 1 } } } }, new Map([['k', { v: 1 }]]), new Set([1, 'two']), new Date(0), /x/g, [], {}, Object.create(null), class Foo {}, function bar() {}, () => {}, Buffer.from('hi'), new Uint8Array(3), [undefined, null], { 'a-b': 1, [Symbol('s')]: 2 }, new (class Point { x = 1; })(), ['a'.repeat(10), 'b'.repeat(80)]])
        say('inspect', util.inspect(value));
    const circular = { name: 'c' };
    circular.self = circular;
    say('custom', [util.inspect({ [util.inspect.custom]: () => 'custom!' }), util.inspect({ a: { b: { c: {} } } }, { depth: 0 })]);
    const promised = util.promisify((a, b, callback) => callback(a ? null : new RangeError('no'), b));
    say('promisify', [await promised(1, 2), await promised(0, 0).catch((e) => e.name), await util.promisify(setTimeout)(1, 'v')]);
    await new Promise((resolve) => util.callbackify(async (x) => x + 1)(1, (error, value) => { say('callbackify', [error, value]); resolve(); }));
    say('types', [util.types.isDate(new Date()), util.types.isRegExp(/x/), util.types.isPromise(Promise.resolve()), util.types.isUint8Array(Buffer.alloc(1)), util.types.isAsyncFunction(async () => {}), util.types.isGeneratorFunction(function* () {}), util.types.isMap(new Map()), util.types.isNativeError(new TypeError()), util.types.isTypedArray(new DataView(new ArrayBuffer(1)))]);
    say('strip', util.stripVTControlCharacters('\u001b[31mred\u001b[0m'));
    const pairs = [[{ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }], [[1, 2], [1, 2, 3]], [new Set([1, { a: 1 }]), new Set([1, { a: 1 }])], [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 1]])], [NaN, NaN], [0, -0], [1, '1'], [null, undefined], [new Date(1), new Date(1)], [/a/g, /a/i], [Buffer.from('a'), Buffer.from('a')], [new Error('a'), new Error('b')], [Object.create(null), {}], [[, 1], [undefined, 1]], [new Number(1), new Number(1)], ['a', new String('a')], [{ [Symbol.for('s')]: 1 }, { [Symbol.for('s')]: 2 }]];
    pairs.forEach(([x, y], i) => say(`equal ${i}`, [util.isDeepStrictEqual(x, y), code(() => assert.deepEqual(x, y)), code(() => assert.deepStrictEqual(x, y)), code(() => assert.notDeepStrictEqual(x, y))]));

    // --- assert ---
    say('assert', [code(() => assert(0)), code(() => assert.ok(1)), code(() => assert.equal(1, '1')), code(() => assert.strictEqual(1, '1')), code(() => assert.notEqual(1, 1)), code(() => assert.throws(() => { throw new TypeError('bad'); }, TypeError)),
        code(() => assert.throws(() => {})), code(() => assert.throws(() => { throw new TypeError('bad'); }, /good/)), code(() => assert.throws(() => { throw new TypeError('bad'); }, { name: 'TypeError', message: 'bad' })), code(() => assert.throws(() => { throw new TypeError('bad'); }, { message: 'x' })),
        code(() => assert.throws(() => { throw new TypeError('bad'); }, RangeError)), code(() => assert.doesNotThrow(() => { throw new Error('x'); })), code(() => assert.match('abc', /b/)), code(() => assert.match('abc', /z/)), code(() => assert.doesNotMatch('abc', /z/)), code(() => assert.fail('why')), code(() => assert.ifError(null)), code(() => assert.ifError(new RangeError('x'))), code(() => assert.fail(new SyntaxError('own')))]);
    await say.of('rejects', () => assert.rejects(Promise.reject(new TypeError('x')), TypeError));
    await say.of('does not', () => assert.rejects(Promise.resolve(1)));
    await say.of('doesNotReject', () => assert.doesNotReject(async () => { throw new Error('x'); }));

    // --- string_decoder ---
    for (const encoding of ['utf8', 'utf16le', 'base64', 'hex', 'latin1']) {
        const decoder = new StringDecoder(encoding), out = [];
        for (const piece of [[0xe2], [0x82, 0xac, 0x61], [0xf0, 0x9f], [0x98, 0x80, 0x62, 0x63], [0xe2, 0x82]]) out.push(decoder.write(Buffer.from(piece)));
        say(`decoder ${encoding}`, [out.join('|').replaceAll('|', ''), decoder.end().length > 0, decoder.encoding]);
    }

    // --- stream ---
    const collect = async (readable) => { const all = []; for await (const chunk of readable) all.push(chunk); return all; };
    say('from', [await collect(stream.Readable.from(['a', 'b'])), await collect(stream.Readable.from([1, 2]).map((x) => x * 2))]);
    let count = 0;
    const source = new stream.Readable({ read() { this.push(count < 3 ? `chunk ${count++}` : null); } });
    const chunks = [];
    source.on('data', (chunk) => chunks.push(chunk.toString()));
    await once(source, 'end');
    say('data', chunks);
    const written = [], sink = new stream.Writable({ write(chunk, encoding, callback) { written.push(`${chunk} ${encoding}`); setTimeout(callback, 1); }, final(callback) { written.push('final'); callback(); }, highWaterMark: 4 });
    say('room', [sink.write('ab'), sink.write('cdef')]);
    await once(sink, 'drain');
    sink.end('last');
    await once(sink, 'finish');
    say('written', [written, sink.writableFinished]);
    await say.of('write after end', () => new Promise((resolve, reject) => { const over = new stream.Writable({ write(c, e, callback) { setTimeout(callback, 1); } }); over.write('y'); over.end(); over.once('error', reject); over.write('x'); }));
    const upper = new stream.Transform({ transform(chunk, encoding, callback) { callback(null, String(chunk).toUpperCase()); }, flush(callback) { this.push('!'); callback(); } });
    const out = [];
    await stream.promises.pipeline(stream.Readable.from(['x', 'y']), upper, new stream.Writable({ write(chunk, e, callback) { out.push(String(chunk)); callback(); } }));
    say('pipeline', out);
    await say.of('pipeline fails', () => stream.promises.pipeline(stream.Readable.from(['x']), new stream.Transform({ transform(c, e, callback) { callback(new RangeError('t')); } }), new stream.PassThrough().resume()));
    const pass = new stream.PassThrough();
    stream.Readable.from(['p', 'q'], { objectMode: false }).pipe(pass);
    say('pipe', Buffer.concat(await collect(pass)).toString());
    await say.of('destroyed', () => { const r = new stream.Readable({ read() {} }); r.destroy(new RangeError('gone')); return collect(r); });
    const objects = new stream.Readable({ objectMode: true, read() {} });
    objects.push({ a: 1 });
    objects.push(null);
    say('objects', await collect(objects));
    const encoded = stream.Readable.from([Buffer.from([0xe2, 0x82]), Buffer.from([0xac])], { objectMode: false });
    encoded.setEncoding('utf8');
    say('set encoding', (await collect(encoded)).join(''));
    const inherits = function () { stream.Writable.call(this); this.got = []; };
    util.inherits(inherits, stream.Writable);
    inherits.prototype._write = function (chunk, encoding, callback) { this.got.push(String(chunk)); callback(); };
    const derived = new inherits();
    derived.end('z');
    await once(derived, 'finish');
    say('inherits', [derived.got, derived instanceof stream.Writable, derived instanceof EventEmitter]);
    await say.of('finished', () => new Promise((resolve, reject) => stream.finished(stream.Readable.from([1]).resume(), (error) => (error ? reject(error) : resolve('ended')))));
    say('timers', [await timers.setTimeout(1, 'slept')]);
};
