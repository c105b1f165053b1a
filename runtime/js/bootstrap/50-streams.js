// ReadableStream (pull sources, readers, async iteration, tee, pipes), WritableStream and
// TransformStream: enough for streaming bodies. Byte streams with BYOB readers are not offered.
((native, internals) => {
    const deferred = () => Promise.withResolvers();
    const quiet = (promise) => { promise.catch(() => {}); return promise; };
    const PIECES = Symbol('pieces');

    class ReadableStreamDefaultController {
        #stream;
        constructor(stream) { this.#stream = stream; }
        get desiredSize() { return this.#stream[PIECES].desired(); }
        enqueue(chunk) { this.#stream[PIECES].enqueue(chunk); }
        close() { this.#stream[PIECES].close(); }
        error(reason) { this.#stream[PIECES].fail(reason); }
    }

    class Pieces { // the state behind a stream
        queue = []; waiting = []; state = 'readable'; closing = false; pulling = false; again = false;
        reader = null; closed = deferred();
        constructor(source, high) {
            this.source = source;
            this.high = high;
            quiet(this.closed.promise);
        }
        desired() { return this.state === 'errored' ? null : this.state === 'closed' ? 0 : this.high - this.queue.length; }
        enqueue(chunk) {
            if (this.state !== 'readable' || this.closing) throw new TypeError('the stream is closed');
            if (this.waiting.length) this.waiting.shift().resolve({ value: chunk, done: false });
            else this.queue.push(chunk);
            this.pull();
        }
        close() {
            if (this.state !== 'readable' || this.closing) throw new TypeError('the stream is closed');
            this.closing = true;
            if (this.queue.length === 0) this.finish();
        }
        finish() {
            this.state = 'closed';
            for (const reader of this.waiting.splice(0)) reader.resolve({ value: undefined, done: true });
            this.closed.resolve();
        }
        fail(reason) {
            if (this.state !== 'readable') return;
            this.state = 'errored';
            this.reason = reason;
            this.queue = [];
            for (const reader of this.waiting.splice(0)) reader.reject(reason);
            this.closed.reject(reason);
        }
        pull() {
            if (!this.started || this.state !== 'readable' || this.closing || !this.source.pull) return;
            if (this.queue.length >= this.high && this.waiting.length === 0) return;
            if (this.pulling) { this.again = true; return; }
            this.pulling = true;
            const after = () => {
                this.pulling = false;
                if (this.again) { this.again = false; this.pull(); }
            };
            let result;
            try { result = this.source.pull(this.controller); } catch (reason) { this.fail(reason); return; }
            Promise.resolve(result).then(after, (reason) => this.fail(reason));
        }
        read() {
            if (this.state === 'errored') return Promise.reject(this.reason);
            if (this.queue.length) {
                const value = this.queue.shift();
                if (this.closing && this.queue.length === 0) this.finish(); else this.pull();
                return Promise.resolve({ value, done: false });
            }
            if (this.state === 'closed') return Promise.resolve({ value: undefined, done: true });
            const wait = deferred();
            this.waiting.push(wait);
            this.pull();
            return wait.promise;
        }
        async cancel(reason) {
            if (this.state === 'errored') throw this.reason;
            if (this.state === 'closed') return;
            this.queue = [];
            this.finish();
            await this.source.cancel?.(reason);
        }
    }

    class ReadableStreamDefaultReader {
        #pieces;
        constructor(stream) {
            const pieces = stream[PIECES];
            if (pieces.reader) throw new TypeError('the stream is locked by another reader');
            pieces.reader = this;
            this.#pieces = pieces;
        }
        #held() { if (!this.#pieces) throw new TypeError('the reader was released'); return this.#pieces; }
        get closed() { return this.#held().closed.promise; }
        async read() { return this.#held().read(); }
        async cancel(reason) { return this.#held().cancel(reason); }
        releaseLock() { if (this.#pieces) this.#pieces.reader = null; this.#pieces = null; }
    }

    class ReadableStream {
        constructor(source = {}, strategy = {}) {
            if (source.type === 'bytes') source = { ...source, type: undefined };
            const pieces = new Pieces(source, strategy.highWaterMark ?? 1);
            Object.defineProperty(this, PIECES, { value: pieces });
            pieces.controller = new ReadableStreamDefaultController(this);
            const begin = () => { pieces.started = true; pieces.pull(); };
            const result = source.start?.(pieces.controller);
            if (typeof result?.then === 'function') result.then(begin, (reason) => pieces.fail(reason));
            else queueMicrotask(begin);
        }
        static from(iterable) {
            const iterator = iterable[Symbol.asyncIterator]?.() ?? iterable[Symbol.iterator]();
            return new ReadableStream({
                async pull(controller) {
                    const { value, done } = await iterator.next();
                    if (done) controller.close(); else controller.enqueue(value);
                },
                async cancel(reason) { await iterator.return?.(reason); },
            }, { highWaterMark: 0 });
        }
        get locked() { return this[PIECES].reader !== null; }
        getReader(options) {
            if (options?.mode !== undefined) throw new TypeError('BYOB readers are not supported');
            return new ReadableStreamDefaultReader(this);
        }
        async cancel(reason) {
            if (this.locked) throw new TypeError('the stream is locked');
            return this[PIECES].cancel(reason);
        }
        async *values({ preventCancel = false } = {}) {
            const reader = this.getReader();
            let ended = false;
            try {
                for (;;) {
                    let step;
                    try { step = await reader.read(); } catch (reason) { ended = true; throw reason; }
                    if (step.done) { ended = true; return; }
                    yield step.value;
                }
            } finally {
                if (!ended && !preventCancel) await reader.cancel();
                reader.releaseLock();
            }
        }
        [Symbol.asyncIterator](options) { return this.values(options); }
        tee() {
            const reader = this.getReader();
            const controllers = [];
            const pull = async () => {
                const { value, done } = await reader.read();
                for (const controller of controllers) if (done) controller.close(); else controller.enqueue(value);
            };
            const branch = () => new ReadableStream({ start(controller) { controllers.push(controller); }, pull });
            return [branch(), branch()];
        }
        async pipeTo(target, { preventClose = false, preventAbort = false, preventCancel = false } = {}) {
            const reader = this.getReader(), writer = target.getWriter();
            try {
                for (;;) {
                    let step;
                    try { step = await reader.read(); } catch (reason) {
                        if (!preventAbort) await writer.abort(reason);
                        throw reason;
                    }
                    if (step.done) break;
                    try { await writer.write(step.value); } catch (reason) {
                        if (!preventCancel) await reader.cancel(reason);
                        throw reason;
                    }
                }
                if (!preventClose) await writer.close();
            } finally {
                reader.releaseLock();
                writer.releaseLock();
            }
        }
        pipeThrough({ writable, readable }, options) { quiet(this.pipeTo(writable, options)); return readable; }
    }

    class WritableStreamDefaultWriter {
        #stream;
        constructor(stream) {
            if (stream[PIECES].writer) throw new TypeError('the stream is locked by another writer');
            stream[PIECES].writer = this;
            this.#stream = stream[PIECES];
        }
        get ready() { return this.#stream.chain; }
        get closed() { return this.#stream.closed.promise; }
        get desiredSize() { return this.#stream.state === 'writable' ? 1 : 0; }
        write(chunk) { return this.#stream.step(() => this.#stream.sink.write?.(chunk, this.#stream.controller)); }
        async close() {
            await this.#stream.step(() => this.#stream.sink.close?.());
            this.#stream.state = 'closed';
            this.#stream.closed.resolve();
        }
        async abort(reason) {
            this.#stream.state = 'errored';
            this.#stream.reason = reason;
            this.#stream.closed.reject(reason);
            await this.#stream.sink.abort?.(reason);
        }
        releaseLock() { this.#stream.writer = null; }
    }
    class WritableStream {
        constructor(sink = {}) {
            const pieces = { sink, state: 'writable', writer: null, closed: deferred(), chain: null, controller: {
                error: (reason) => { pieces.state = 'errored'; pieces.reason = reason; pieces.closed.reject(reason); } } };
            quiet(pieces.closed.promise);
            pieces.chain = Promise.resolve(sink.start?.(pieces.controller));
            pieces.step = (work) => {
                const next = pieces.chain.then(() => {
                    if (pieces.state === 'errored') throw pieces.reason;
                    if (pieces.state === 'closed') throw new TypeError('the stream is closed');
                    return work();
                });
                pieces.chain = next.catch((reason) => {
                    if (pieces.state === 'writable') pieces.controller.error(reason);
                });
                return next;
            };
            Object.defineProperty(this, PIECES, { value: pieces });
        }
        get locked() { return this[PIECES].writer !== null; }
        getWriter() { return new WritableStreamDefaultWriter(this); }
        close() { const writer = this.getWriter(); const done = writer.close(); writer.releaseLock(); return done; }
        abort(reason) { const writer = this.getWriter(); const done = writer.abort(reason); writer.releaseLock(); return done; }
    }
    class TransformStream {
        constructor(transformer = {}) {
            let controller, room = deferred(), cancelled = false;
            this.readable = new ReadableStream({
                start(c) { controller = c; },
                pull() { room.resolve(); },
                cancel(reason) { cancelled = true; room.resolve(); return transformer.cancel?.(reason); },
            });
            const side = {
                enqueue: (chunk) => controller.enqueue(chunk),
                error: (reason) => controller.error(reason),
                terminate: () => controller.close(),
                get desiredSize() { return controller.desiredSize; },
            };
            this.writable = new WritableStream({
                start: () => transformer.start?.(side),
                async write(chunk) {
                    while (!cancelled && controller.desiredSize <= 0) { // wait for a reader
                        room = deferred();
                        await room.promise;
                    }
                    if (cancelled) throw new TypeError('the readable side was cancelled');
                    if (transformer.transform) await transformer.transform(chunk, side); else side.enqueue(chunk);
                },
                async close() { await transformer.flush?.(side); try { controller.close(); } catch { /* terminated */ } },
                abort: (reason) => controller.error(reason),
            });
        }
    }
    class TextEncoderStream extends TransformStream {
        constructor() {
            const encoder = new TextEncoder();
            super({ transform(text, c) { c.enqueue(encoder.encode(text)); } });
        }
    }
    class TextDecoderStream extends TransformStream {
        constructor(label, options) {
            const decoder = new TextDecoder(label, options);
            super({
                transform(bytes, c) { const text = decoder.decode(bytes, { stream: true }); if (text) c.enqueue(text); },
                flush(c) { const text = decoder.decode(); if (text) c.enqueue(text); },
            });
        }
    }
    internals.define(globalThis, { ReadableStream, ReadableStreamDefaultReader, WritableStream, TransformStream,
        TextEncoderStream, TextDecoderStream });
})
