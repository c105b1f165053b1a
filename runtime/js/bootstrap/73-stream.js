// node's stream: Readable, Writable, Duplex, Transform, PassThrough, pipeline, finished, over plain queues.
((native, internals) => {
    const { builtins, coded } = internals, EventEmitter = builtins.events;
    const next = (action, ...values) => queueMicrotask(() => action(...values));
    const premature = () => coded('ERR_STREAM_PREMATURE_CLOSE', 'Premature close', Error);
    const aborted = (reason) => Object.assign(new Error('The operation was aborted', { cause: reason }), { name: 'AbortError', code: 'ABORT_ERR' });
    const bytesOf = (chunk, encoding) => (typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk instanceof Buffer ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));

    // Old packages write Readable.call(this, options): so plain functions.
    function Stream() { EventEmitter.call(this); }
    Object.setPrototypeOf(Stream, EventEmitter);
    Object.setPrototypeOf(Stream.prototype, EventEmitter.prototype);
    const methods = (kind, parent, list) => {
        Object.setPrototypeOf(kind, parent);
        Object.setPrototypeOf(kind.prototype, parent.prototype);
        for (const name of Reflect.ownKeys(list)) Object.defineProperty(kind.prototype, name, { ...Object.getOwnPropertyDescriptor(list, name), enumerable: false });
    };
    const common = (stream, options) => {
        if (stream._common) return;
        Object.defineProperty(stream, '_common', { value: { destroyed: false, closed: false, errored: null, autoDestroy: options?.autoDestroy !== false, emitClose: options?.emitClose !== false }, writable: true });
        for (const [name, method] of [['read', '_read'], ['write', '_write'], ['writev', '_writev'], ['final', '_final'], ['destroy', '_destroy'], ['transform', '_transform'], ['flush', '_flush'], ['construct', '_construct']])
            if (typeof options?.[name] === 'function') stream[method] = options[name];
        options?.signal?.addEventListener('abort', () => stream.destroy(aborted(options.signal.reason)), { once: true });
        if (options?.signal?.aborted) stream.destroy(aborted(options.signal.reason));
    };
    const destroy = function (error) {
        const state = this._common;
        if (state.destroyed) return this;
        state.destroyed = true;
        state.errored = error ?? null;
        const done = (failure) => next(() => {
            const reason = failure ?? error;
            state.closed = true;
            if (reason) { state.errored = reason; this.emit('error', reason); }
            if (state.emitClose) this.emit('close');
        });
        if (this._r) this._r.queue.length = 0;
        try { this._destroy(error ?? null, done); } catch (thrown) { done(thrown); }
        return this;
    };
    const endedBoth = (stream) => {
        const read = !stream._r || stream._r.endEmitted, written = !stream._w || stream._w.finished;
        if (read && written && stream._common.autoDestroy) stream.destroy();
    };

    // --- Readable ---
    function Readable(options) {
        if (!(this instanceof Readable)) return new Readable(options);
        Stream.call(this);
        readableState(this, options);
        common(this, options);
    }
    const readableState = (stream, options = {}) => {
        const objects = Boolean(options?.objectMode ?? options?.readableObjectMode);
        Object.defineProperty(stream, '_r', { writable: true, value: { queue: [], size: 0, objects, high: options?.highWaterMark ?? options?.readableHighWaterMark ?? (objects ? 16 : 65536), flowing: null, ended: false, endEmitted: false,
            reading: false, decoder: options?.encoding ? new builtins.string_decoder.StringDecoder(options.encoding) : null, encoding: options?.encoding ?? null, pipes: [], scheduled: false, awaiting: 0, readableListening: false } });
    };
    const lengthOf = (state, chunk) => (state.objects ? 1 : chunk.length);
    const emitEnd = (stream) => {
        const state = stream._r;
        if (state.endEmitted || state.size > 0 || !state.ended || stream._common.destroyed || state.endQueued) return;
        state.endQueued = true;
        next(() => {
            if (stream._common.destroyed || state.endEmitted) return;
            state.endEmitted = true;
            stream.emit('end');
            if (stream._w && stream.allowHalfOpen === false) stream.end();
            endedBoth(stream);
        });
    };
    const schedule = (stream) => {
        const state = stream._r;
        if (state.scheduled) return;
        state.scheduled = true;
        next(() => {
            state.scheduled = false;
            if (stream._common.destroyed) return;
            if (state.flowing) flow(stream);
            else if (state.readableListening && (state.size > 0 || state.ended)) stream.emit('readable');
            fill(stream);
            if (state.flowing || (state.ended && state.size === 0 && state.flowing !== false)) emitEnd(stream);
        });
    };
    const fill = (stream) => {
        const state = stream._r;
        if (state.reading || state.ended || stream._common.destroyed || state.size >= state.high) return;
        if (state.flowing === null && !state.readableListening && !state.asked) return;
        state.reading = true;
        try { stream._read(state.high); } catch (error) { stream.destroy(error); }
    };
    const flow = (stream) => {
        const state = stream._r;
        while (state.flowing && state.queue.length && !stream._common.destroyed) {
            const chunk = state.queue.shift();
            state.size -= lengthOf(state, chunk);
            stream.emit('data', chunk);
        }
    };
    const push = (stream, chunk, encoding, front) => {
        const state = stream._r;
        state.reading = false;
        if (chunk === null) {
            if (state.ended) return false;
            const rest = state.decoder?.end();
            if (rest) { state.queue.push(rest); state.size += lengthOf(state, rest); }
            state.ended = true;
            schedule(stream);
            return false;
        }
        if (state.ended) { stream.destroy(coded('ERR_STREAM_PUSH_AFTER_EOF', 'stream.push() after EOF', Error)); return false; }
        if (!state.objects) {
            if (typeof chunk !== 'string' && !ArrayBuffer.isView(chunk)) {
                stream.destroy(coded('ERR_INVALID_ARG_TYPE', 'The "chunk" argument must be of type string or an instance of Buffer or Uint8Array.', TypeError));
                return false;
            }
            if (state.decoder) chunk = state.decoder.write(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : bytesOf(chunk));
            else chunk = bytesOf(chunk, encoding);
        }
        if (state.objects || chunk.length > 0) {
            if (front) state.queue.unshift(chunk); else state.queue.push(chunk);
            state.size += lengthOf(state, chunk);
        }
        schedule(stream);
        return state.size < state.high;
    };
    methods(Readable, Stream, {
        push(chunk, encoding) { return push(this, chunk, encoding, false); },
        unshift(chunk, encoding) { return push(this, chunk, encoding, true); },
        read(size) {
            const state = this._r;
            state.asked = true;
            if (size !== 0 && state.size > 0 && !(size > state.size && !state.ended)) {
                let out;
                if (state.objects || (size === undefined && state.flowing)) out = state.queue.shift();
                else {
                    const all = state.queue.length === 1 ? state.queue[0] : state.decoder ? state.queue.join('') : Buffer.concat(state.queue);
                    state.queue.length = 0;
                    out = size === undefined || size >= all.length ? all : all.slice(0, size);
                    if (out.length < all.length) state.queue.push(all.slice(out.length));
                }
                state.size -= lengthOf(state, out);
                fill(this);
                if (state.ended && state.size === 0) emitEnd(this);
                if (state.readableListening) this.emit('data', out);
                return out;
            }
            fill(this);
            if (state.ended && state.size === 0) emitEnd(this);
            return null;
        },
        _read() { throw coded('ERR_METHOD_NOT_IMPLEMENTED', 'The _read() method is not implemented', Error); },
        _destroy(error, callback) { callback(error); },
        destroy,
        on(name, listener) {
            EventEmitter.prototype.on.call(this, name, listener);
            const state = this._r;
            if (name === 'data') { if (state.flowing !== false && !state.readableListening) this.resume(); } else if (name === 'readable' && !state.readableListening) {
                state.readableListening = true;
                state.flowing = false;
                schedule(this);
            }
            return this;
        },
        addListener(name, listener) { return this.on(name, listener); },
        resume() { const state = this._r; if (!state.readableListening) state.flowing = true; schedule(this); return this; },
        pause() { this._r.flowing = false; return this; },
        isPaused() { return this._r.flowing === false; },
        setEncoding(encoding) {
            const state = this._r;
            state.decoder = new builtins.string_decoder.StringDecoder(encoding);
            state.encoding = state.decoder.encoding;
            const text = state.queue.map((chunk) => state.decoder.write(chunk)).join('');
            state.queue = text ? [text] : [];
            state.size = text.length;
            return this;
        },
        pipe(target, { end = true } = {}) {
            const give = (chunk) => { if (target.write(chunk) === false) { this.pause(); target.once('drain', () => this.resume()); } };
            this._r.pipes.push({ target, give });
            this.on('data', give);
            if (end && target !== process.stdout && target !== process.stderr) this.once('end', () => target.end());
            target.on('error', () => this.unpipe(target));
            target.once('close', () => this.unpipe(target));
            target.emit('pipe', this);
            this.resume();
            return target;
        },
        unpipe(target) {
            for (const pipe of this._r.pipes.filter((each) => target === undefined || each.target === target)) {
                this.off('data', pipe.give);
                this._r.pipes.splice(this._r.pipes.indexOf(pipe), 1);
                pipe.target.emit('unpipe', this);
            }
            if (this._r.pipes.length === 0) this._r.flowing = false;
            return this;
        },
        wrap(old) {
            old.on('data', (chunk) => { if (!this.push(chunk)) old.pause?.(); });
            old.on('end', () => this.push(null));
            old.on('error', (error) => this.destroy(error));
            this._read = () => old.resume?.();
            return this;
        },
        async *[Symbol.asyncIterator]() {
            let wake = Promise.withResolvers(), failure, over = false;
            const stir = () => { wake.resolve(); wake = Promise.withResolvers(); };
            this.on('readable', stir);
            finished(this, { writable: false }, (error) => { over = true; failure = error; stir(); });
            try {
                for (;;) {
                    const waiting = wake.promise, chunk = this._common.destroyed ? null : this.read();
                    if (chunk !== null) { yield chunk; continue; }
                    if (over) { if (failure) throw failure; return; }
                    await waiting;
                }
            } finally { this.destroy(); }
        },
        iterator() { return this[Symbol.asyncIterator](); },
        async toArray() { const all = []; for await (const chunk of this) all.push(chunk); return all; },
        async forEach(action) { for await (const chunk of this) await action(chunk); },
        async reduce(action, ...start) { let sum = start[0], first = start.length === 0; for await (const chunk of this) { sum = first ? chunk : await action(sum, chunk); first = false; } return sum; },
        map(action) { const source = this; return Readable.from((async function* () { for await (const chunk of source) yield await action(chunk); })()); },
        filter(test) { const source = this; return Readable.from((async function* () { for await (const chunk of source) if (await test(chunk)) yield chunk; })()); },
        take(count) { const source = this; return Readable.from((async function* () { let n = count; if (n > 0) for await (const chunk of source) { yield chunk; if (--n <= 0) return; } })()); },
        drop(count) { const source = this; return Readable.from((async function* () { let n = count; for await (const chunk of source) if (n-- <= 0) yield chunk; })()); },
        get destroyed() { return this._common?.destroyed ?? false; },
        get closed() { return this._common?.closed ?? false; },
        get errored() { return this._common?.errored ?? null; },
        get readable() { return Boolean(this._r) && !this._common.destroyed && !this._r.endEmitted; },
        set readable(value) { void value; },
        get readableEnded() { return this._r?.endEmitted ?? false; },
        get readableFlowing() { return this._r.flowing; },
        get readableLength() { return this._r.size; },
        get readableHighWaterMark() { return this._r.high; },
        get readableObjectMode() { return this._r.objects; },
        get readableEncoding() { return this._r.encoding; },
        get readableAborted() { return this._common.destroyed && !this._r.endEmitted; },
        get readableDidRead() { return this._r.asked ?? false; },
        get _readableState() { return { ...this._r, objectMode: this._r?.objects, length: this._r?.size }; },
    });
    Readable.from = (iterable, options) => {
        if (typeof iterable === 'string' || iterable instanceof Uint8Array) iterable = [iterable];
        const make = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
        if (typeof make !== 'function') throw coded('ERR_INVALID_ARG_TYPE', 'The "iterable" argument must be an instance of Iterable', TypeError);
        const iterator = make.call(iterable);
        return new Readable({ objectMode: true, highWaterMark: 1, ...options,
            read() {
                (async () => {
                    const { value, done } = await iterator.next();
                    if (done) this.push(null);
                    else if (value === null) throw coded('ERR_STREAM_NULL_VALUES', 'May not write null values to stream', TypeError);
                    else this.push(await value);
                })().catch((error) => this.destroy(error));
            },
            destroy(error, callback) { Promise.resolve(iterator.return?.()).then(() => callback(error), callback); } });
    };
    Readable.fromWeb = (stream, options) => Readable.from(stream, { objectMode: false, ...options });
    Readable.toWeb = (stream) => ReadableStream.from(stream);

    // --- Writable ---
    function Writable(options) {
        if (!(this instanceof Writable)) return new Writable(options);
        Stream.call(this);
        writableState(this, options);
        common(this, options);
    }
    const writableState = (stream, options = {}) => {
        const objects = Boolean(options?.objectMode ?? options?.writableObjectMode);
        Object.defineProperty(stream, '_w', { writable: true, value: { queue: [], size: 0, objects, high: options?.highWaterMark ?? options?.writableHighWaterMark ?? (objects ? 16 : 65536), busy: false, ending: false, ended: false, finished: false,
            corked: 0, needDrain: false, decode: options?.decodeStrings !== false, encoding: options?.defaultEncoding ?? 'utf8', finalCalled: false } });
    };
    const finish = (stream) => {
        const state = stream._w;
        if (!state.ending || state.busy || state.queue.length || state.finalCalled || stream._common.destroyed) return;
        state.finalCalled = true;
        const done = (error) => {
            if (error) { for (const callback of state.callbacks ?? []) callback(error); stream.destroy(error); return; }
            next(() => {
                if (stream._common.destroyed && stream._common.errored) return;
                state.finished = true;
                for (const callback of state.callbacks ?? []) callback();
                stream.emit('finish');
                endedBoth(stream);
            });
        };
        if (typeof stream._final === 'function') { state.busy = true; try { stream._final((error) => { state.busy = false; done(error); }); } catch (error) { done(error); } } else done();
    };
    const drainQueue = (stream) => {
        const state = stream._w;
        if (state.busy || state.corked || stream._common.destroyed) return;
        if (state.queue.length === 0) { finish(stream); return; }
        const many = typeof stream._writev === 'function' && state.queue.length > 1 ? state.queue.splice(0) : null, entry = many ? null : state.queue.shift();
        state.busy = true;
        let sync = true;
        const after = (error) => {
            const run = () => {
                state.busy = false;
                for (const each of many ?? [entry]) state.size -= each.length;
                for (const each of many ?? [entry]) each.callback?.(error ?? null);
                if (error) { stream.destroy(error); return; }
                if (state.needDrain && state.size === 0 && !state.ending) { state.needDrain = false; stream.emit('drain'); }
                drainQueue(stream);
            };
            if (sync) next(run); else run();
        };
        try {
            if (many) stream._writev(many.map(({ chunk, encoding }) => ({ chunk, encoding })), after);
            else if (stream._write) stream._write(entry.chunk, entry.encoding, after);
            else stream._writev([{ chunk: entry.chunk, encoding: entry.encoding }], after);
        } catch (error) { after(error); }
        sync = false;
    };
    const writable = {
        write(chunk, encoding, callback) {
            const state = this._w;
            if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
            if (chunk === null) throw coded('ERR_STREAM_NULL_VALUES', 'May not write null values to stream', TypeError);
            if (!state.objects) {
                if (typeof chunk !== 'string' && !ArrayBuffer.isView(chunk)) throw coded('ERR_INVALID_ARG_TYPE', 'The "chunk" argument must be of type string or an instance of Buffer or Uint8Array.', TypeError);
                if (typeof chunk !== 'string' || state.decode) { chunk = bytesOf(chunk, encoding ?? state.encoding); encoding = 'buffer'; }
            }
            const refusal = state.ending ? coded('ERR_STREAM_WRITE_AFTER_END', 'write after end', Error) : this._common.destroyed ? coded('ERR_STREAM_DESTROYED', 'Cannot call write after a stream was destroyed', Error) : null;
            if (refusal) {
                next(() => callback?.(refusal));
                if (state.ending) this.destroy(refusal);
                return false;
            }
            const length = lengthOf(state, chunk);
            state.queue.push({ chunk, encoding: encoding ?? state.encoding, callback, length });
            state.size += length;
            const room = state.size < state.high;
            if (!room) state.needDrain = true;
            drainQueue(this);
            return room;
        },
        end(chunk, encoding, callback) {
            const state = this._w;
            if (typeof chunk === 'function') [chunk, encoding, callback] = [undefined, undefined, chunk];
            if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
            if (chunk !== undefined && chunk !== null) this.write(chunk, encoding);
            state.corked = 0;
            if (callback) { if (state.finished) next(callback); else (state.callbacks ??= []).push(callback); }
            if (!state.ending) { state.ending = true; state.ended = true; drainQueue(this); }
            return this;
        },
        cork() { this._w.corked++; },
        uncork() { if (this._w.corked && --this._w.corked === 0) drainQueue(this); },
        setDefaultEncoding(encoding) { this._w.encoding = encoding; return this; },
        _destroy(error, callback) { callback(error); },
        destroy,
        destroySoon() { if (this._w.finished) this.destroy(); else this.once('finish', () => this.destroy()).end(); },
        get destroyed() { return this._common?.destroyed ?? false; },
        get closed() { return this._common?.closed ?? false; },
        get errored() { return this._common?.errored ?? null; },
        get writable() { return Boolean(this._w) && !this._common.destroyed && !this._w.ending; },
        set writable(value) { void value; },
        get writableEnded() { return this._w?.ending ?? false; },
        get writableFinished() { return this._w?.finished ?? false; },
        get writableLength() { return this._w.size; },
        get writableHighWaterMark() { return this._w.high; },
        get writableObjectMode() { return this._w.objects; },
        get writableNeedDrain() { return this._w.needDrain; },
        get writableCorked() { return this._w.corked; },
        get _writableState() { return { ...this._w, objectMode: this._w?.objects, length: this._w?.size }; },
    };
    methods(Writable, Stream, writable);
    Object.defineProperty(Writable, Symbol.hasInstance, { value(value) { return Function.prototype[Symbol.hasInstance].call(this, value) || (this === Writable && Boolean(value?._w)); } });

    // --- Duplex, Transform ---
    function Duplex(options) {
        if (!(this instanceof Duplex)) return new Duplex(options);
        Stream.call(this);
        readableState(this, options);
        writableState(this, options);
        this.allowHalfOpen = options?.allowHalfOpen !== false;
        common(this, options);
    }
    methods(Duplex, Readable, writable);
    function Transform(options) {
        if (!(this instanceof Transform)) return new Transform(options);
        Duplex.call(this, options);
        this._held = null;
    }
    methods(Transform, Duplex, {
        _write(chunk, encoding, callback) {
            const before = this._r.size;
            this._transform(chunk, encoding, (error, value) => {
                if (error) { callback(error); return; }
                if (value !== undefined && value !== null) this.push(value);
                if (this._r.ended || this._r.size < this._r.high || before === this._r.size) callback(); else this._held = callback;
            });
        },
        _final(callback) {
            if (typeof this._flush !== 'function') { this.push(null); callback(); return; }
            this._flush((error, value) => {
                if (error) { callback(error); return; }
                if (value !== undefined && value !== null) this.push(value);
                this.push(null);
                callback();
            });
        },
        _read() { this._r.reading = false; if (this._held) { const held = this._held; this._held = null; held(); } },
        _transform() { throw coded('ERR_METHOD_NOT_IMPLEMENTED', 'The _transform() method is not implemented', Error); },
    });
    function PassThrough(options) {
        if (!(this instanceof PassThrough)) return new PassThrough(options);
        Transform.call(this, options);
    }
    methods(PassThrough, Transform, { _transform(chunk, encoding, callback) { callback(null, chunk); } });
    Duplex.from = (source) => (source instanceof Duplex ? source : Readable.from(source));

    // --- whole streams ---
    const finished = (stream, options, callback) => {
        if (typeof options === 'function') [options, callback] = [{}, options];
        const { readable = Boolean(stream._r ?? stream.readable), writable: written = Boolean(stream._w ?? stream.writable), signal } = options ?? {};
        let over = false;
        const done = (error) => { if (over) return; over = true; for (const [name, listener] of Object.entries(heard)) stream.off(name, listener); callback.call(stream, error); };
        const through = () => (!readable || (stream._r ? stream._r.endEmitted : seen.end)) && (!written || (stream._w ? stream._w.finished : seen.finish));
        const seen = { end: false, finish: false };
        const heard = { end() { seen.end = true; if (through()) done(); }, finish() { seen.finish = true; if (through()) done(); }, error: (error) => done(error), close: () => done(through() ? undefined : premature()) };
        for (const [name, listener] of Object.entries(heard)) stream.on(name, listener);
        signal?.addEventListener('abort', () => done(aborted(signal.reason)), { once: true });
        if (stream._common?.closed) next(() => done(stream._common.errored ?? (through() ? undefined : premature())));
        else if (stream._common && through()) next(() => done());
        return () => { over = true; for (const [name, listener] of Object.entries(heard)) stream.off(name, listener); };
    };
    const isIterable = (value) => typeof value?.[Symbol.asyncIterator] === 'function' || typeof value?.[Symbol.iterator] === 'function';
    const pipeline = (...streams) => {
        const callback = typeof streams.at(-1) === 'function' && streams.length > 1 ? streams.pop() : () => {};
        let list = Array.isArray(streams[0]) ? streams[0] : streams, result;
        list = list.map((each, i) => {
            if (each?.pipe || each?._w || each?.write) return each;
            if (typeof each === 'function') {
                result = each(result ?? (i === 0 ? { signal: undefined } : list[i - 1]));
                return typeof result?.then === 'function' ? result : (result = Readable.from(result));
            }
            return (result = isIterable(each) ? Readable.from(each) : each);
        });
        const last = list.at(-1);
        let waiting = 0, over = false, failure;
        const done = (error) => {
            if (error && (!failure || failure.code === 'ERR_STREAM_PREMATURE_CLOSE')) failure = error;
            if (error && !over) for (const each of list) each.destroy?.(error);
            if (--waiting > 0 || over) return;
            over = true;
            if (typeof last?.then === 'function') last.then((value) => callback(failure ?? null, value), (reason) => callback(reason)); else callback(failure ?? undefined);
        };
        const real = list.filter((each) => typeof each?.then !== 'function');
        for (const [i, each] of real.entries()) {
            waiting++;
            each.on('error', () => {}); // destroyed on purpose; what it says went to done()
            finished(each, { readable: i < real.length - 1, writable: i > 0 }, done);
            if (i > 0 && typeof streams[i] !== 'function') real[i - 1].pipe(each);
        }
        return last;
    };
    const promises = {
        finished: (stream, options) => new Promise((resolve, reject) => finished(stream, options ?? {}, (error) => (error ? reject(error) : resolve()))),
        pipeline: (...streams) => new Promise((resolve, reject) => {
            const last = streams.at(-1), hasOptions = typeof last === 'object' && last !== null && !last.pipe && !last.write && !isIterable(last);
            const options = hasOptions ? streams.pop() : {};
            options.signal?.addEventListener('abort', () => { for (const each of streams) each.destroy?.(aborted(options.signal.reason)); }, { once: true });
            pipeline(...streams, (error, value) => (error ? reject(error) : resolve(value)));
        }),
    };
    const addAbortSignal = (signal, stream) => { signal.addEventListener('abort', () => stream.destroy(aborted(signal.reason)), { once: true }); return stream; };
    const consume = async (stream) => { const all = []; for await (const chunk of stream) all.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk); return Buffer.concat(all); };
    Object.assign(Stream, { Stream, Readable, Writable, Duplex, Transform, PassThrough, finished, pipeline, promises, addAbortSignal, isReadable: (stream) => stream.readable, isDisturbed: (stream) => stream.readableDidRead,
        isErrored: (stream) => stream.errored !== null, getDefaultHighWaterMark: (objects) => (objects ? 16 : 65536), setDefaultHighWaterMark() {}, compose: (...streams) => pipeline(...streams) });
    Object.assign(builtins, { stream: Stream, 'stream/promises': promises, 'stream/consumers': { buffer: consume, text: async (stream) => new TextDecoder().decode(await consume(stream)),
        json: async (stream) => JSON.parse(new TextDecoder().decode(await consume(stream))), arrayBuffer: async (stream) => new Uint8Array(await consume(stream)).buffer } });
})
