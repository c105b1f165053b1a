// ReadableStream, WritableStream, TransformStream, their readers and writers, pipes, tee, byte streams, text streams.
const tick = () => new Promise((resolve) => setTimeout(resolve, 0));
const collect = async (stream) => { const all = []; for await (const chunk of stream) all.push(chunk); return all; };

export default async (say) => {
    // --- default streams ---
    const log = [];
    const counted = (limit, strategy) => {
        let n = 0;
        return new ReadableStream({ start(c) { log.push(`start ${c.desiredSize}`); }, pull(c) { log.push(`pull ${c.desiredSize}`); if (n === limit) c.close(); else c.enqueue(n++); },
            cancel(reason) { log.push(`cancel ${reason}`); } }, strategy);
    };
    say('all', await collect(counted(4)));
    say('calls', log.splice(0));
    const ahead = counted(10, { highWaterMark: 3 });
    await tick();
    say('pulled ahead', log.splice(0));
    const reader = ahead.getReader();
    say('locked', [ahead.locked, await reader.read(), await reader.read()]);
    await say.of('locked twice', () => ahead.getReader());
    await say.of('cancel while locked', () => ahead.cancel());
    await reader.cancel('enough');
    say('cancelled', [log.splice(0), await reader.read(), await reader.closed]);
    reader.releaseLock();
    say('released', ahead.locked);
    await say.of('read after release', () => reader.read());
    await say.of('closed after release', () => reader.closed);
    let control;
    const errored = new ReadableStream({ start(c) { control = c; c.enqueue('first'); } });
    control.error(new RangeError('broken'));
    await say.of('errored', () => errored.getReader().read());
    await say.of('enqueue then', () => control.enqueue(1));
    say('desired', control.desiredSize);
    await say.of('throwing start', () => new ReadableStream({ start() { throw new EvalError('x'); } }));
    await say.of('throwing pull', () => collect(new ReadableStream({ pull() { throw new EvalError('x'); } })));
    await say.of('rejecting pull', () => collect(new ReadableStream({ async pull() { throw new EvalError('x'); } })));
    await say.of('bad size', () => { const s = new ReadableStream({ start(c) { c.enqueue('a'); } }, { size: () => -1 }); return s; });
    await say.of('bad high water mark', () => new ReadableStream({}, { highWaterMark: -1 }));
    await say.of('bad type', () => new ReadableStream({ type: 'words' }));
    await say.of('bad pull', () => new ReadableStream({ pull: 5 }));
    const pending = new ReadableStream({ start(c) { control = c; } }), waiting = pending.getReader(), reads = [waiting.read(), waiting.read(), waiting.read()];
    control.enqueue('one');
    control.enqueue('two');
    control.close();
    say('reads that waited', await Promise.all(reads));
    await say.of('close twice', () => control.close());
    const late = new ReadableStream({ start(c) { control = c; } }), lateReader = late.getReader(), lateRead = lateReader.read();
    lateReader.releaseLock();
    await say.of('a read that waited at release', () => lateRead);
    say('from', [await collect(ReadableStream.from([1, 2, 3])), await collect(ReadableStream.from((async function* () { yield 'a'; yield 'b'; })()))]);
    await say.of('from nothing', () => ReadableStream.from(5));
    const left = new ReadableStream({ start(c) { control = c; c.enqueue(1); c.enqueue(2); c.enqueue(3); } });
    for await (const chunk of left.values({ preventCancel: true })) { if (chunk === 2) break; }
    const rest = left.getReader();
    say('left', await rest.read());
    say('sizes', [new CountQueuingStrategy({ highWaterMark: 4 }).size(), new ByteLengthQueuingStrategy({ highWaterMark: 4 }).size(new Uint8Array(7)), new CountQueuingStrategy({ highWaterMark: 4 }).highWaterMark]);
    const bySize = new ReadableStream({ start(c) { control = c; } }, new ByteLengthQueuingStrategy({ highWaterMark: 10 }));
    control.enqueue(new Uint8Array(4));
    say('desired by size', [control.desiredSize, bySize.locked]);

    // --- tee ---
    const [one, two] = counted(3).tee();
    say('tee', [await collect(one), await collect(two)]);
    log.length = 0;
    const [three, four] = counted(3).tee(), cancelled = [three.cancel('x'), four.cancel('y')];
    await Promise.all(cancelled);
    say('tee cancelled', log.filter((line) => line.startsWith('cancel')));
    const [five, six] = new ReadableStream({ start(c) { c.error(new RangeError('t')); } }).tee();
    await say.of('tee error 1', () => collect(five));
    await say.of('tee error 2', () => collect(six));

    // --- byte streams ---
    const bytes = (parts, more = {}) => new ReadableStream({ type: 'bytes', pull(c) { const part = parts.shift(); if (part) c.enqueue(Uint8Array.from(part)); else { c.close(); c.byobRequest?.respond(0); } }, ...more });
    say('bytes by default reader', await collect(bytes([[1, 2], [3]])));
    let byob = bytes([[1, 2, 3, 4, 5], [6, 7]]).getReader({ mode: 'byob' });
    say('byob', [await byob.read(new Uint8Array(3)), await byob.read(new Uint8Array(3)), await byob.read(new Uint8Array(3)), await byob.read(new Uint8Array(3))]);
    byob = bytes([[1, 0, 2], [0, 3, 0]]).getReader({ mode: 'byob' });
    const words = await byob.read(new Uint16Array(2));
    say('elements', [words.done, [...words.value], words.value.constructor.name, [...(await byob.read(new Uint16Array(4))).value]]);
    const answering = new ReadableStream({ type: 'bytes', pull(c) { const { view } = c.byobRequest; view[0] = 9; view[1] = 8; c.byobRequest.respond(2); } });
    say('respond', [...(await answering.getReader({ mode: 'byob' }).read(new Uint8Array(5))).value]);
    const auto = new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 4, pull(c) { c.byobRequest.view.fill(7); c.byobRequest.respond(3); } }).getReader();
    say('auto', [...(await auto.read()).value]);
    const moved = new Uint8Array(4), movedStream = bytes([[1]]).getReader({ mode: 'byob' });
    await movedStream.read(moved);
    say('the buffer moves', moved.byteLength);
    await say.of('byob of a default stream', () => new ReadableStream().getReader({ mode: 'byob' }));
    await say.of('an empty view', () => bytes([[1]]).getReader({ mode: 'byob' }).read(new Uint8Array(0)));
    await say.of('no view', () => bytes([[1]]).getReader({ mode: 'byob' }).read('x'));
    await say.of('byte stream with size', () => new ReadableStream({ type: 'bytes' }, { size: () => 1 }));
    await say.of('enqueue text in bytes', () => new ReadableStream({ type: 'bytes', start(c) { c.enqueue('x'); } }));

    // --- writable ---
    const written = [];
    const sink = (more = {}) => ({ start() { written.push('start'); }, async write(chunk) { await tick(); written.push(chunk); }, close() { written.push('close'); }, abort(reason) { written.push(`abort ${reason}`); }, ...more });
    const writable = new WritableStream(sink(), { highWaterMark: 2 }), writer = writable.getWriter();
    say('desired', [writer.desiredSize, await writer.ready]);
    const first = writer.write('a'), second = writer.write('b');
    say('after two', writer.desiredSize);
    await Promise.all([first, second, writer.ready]);
    await writer.close();
    say('written', [written.splice(0), writer.desiredSize, await writer.closed]);
    await say.of('write after close', async () => { try { await writer.write('c'); return 'taken'; } catch { return 'refused'; } });
    await say.of('close again', () => writer.close());
    await say.of('locked', () => writable.getWriter());
    const aborted = new WritableStream(sink()), aborting = aborted.getWriter();
    aborting.write(1).catch(() => {});
    aborting.write(2).catch((reason) => written.push(`refused ${reason}`));
    await aborting.abort('stop');
    say('aborted', written.splice(0));
    await say.of('write after abort', () => aborting.write(3));
    await say.of('closed after abort', () => aborting.closed);
    const failing = new WritableStream({ write() { throw new RangeError('full'); } }).getWriter();
    await say.of('failing write', () => failing.write(1));
    await say.of('and the next', () => failing.write(2));
    await say.of('closed then', () => failing.closed);
    say('desired then', failing.desiredSize);
    let sinkControl;
    const signalled = new WritableStream({ start(c) { sinkControl = c; } });
    say('signal', sinkControl.signal.aborted);
    await signalled.abort('now');
    say('signal', [sinkControl.signal.aborted, sinkControl.signal.reason]);
    const errs = new WritableStream({ start(c) { sinkControl = c; } }), errsWriter = errs.getWriter();
    sinkControl.error(new RangeError('from inside'));
    await say.of('error from the controller', () => errsWriter.closed);
    errsWriter.releaseLock();
    await say.of('a released writer', () => errsWriter.write(1));
    await say.of('bad sink', () => new WritableStream({ type: 'x' }));

    // --- pipes ---
    const target = () => { const got = []; return [got, new WritableStream({ write(c) { got.push(c); }, close() { got.push('closed'); }, abort(r) { got.push(`aborted ${r?.message ?? r}`); } })]; };
    let [got, to] = target();
    await counted(3).pipeTo(to);
    say('piped', got);
    [got, to] = target();
    await counted(2).pipeTo(to, { preventClose: true });
    say('piped, open', [got, to.locked]);
    [got, to] = target();
    await say.of('source fails', () => new ReadableStream({ start(c) { c.error(new RangeError('src')); } }).pipeTo(to));
    say('target then', got);
    log.length = 0;
    await say.of('target fails', () => counted(9).pipeTo(new WritableStream({ write() { throw new RangeError('dst'); } })));
    say('source then', log.filter((line) => line.startsWith('cancel')));
    const controller = new AbortController();
    [got, to] = target();
    const slow = new ReadableStream({ async pull(c) { await tick(); c.enqueue('x'); if (got.length === 2) controller.abort('halt'); }, cancel(reason) { log.push(`source cancelled ${reason}`); } });
    await slow.pipeTo(to, { signal: controller.signal }).catch((reason) => say('stopped by signal', reason));
    say('both know', [got.at(-1), log.at(-1)]);
    await say.of('to nothing', () => counted(1).pipeTo({}));

    // --- transform ---
    const upper = () => new TransformStream({ start(c) { c.enqueue('<'); }, transform(chunk, c) { c.enqueue(String(chunk).toUpperCase()); }, flush(c) { c.enqueue('>'); } }, undefined, { highWaterMark: 5 });
    say('transformed', await collect(ReadableStream.from(['a', 'b']).pipeThrough(upper())));
    say('identity', await collect(ReadableStream.from([1, 2]).pipeThrough(new TransformStream())));
    await say.of('transform fails', () => collect(ReadableStream.from([1]).pipeThrough(new TransformStream({ transform() { throw new RangeError('t'); } }))));
    say('terminated', await collect(ReadableStream.from([1, 2, 3]).pipeThrough(new TransformStream({ transform(chunk, c) { c.enqueue(chunk); if (chunk === 2) c.terminate(); } }))));
    await say.of('flush fails', () => collect(ReadableStream.from([1]).pipeThrough(new TransformStream({ flush() { throw new RangeError('f'); } }))));
    say('text', await collect(ReadableStream.from(['h\u00e9', '\ud83d', '\ude00', '\ud800']).pipeThrough(new TextEncoderStream())));
    say('decoded', await collect(ReadableStream.from([[0x68, 0xc3], [0xa9], [0xf0, 0x9f], [0x98, 0x80, 0xff]].map((a) => Uint8Array.from(a))).pipeThrough(new TextDecoderStream())));
    await say.of('fatal', () => collect(ReadableStream.from([Uint8Array.of(0xff)]).pipeThrough(new TextDecoderStream('utf-8', { fatal: true }))));
    const names = [new ReadableStream(), new WritableStream(), new TransformStream(), new ReadableStream().getReader()];
    say('names', names.map((o) => Object.prototype.toString.call(o)));
};
