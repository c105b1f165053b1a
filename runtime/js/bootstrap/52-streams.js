// WritableStream, TransformStream (WHATWG Streams, sections 5 and 6), pipes, and the text streams.
((native, internals) => {
    const { S, hide, deferred, quiet, rejected, method, highMark, Queue } = internals.streams;

    // state: writable -> erroring -> errored, or writable -> closed
    class Sink {
        queue = new Queue(); state = 'writable'; reason = undefined; writer = null; started = false; busy = null; closeAsked = null; abortAsked = null;
        pressure = false; gone = deferred(); controllerAbort = new AbortController();
        constructor(stream, controller, sink, high, size) {
            Object.assign(this, { stream, controller, high, sizeOf: size });
            for (const name of ['write', 'close', 'abort']) {
                const action = method(sink, name);
                this[`sink${name}`] = action && ((...values) => action.apply(sink, values));
            }
            quiet(this.gone.promise);
            hide(controller, this);
        }
        begin(sink) {
            this.pressure = this.room <= 0;
            const result = method(sink, 'start')?.call(sink, this.controller);
            Promise.resolve(result).then(() => { this.started = true; this.advance(); },
                (reason) => { this.started = true; this.fail(reason); });
        }
        get room() { return this.high - this.queue.total; }
        get closing() { return this.closeAsked !== null; }
        newReady(pressure) {
            if (pressure === this.pressure) return;
            this.pressure = pressure;
            const writer = this.writer?.[S];
            if (!writer) return;
            if (pressure) writer.ready = deferred(); else writer.ready.resolve();
        }
        fail(reason) { // something went wrong: no more writes; errored once what runs is through
            if (this.state === 'writable') {
                this.state = 'erroring';
                this.reason = reason;
                this.refuseReady(reason);
                if (!this.busy && this.started) this.finishErroring();
            } else if (this.state === 'erroring' && !this.busy && this.started) this.finishErroring();
        }
        refuseReady(reason) {
            const writer = this.writer?.[S];
            if (!writer) return;
            writer.ready.reject(reason);
            const fresh = deferred();
            fresh.reject(reason);
            quiet(fresh.promise);
            quiet(writer.ready.promise);
            writer.ready = fresh;
        }
        finishErroring() {
            this.state = 'errored';
            for (const { value } of this.queue.items) if (value.done) value.done.reject(this.reason);
            this.queue.reset();
            const ask = this.abortAsked, end = () => {
                this.closeAsked?.reject(this.reason);
                this.gone.reject(this.reason);
            };
            this.abortAsked = null;
            if (!ask) { end(); return; }
            if (ask.wasErroring) { ask.done.reject(this.reason); end(); return; }
            let result;
            try { result = this.sinkabort?.(ask.reason); } catch (reason) { ask.done.reject(reason); end(); return; }
            Promise.resolve(result).then(() => { ask.done.resolve(); end(); }, (reason) => { ask.done.reject(reason); end(); });
        }
        advance() {
            if (!this.started || this.busy) return;
            if (this.state === 'erroring') { this.finishErroring(); return; }
            if (this.state !== 'writable' || this.queue.items.length === 0) return;
            const { value: entry } = this.queue.items[0];
            this.busy = entry;
            const run = entry.close ? this.sinkclose : this.sinkwrite && (() => this.sinkwrite(entry.chunk, this.controller));
            let result;
            try { result = run?.(); } catch (reason) { result = Promise.reject(reason); }
            Promise.resolve(result).then(() => this.through(entry), (reason) => {
                this.busy = null;
                if (entry.close) { this.closeAsked = null; entry.done.reject(reason); } else entry.done.reject(reason);
                this.queue.items.shift();
                this.fail(reason);
            });
        }
        through(entry) {
            this.busy = null;
            this.queue.shift();
            entry.done.resolve();
            if (entry.close) {
                this.abortAsked?.done.resolve();
                this.abortAsked = null;
                this.state = 'closed';
                this.gone.resolve();
                return;
            }
            if (this.state === 'writable' && !this.closing) this.newReady(this.room <= 0);
            this.advance();
        }
        write(chunk) {
            let size = 1;
            if (this.sizeOf) try { size = this.sizeOf(chunk); } catch (reason) { this.fail(reason); }
            if (this.state === 'errored') return rejected(this.reason);
            if (this.closing || this.state === 'closed') return rejected(new TypeError('the stream is closed or closing'));
            if (this.state === 'erroring') return rejected(this.reason);
            const done = deferred();
            try { this.queue.push({ chunk, done }, size); } catch (reason) { this.fail(reason); return rejected(reason); }
            this.newReady(this.room <= 0);
            this.advance();
            return quiet(done.promise);
        }
        close() {
            if (this.state === 'closed' || this.closing) return rejected(new TypeError('the stream is closed or closing'));
            if (this.state === 'errored') return rejected(this.reason);
            this.closeAsked = deferred();
            const { promise } = quiet(this.closeAsked.promise) && this.closeAsked;
            if (this.pressure && this.state === 'writable') this.writer?.[S].ready.resolve();
            this.queue.push({ close: true, done: this.closeAsked }, 0);
            this.advance();
            return promise;
        }
        abort(reason) {
            if (this.state === 'closed' || this.state === 'errored') return Promise.resolve();
            this.controllerAbort.abort(reason);
            if (this.state === 'closed' || this.state === 'errored') return Promise.resolve();
            if (this.abortAsked) return this.abortAsked.done.promise;
            const wasErroring = this.state === 'erroring';
            this.abortAsked = { done: deferred(), reason: wasErroring ? undefined : reason, wasErroring };
            const { promise } = this.abortAsked.done;
            quiet(promise);
            if (!wasErroring) this.fail(reason);
            return promise;
        }
    }
    class WritableStreamDefaultController {
        constructor(mark) { if (mark !== S) throw new TypeError('Illegal constructor'); }
        get signal() { return this[S].controllerAbort.signal; }
        error(reason) { if (this[S].state === 'writable') this[S].fail(reason); }
        get [Symbol.toStringTag]() { return 'WritableStreamDefaultController'; }
    }
    class WritableStream {
        constructor(sink, strategy = {}) {
            if (sink === null) throw new TypeError('the sink must be an object');
            if (sink?.type !== undefined) throw new RangeError('a sink has no type');
            const size = method(strategy, 'size'), controller = new WritableStreamDefaultController(S);
            hide(this, new Sink(this, controller, sink, highMark(strategy, 1), size && ((chunk) => size(chunk))));
            this[S].begin(sink);
        }
        get locked() { return this[S].writer !== null; }
        getWriter() { return new WritableStreamDefaultWriter(this); }
        close() { return this.locked ? rejected(new TypeError('the stream is locked')) : this[S].close(); }
        abort(reason) { return this.locked ? rejected(new TypeError('the stream is locked')) : this[S].abort(reason); }
        get [Symbol.toStringTag]() { return 'WritableStream'; }
    }
    class WritableStreamDefaultWriter {
        constructor(stream) {
            const sink = stream[S];
            if (!(sink instanceof Sink)) throw new TypeError('a WritableStream is expected');
            if (sink.writer) throw new TypeError('the stream is locked by another writer');
            sink.writer = this;
            const ready = deferred();
            quiet(ready.promise);
            hide(this, { sink, ready, closed: sink.gone.promise });
            if (sink.state === 'errored' || sink.state === 'erroring') ready.reject(sink.reason);
            else if (!sink.pressure || sink.closing || sink.state === 'closed') ready.resolve();
        }
        #held() {
            const { sink } = this[S];
            if (!sink) throw new TypeError('the writer was released');
            return sink;
        }
        get closed() { return this[S].closed; }
        get ready() { return this[S].ready.promise; }
        get desiredSize() {
            const sink = this.#held();
            return sink.state === 'errored' || sink.state === 'erroring' ? null : sink.state === 'closed' ? 0 : sink.room;
        }
        write(chunk) { try { return this.#held().write(chunk); } catch (reason) { return rejected(reason); } }
        close() { try { return this.#held().close(); } catch (reason) { return rejected(reason); } }
        abort(reason) { try { return this.#held().abort(reason); } catch (error) { return rejected(error); } }
        releaseLock() {
            const state = this[S];
            if (!state.sink) return;
            const reason = new TypeError('the writer was released');
            state.ready = deferred();
            state.ready.reject(reason);
            quiet(state.ready.promise);
            state.closed = rejected(reason);
            state.sink.writer = null;
            state.sink = null;
        }
        get [Symbol.toStringTag]() { return 'WritableStreamDefaultWriter'; }
    }

    internals.pipe = async (source, target, { preventClose = false, preventAbort = false, preventCancel = false, signal } = {}) => {
        if (!(target?.[S] instanceof Sink)) throw new TypeError('a WritableStream is expected');
        if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal');
        if (source.locked || target.locked) throw new TypeError('a stream that is locked cannot be piped');
        const reader = source.getReader(), writer = target.getWriter(), sink = target[S], stopped = deferred();
        quiet(stopped.promise);
        const stop = () => stopped.reject(signal.reason);
        let last = Promise.resolve();
        try {
            if (signal?.aborted) stop(); else signal?.addEventListener('abort', stop);
            const broken = sink.gone.promise.then(() => { throw new TypeError('the target is closed'); });
            quiet(broken);
            for (;;) {
                try { await Promise.race([writer.ready, stopped.promise, broken]); } catch (reason) { throw { by: signal?.aborted && reason === signal.reason ? 'signal' : 'target', reason }; }
                let step;
                const read = reader.read();
                quiet(read);
                try { step = await Promise.race([read, stopped.promise, broken]); } catch (reason) {
                    const by = source[S].state === 'errored' ? 'source' : signal?.aborted && reason === signal.reason ? 'signal' : 'target';
                    throw { by, reason };
                }
                if (step.done) break;
                last = writer.write(step.value);
            }
            if (!preventClose) await (sink.closing ? sink.gone.promise : sink.state === 'closed' ? undefined : writer.close());
            else await last;
        } catch (thrown) {
            if (thrown?.by === undefined) throw thrown;
            const { by, reason } = thrown, actions = [];
            await last.catch(() => {});
            if (by !== 'target' && !preventAbort) actions.push(writer.abort(reason));
            if (by !== 'source' && !preventCancel) actions.push(reader.cancel(reason));
            await Promise.all(actions);
            throw reason;
        } finally {
            signal?.removeEventListener('abort', stop);
            reader.releaseLock();
            writer.releaseLock();
        }
    };

    // --- TransformStream ---
    class TransformStreamDefaultController {
        constructor(mark) { if (mark !== S) throw new TypeError('Illegal constructor'); }
        get desiredSize() { return this[S].out.desiredSize; }
        enqueue(chunk) { this[S].enqueue(chunk); }
        error(reason) { this[S].error(reason); }
        terminate() { this[S].terminate(); }
        get [Symbol.toStringTag]() { return 'TransformStreamDefaultController'; }
    }
    class Transform {
        pressure = true; change = deferred(); ended = null;
        constructor(stream, transformer, writable, readable, started) {
            const controller = this.controller = new TransformStreamDefaultController(S);
            hide(controller, this);
            const call = (name) => { const action = method(transformer, name); return action && ((...values) => action.apply(transformer, values)); };
            this.transform = call('transform');
            this.flush = call('flush');
            this.cancelled = call('cancel');
            this.writable = new WritableStream({ start: () => started, write: (chunk) => this.write(chunk), close: () => this.close(), abort: (reason) => this.abort(reason) },
                { highWaterMark: highMark(writable, 1), size: writable?.size });
            this.readable = new ReadableStream({ start: (out) => { this.out = out; return started; }, pull: () => { this.setPressure(false); return this.change.promise; },
                cancel: (reason) => this.cancel(reason) }, { highWaterMark: highMark(readable, 0), size: readable?.size });
        }
        setPressure(pressure) {
            if (pressure === this.pressure) return;
            this.pressure = pressure;
            this.change.resolve();
            this.change = deferred();
        }
        errorWritable(reason) {
            this.writable[S].fail(reason);
            this.setPressure(false);
        }
        error(reason) {
            this.out[S].error(reason);
            this.errorWritable(reason);
        }
        enqueue(chunk) {
            try { this.out.enqueue(chunk); } catch (reason) {
                this.errorWritable(reason);
                throw this.readable[S].reason ?? reason;
            }
            if (!this.out[S].wants()) this.setPressure(true);
        }
        terminate() {
            if (this.readable[S].state === 'readable' && !this.out[S].closing) this.out.close();
            this.errorWritable(new TypeError('the transform was terminated'));
        }
        async write(chunk) {
            while (this.pressure) {
                await this.change.promise;
                if (this.writable[S].state === 'erroring') throw this.writable[S].reason;
            }
            try {
                if (this.transform) await this.transform(chunk, this.controller); else this.enqueue(chunk);
            } catch (reason) { this.error(reason); throw reason; }
        }
        async close() {
            if (this.ended) return this.ended;
            const { promise, resolve, reject } = deferred();
            this.ended = quiet(promise);
            try {
                await this.flush?.(this.controller);
                if (this.readable[S].state === 'errored') throw this.readable[S].reason;
                if (this.readable[S].state === 'readable' && !this.out[S].closing) this.out.close();
                resolve();
            } catch (reason) { this.out[S].error(reason); reject(reason); }
            return promise;
        }
        async abort(reason) {
            if (this.ended) return this.ended;
            const { promise, resolve, reject } = deferred();
            this.ended = quiet(promise);
            try {
                await this.cancelled?.(reason);
                if (this.readable[S].state === 'errored') throw this.readable[S].reason;
                this.out[S].error(reason);
                resolve();
            } catch (error) { this.out[S].error(error); reject(error); }
            return promise;
        }
        async cancel(reason) {
            if (this.ended) return this.ended;
            const { promise, resolve, reject } = deferred();
            this.ended = quiet(promise);
            try {
                await this.cancelled?.(reason);
                if (this.writable[S].state === 'errored') throw this.writable[S].reason;
                this.errorWritable(reason);
                resolve();
            } catch (error) { this.errorWritable(error); reject(error); }
            return promise;
        }
    }
    class TransformStream {
        constructor(transformer, writable, readable) {
            if (transformer === null) throw new TypeError('the transformer must be an object');
            if (transformer?.readableType !== undefined || transformer?.writableType !== undefined) throw new RangeError('a transformer has no types');
            const started = deferred(), state = hide(this, new Transform(this, transformer, writable, readable, started.promise));
            quiet(started.promise);
            started.resolve(method(transformer, 'start')?.call(transformer, state.controller));
        }
        get readable() { return this[S].readable; }
        get writable() { return this[S].writable; }
        get [Symbol.toStringTag]() { return 'TransformStream'; }
    }

    class TextEncoderStream {
        #pair;
        constructor() {
            let high = '';
            this.#pair = new TransformStream({
                transform(chunk, controller) {
                    const text = high + String(chunk), last = text.charCodeAt(text.length - 1);
                    high = last >= 0xd800 && last < 0xdc00 ? text.at(-1) : '';
                    const bytes = native.encodeUtf8(high ? text.slice(0, -1) : text);
                    if (bytes.length) controller.enqueue(bytes);
                },
                flush(controller) { if (high) controller.enqueue(Uint8Array.of(0xef, 0xbf, 0xbd)); },
            });
        }
        get encoding() { return 'utf-8'; }
        get readable() { return this.#pair.readable; }
        get writable() { return this.#pair.writable; }
        get [Symbol.toStringTag]() { return 'TextEncoderStream'; }
    }
    class TextDecoderStream {
        #pair; #decoder;
        constructor(label, options) {
            const decoder = this.#decoder = new TextDecoder(label, options);
            const put = (controller, text) => { if (text) controller.enqueue(text); };
            this.#pair = new TransformStream({
                transform: (chunk, controller) => put(controller, decoder.decode(internals.bytesOf(chunk ?? null), { stream: true })),
                flush: (controller) => put(controller, decoder.decode()),
            });
        }
        get encoding() { return this.#decoder.encoding; }
        get fatal() { return this.#decoder.fatal; }
        get ignoreBOM() { return this.#decoder.ignoreBOM; }
        get readable() { return this.#pair.readable; }
        get writable() { return this.#pair.writable; }
        get [Symbol.toStringTag]() { return 'TextDecoderStream'; }
    }
    internals.define(globalThis, { WritableStream, WritableStreamDefaultWriter, WritableStreamDefaultController, TransformStream,
        TransformStreamDefaultController, TextEncoderStream, TextDecoderStream });
})
