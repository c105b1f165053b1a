// ReadableStream with default and byte controllers and readers (WHATWG Streams, sections 4 and 7); 52-streams.js
// has the writable side. The state of each object is behind S.
((native, internals) => {
    const S = Symbol('state');
    const hide = (object, value) => { Object.defineProperty(object, S, { value, writable: true, configurable: true }); return value; };
    const deferred = () => Promise.withResolvers();
    const quiet = (promise) => { promise.catch(() => {}); return promise; };
    const rejected = (reason) => quiet(Promise.reject(reason));
    const settle = (action, done, failed) => { // what an algorithm gives, or throws, later
        let result;
        try { result = action(); } catch (reason) { failed(reason); return; }
        Promise.resolve(result).then(done, failed);
    };
    const method = (object, name) => {
        const found = object?.[name];
        if (found === undefined || found === null) return undefined;
        if (typeof found !== 'function') throw new TypeError(`${name} must be a function`);
        return found;
    };

    class CountQueuingStrategy {
        #high;
        constructor({ highWaterMark }) { this.#high = Number(highWaterMark); }
        get highWaterMark() { return this.#high; }
        get size() { return countSize; }
        get [Symbol.toStringTag]() { return 'CountQueuingStrategy'; }
    }
    class ByteLengthQueuingStrategy {
        #high;
        constructor({ highWaterMark }) { this.#high = Number(highWaterMark); }
        get highWaterMark() { return this.#high; }
        get size() { return byteSize; }
        get [Symbol.toStringTag]() { return 'ByteLengthQueuingStrategy'; }
    }
    const countSize = function size() { return 1; };
    const byteSize = function size(chunk) { return chunk.byteLength; };
    const highMark = (strategy, other) => {
        if (strategy?.highWaterMark === undefined) return other;
        const high = Number(strategy.highWaterMark);
        if (Number.isNaN(high) || high < 0) throw new RangeError('highWaterMark must be a number that is not negative');
        return high;
    };
    class Queue {
        items = []; total = 0;
        push(value, size) {
            const number = Number(size);
            if (!(number >= 0 && number !== Infinity)) throw new RangeError('the size of a chunk must be a finite number that is not negative');
            this.items.push({ value, size: number });
            this.total += number;
        }
        shift() {
            const { value, size } = this.items.shift();
            this.total = Math.max(0, this.total - size);
            return value;
        }
        reset() { this.items = []; this.total = 0; }
    }

    // --- the stream ---
    const closeStream = (stream) => {
        const state = stream[S], { reader } = state;
        state.state = 'closed';
        if (!reader) return;
        const { requests, closed, byob } = reader[S];
        closed.resolve();
        if (!byob) for (const request of requests.splice(0)) request.close();
    };
    const errorStream = (stream, reason) => {
        const state = stream[S], { reader } = state;
        state.state = 'errored';
        state.reason = reason;
        if (!reader) return;
        const { requests, closed } = reader[S];
        closed.reject(reason);
        quiet(closed.promise);
        for (const request of requests.splice(0)) request.error(reason);
    };
    const cancelStream = async (stream, reason) => {
        const state = stream[S];
        state.disturbed = true;
        if (state.state === 'closed') return;
        if (state.state === 'errored') throw state.reason;
        const { reader, controller } = state;
        closeStream(stream);
        if (reader?.[S].byob) for (const request of reader[S].requests.splice(0)) request.close(undefined);
        await controller[S].cancel(reason);
    };
    const waiting = (stream) => stream[S].reader?.[S].requests.length ?? 0;

    // --- controllers: what both do ---
    class Source {
        queue = new Queue(); started = false; pulling = false; again = false; closing = false;
        constructor(stream, controller, source, high, size) {
            Object.assign(this, { stream, controller, high, sizeOf: size });
            const pull = method(source, 'pull'), cancel = method(source, 'cancel');
            this.pullSource = pull && (() => pull.call(source, controller));
            this.cancelSource = cancel && ((reason) => cancel.call(source, reason));
            hide(controller, this);
        }
        begin(source) {
            const start = method(source, 'start');
            const result = start?.call(source, this.controller);
            Promise.resolve(result).then(() => { this.started = true; this.pull(); }, (reason) => this.error(reason));
        }
        get live() { return this.stream[S].state === 'readable'; }
        get room() { const { state } = this.stream[S]; return state === 'errored' ? null : state === 'closed' ? 0 : this.high - this.queue.total; }
        wants() { return this.live && !this.closing && this.started && (waiting(this.stream) > 0 || this.room > 0); }
        pull() {
            if (!this.pullSource || !this.wants()) return;
            if (this.pulling) { this.again = true; return; }
            this.pulling = true;
            settle(this.pullSource, () => {
                this.pulling = false;
                if (this.again) { this.again = false; this.pull(); }
            }, (reason) => this.error(reason));
        }
        forget() { this.pullSource = this.cancelSource = this.sizeOf = undefined; }
        finish() { this.forget(); closeStream(this.stream); }
        error(reason) {
            if (!this.live) return;
            this.queue.reset();
            this.forget();
            errorStream(this.stream, reason);
        }
        async cancel(reason) {
            this.queue.reset();
            const { cancelSource } = this;
            this.forget();
            await cancelSource?.(reason);
        }
        ready() { if (!this.live || this.closing) throw new TypeError('the stream is closed, closing or errored'); }
    }
    class ReadableStreamDefaultController {
        constructor(mark) { if (mark !== S) throw new TypeError('Illegal constructor'); }
        get desiredSize() { return this[S].room; }
        enqueue(chunk) {
            const source = this[S];
            source.ready();
            if (waiting(source.stream)) source.stream[S].reader[S].requests.shift().chunk(chunk);
            else try { source.queue.push(chunk, source.sizeOf ? source.sizeOf(chunk) : 1); } catch (reason) {
                source.error(reason);
                throw reason;
            }
            source.pull();
        }
        close() {
            const source = this[S];
            source.ready();
            source.closing = true;
            if (source.queue.items.length === 0) source.finish();
        }
        error(reason) { this[S].error(reason); }
        get [Symbol.toStringTag]() { return 'ReadableStreamDefaultController'; }
    }
    const readDefault = (source, request) => {
        if (source.queue.items.length === 0) { source.stream[S].reader[S].requests.push(request); source.pull(); return; }
        const chunk = source.queue.shift();
        if (source.closing && source.queue.items.length === 0) source.finish(); else source.pull();
        request.chunk(chunk);
    };

    // --- byte streams: `pending` are views to fill, the first is what byobRequest shows ---
    const bytesIn = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const takeOver = (view) => ({ at: view.byteOffset, size: view.byteLength, kind: view.constructor, buffer: view.buffer.transfer() });
    class ReadableStreamBYOBRequest {
        constructor(mark, source, pull) {
            if (mark !== S) throw new TypeError('Illegal constructor');
            hide(this, { source, view: new Uint8Array(pull.buffer, pull.at + pull.filled, pull.size - pull.filled) });
        }
        get view() { return this[S].view; }
        #take() {
            const { source, view } = this[S];
            if (!view) throw new TypeError('this request was answered or is no longer valid');
            return source;
        }
        respond(count) {
            const source = this.#take(), pull = source.pending[0], written = Number(count);
            if (source.live ? !(written > 0) : written !== 0) throw new TypeError('respond() takes the number of bytes written, 0 only once the stream is closed');
            if (pull.filled + written > pull.size) throw new RangeError('more bytes than the view has');
            pull.buffer = pull.buffer.transfer();
            source.answered(written);
        }
        respondWithNewView(view) {
            const source = this.#take(), pull = source.pending[0];
            if (!ArrayBuffer.isView(view)) throw new TypeError('a view is expected');
            if (view.byteOffset !== pull.at + pull.filled || view.buffer.byteLength !== pull.buffer.byteLength || pull.filled + view.byteLength > pull.size)
                throw new RangeError('the view is not where the bytes were asked for');
            const size = view.byteLength;
            pull.buffer = view.buffer.transfer();
            source.answered(size);
        }
        get [Symbol.toStringTag]() { return 'ReadableStreamBYOBRequest'; }
    }
    class ByteSource extends Source {
        pending = []; request = null;
        wants() { return this.live && !this.closing && this.started && (waiting(this.stream) > 0 || this.room > 0); }
        dropRequest() { if (this.request) { this.request[S].view = null; this.request = null; } }
        cancel(reason) { this.dropRequest(); this.pending = []; return super.cancel(reason); }
        error(reason) { this.dropRequest(); if (this.live) this.pending = []; super.error(reason); }
        get current() {
            if (!this.request && this.pending.length) this.request = new ReadableStreamBYOBRequest(S, this, this.pending[0]);
            return this.request;
        }
        // Bytes of the queue into the first view; true: it has what it needs.
        fill(pull) {
            while (this.queue.items.length && pull.filled < pull.size) {
                const { value } = this.queue.items[0], count = Math.min(value.length, pull.size - pull.filled);
                new Uint8Array(pull.buffer).set(value.subarray(0, count), pull.at + pull.filled);
                pull.filled += count;
                this.queue.total -= count;
                if (count === value.length) this.queue.items.shift(); else this.queue.items[0].value = value.subarray(count);
            }
            return pull.filled >= pull.least;
        }
        give(pull) { // whole elements only; what is left over goes back to the queue's front
            const { BYTES_PER_ELEMENT: unit = 1 } = pull.kind, whole = pull.filled - pull.filled % unit;
            if (pull.filled > whole) {
                const rest = new Uint8Array(pull.buffer.slice(pull.at + whole, pull.at + pull.filled));
                this.queue.items.unshift({ value: rest, size: rest.length });
                this.queue.total += rest.length;
            }
            return new pull.kind(pull.buffer, pull.at, whole / unit);
        }
        settlePending() {
            while (this.pending.length && this.fill(this.pending[0])) this.handOut(this.pending.shift());
        }
        handOut(pull) {
            const request = this.stream[S].reader?.[S].requests.shift();
            if (request) request.chunk(this.give(pull));
        }
        answered(count) {
            const pull = this.pending[0];
            this.dropRequest();
            if (!this.live) { // closed: every view comes back empty
                for (const each of this.pending.splice(0)) {
                    const request = this.stream[S].reader?.[S].requests.shift();
                    request?.close(new each.kind(each.buffer, each.at, 0));
                }
                return;
            }
            pull.filled += count;
            if (pull.auto && pull.filled) { // a default reader's: goes out as it is
                this.pending.shift();
                this.enqueue(new Uint8Array(pull.buffer, pull.at, pull.filled));
            } else if (pull.filled >= pull.least) {
                this.pending.shift();
                this.handOut(pull);
                this.settlePending();
            }
            this.pull();
        }
        enqueue(bytes) {
            const { reader } = this.stream[S];
            if (reader && !reader[S].byob && reader[S].requests.length) {
                if (this.pending[0]?.auto) this.pending.shift();
                reader[S].requests.shift().chunk(bytes);
            } else {
                this.queue.push(bytes, bytes.length);
                this.settlePending();
            }
            this.pull();
        }
        end() {
            this.closing = true;
            if (this.queue.total > 0) return;
            if (this.pending[0]?.filled % (this.pending[0]?.kind.BYTES_PER_ELEMENT ?? 1)) {
                const reason = new TypeError('the stream ends inside an element of the view');
                this.error(reason);
                throw reason;
            }
            this.finish();
        }
        read(request) {
            const { reader } = this.stream[S];
            if (this.queue.items.length) {
                const bytes = this.queue.shift();
                if (this.closing && this.queue.items.length === 0) this.finish(); else this.pull();
                request.chunk(bytes);
                return;
            }
            if (this.auto) this.pending.push({ buffer: new ArrayBuffer(this.auto), at: 0, size: this.auto, filled: 0, least: 1, kind: Uint8Array, auto: true });
            reader[S].requests.push(request);
            this.pull();
        }
        readInto(view, least, request) {
            const { BYTES_PER_ELEMENT: unit = 1 } = view.constructor, pull = { ...takeOver(view), filled: 0, least: least * unit };
            if (!this.live && this.pending.length === 0) { request.close(new pull.kind(pull.buffer, pull.at, 0)); return; }
            if (this.pending.length === 0 && this.queue.total > 0) {
                if (this.fill(pull)) {
                    const filled = this.give(pull);
                    if (this.closing && this.queue.total === 0) this.finish(); else this.pull();
                    request.chunk(filled);
                    return;
                }
                if (this.closing) {
                    const reason = new TypeError('the stream ends inside an element of the view');
                    this.error(reason);
                    request.error(reason);
                    return;
                }
            }
            this.pending.push(pull);
            this.stream[S].reader[S].requests.push(request);
            this.pull();
        }
    }
    class ReadableByteStreamController {
        constructor(mark) { if (mark !== S) throw new TypeError('Illegal constructor'); }
        get desiredSize() { return this[S].room; }
        get byobRequest() { return this[S].current; }
        enqueue(view) {
            if (!ArrayBuffer.isView(view) || view.byteLength === 0) throw new TypeError('a byte stream takes views that are not empty');
            const source = this[S];
            source.ready();
            source.dropRequest();
            const { buffer, at, size } = takeOver(view);
            if (source.pending[0] && !source.pending[0].auto) source.pending[0].buffer = source.pending[0].buffer.transfer();
            source.enqueue(new Uint8Array(buffer, at, size));
        }
        close() { const source = this[S]; source.ready(); source.end(); }
        error(reason) { this[S].error(reason); }
        get [Symbol.toStringTag]() { return 'ReadableByteStreamController'; }
    }

    // --- readers ---
    const RELEASED = 'the reader was released';
    const attach = (reader, stream, byob) => {
        const state = stream?.[S];
        if (!state?.controller) throw new TypeError('a ReadableStream is expected');
        if (state.reader) throw new TypeError('the stream is locked by another reader');
        if (byob && !(state.controller[S] instanceof ByteSource)) throw new TypeError('only a byte stream has BYOB readers');
        const closed = deferred();
        hide(reader, { stream, requests: [], closed, byob });
        state.reader = reader;
        if (state.state === 'closed') closed.resolve();
        if (state.state === 'errored') { closed.reject(state.reason); quiet(closed.promise); }
    };
    const release = (reader) => {
        const state = reader[S];
        if (!state.stream) return;
        const reason = new TypeError(RELEASED), source = state.stream[S].controller[S];
        if (state.stream[S].state === 'readable') state.closed.reject(reason);
        else { state.closed = deferred(); state.closed.reject(reason); }
        quiet(state.closed.promise);
        if (source.pending) { source.pending = []; source.dropRequest(); }
        state.stream[S].reader = null;
        state.stream = undefined;
        for (const request of state.requests.splice(0)) request.error(reason);
    };
    const readFrom = (stream, request) => {
        const state = stream[S];
        state.disturbed = true;
        if (state.state === 'closed') request.close();
        else if (state.state === 'errored') request.error(state.reason);
        else if (state.controller[S] instanceof ByteSource) state.controller[S].read(request);
        else readDefault(state.controller[S], request);
    };
    const promised = (start) => {
        const { promise, resolve, reject } = deferred();
        start({ chunk: (value) => resolve({ value, done: false }), close: (value) => resolve({ value, done: true }), error: reject });
        return promise;
    };
    class Reader {
        get closed() { return this[S].closed.promise; }
        cancel(reason) { return this[S].stream ? cancelStream(this[S].stream, reason) : rejected(new TypeError(RELEASED)); }
        releaseLock() { release(this); }
    }
    class ReadableStreamDefaultReader extends Reader {
        constructor(stream) { super(); attach(this, stream, false); }
        read() { return this[S].stream ? promised((request) => readFrom(this[S].stream, request)) : rejected(new TypeError(RELEASED)); }
        get [Symbol.toStringTag]() { return 'ReadableStreamDefaultReader'; }
    }
    class ReadableStreamBYOBReader extends Reader {
        constructor(stream) { super(); attach(this, stream, true); }
        async read(view, { min = 1 } = {}) {
            const { stream } = this[S];
            if (!ArrayBuffer.isView(view)) throw new TypeError('a view is expected');
            if (view.byteLength === 0) throw new TypeError('the view must not be empty');
            if (!(min >= 1)) throw new TypeError('min must be at least 1');
            if (min > (view.length ?? view.byteLength)) throw new RangeError('min is more than the view has');
            if (!stream) throw new TypeError(RELEASED);
            stream[S].disturbed = true;
            if (stream[S].state === 'errored') throw stream[S].reason;
            return promised((request) => stream[S].controller[S].readInto(view, min, request));
        }
        get [Symbol.toStringTag]() { return 'ReadableStreamBYOBReader'; }
    }

    const asyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype);
    const iteratorPrototype = Object.setPrototypeOf({
        next() {
            const state = this[S], step = async () => {
                if (state.done) return { value: undefined, done: true };
                let result;
                try { result = await state.reader.read(); } catch (reason) { state.done = true; release(state.reader); throw reason; }
                if (result.done) { state.done = true; release(state.reader); return { value: undefined, done: true }; }
                return result;
            };
            return (state.last = state.last ? state.last.then(step, step) : step());
        },
        return(value) {
            const state = this[S], step = async () => {
                if (!state.done) {
                    state.done = true;
                    const cancelled = state.keep ? undefined : state.reader.cancel(value);
                    release(state.reader);
                    await cancelled;
                }
                return { value, done: true };
            };
            return (state.last = state.last ? state.last.then(step, step) : step());
        },
    }, asyncIteratorPrototype);

    class ReadableStream {
        constructor(source, strategy = {}) {
            if (source === null) throw new TypeError('the source must be an object');
            const state = hide(this, { state: 'readable', reason: undefined, reader: null, controller: null, disturbed: false });
            const type = source?.type === undefined ? undefined : String(source.type), size = method(strategy, 'size');
            if (type === 'bytes') {
                if (size) throw new RangeError('a byte stream has no size function');
                const auto = source.autoAllocateChunkSize;
                if (auto === 0) throw new TypeError('autoAllocateChunkSize must not be 0');
                state.controller = new ReadableByteStreamController(S);
                new ByteSource(this, state.controller, source, highMark(strategy, 0), undefined).auto = auto;
            } else {
                if (type !== undefined) throw new TypeError(`"${type}" is no type of source`);
                state.controller = new ReadableStreamDefaultController(S);
                new Source(this, state.controller, source, highMark(strategy, 1), size && ((chunk) => size(chunk)));
            }
            state.controller[S].begin(source);
        }
        static from(iterable) {
            const make = iterable?.[Symbol.asyncIterator] ?? iterable?.[Symbol.iterator];
            if (typeof make !== 'function') throw new TypeError('from() takes an iterable');
            const iterator = make.call(iterable);
            return new ReadableStream({
                async pull(controller) {
                    const step = await iterator.next();
                    if (typeof step !== 'object' || step === null) throw new TypeError('the iterator gave no object');
                    if (step.done) controller.close(); else controller.enqueue(await step.value);
                },
                async cancel(reason) { await iterator.return?.(reason); },
            }, { highWaterMark: 0 });
        }
        get locked() { return this[S].reader !== null; }
        getReader(options) {
            const mode = options?.mode;
            if (mode !== undefined && String(mode) !== 'byob') throw new TypeError(`"${mode}" is no mode of a reader`);
            return mode === undefined ? new ReadableStreamDefaultReader(this) : new ReadableStreamBYOBReader(this);
        }
        cancel(reason) { return this.locked ? rejected(new TypeError('the stream is locked')) : cancelStream(this, reason); }
        values({ preventCancel = false } = {}) {
            const iterator = Object.create(iteratorPrototype);
            hide(iterator, { reader: new ReadableStreamDefaultReader(this), keep: Boolean(preventCancel), done: false, last: null });
            return iterator;
        }
        tee() {
            const reader = new ReadableStreamDefaultReader(this), isBytes = this[S].controller[S] instanceof ByteSource;
            const cancelled = deferred(), branches = [], gone = [false, false], reasons = [];
            let reading = false, again = false;
            const pull = () => {
                if (reading) { again = true; return; }
                reading = true;
                readFrom(this, {
                    chunk: (chunk) => queueMicrotask(() => {
                        again = false;
                        branches.forEach((branch, i) => { if (!gone[i]) branch[S].controller.enqueue(isBytes && i === 0 ? chunk.slice() : chunk); });
                        reading = false;
                        if (again) pull();
                    }),
                    close: () => {
                        reading = false;
                        branches.forEach((branch, i) => { if (!gone[i]) branch[S].controller.close(); });
                        if (!gone[0] || !gone[1]) cancelled.resolve();
                    },
                    error: () => { reading = false; },
                });
            };
            const branch = (i) => new ReadableStream({ ...(isBytes && { type: 'bytes' }), pull, cancel: (reason) => {
                gone[i] = true;
                reasons[i] = reason;
                if (gone[0] && gone[1]) cancelled.resolve(cancelStream(this, reasons));
                return cancelled.promise;
            } });
            branches.push(branch(0), branch(1));
            reader.closed.catch((reason) => {
                for (const each of branches) each[S].controller[S].error(reason);
                if (!gone[0] || !gone[1]) cancelled.resolve();
            });
            return branches;
        }
        pipeTo(target, options = {}) { return internals.pipe(this, target, options); }
        pipeThrough(pair, options = {}) {
            const { readable, writable } = pair ?? {};
            if (this.locked) throw new TypeError('the stream is locked');
            if (writable?.locked) throw new TypeError('the target is locked');
            quiet(internals.pipe(this, writable, options));
            return readable;
        }
        get [Symbol.toStringTag]() { return 'ReadableStream'; }
        [internals.inspectParts]() { return { locked: this.locked, state: this[S].state }; }
    }
    Object.defineProperty(ReadableStream.prototype, Symbol.asyncIterator, { value: ReadableStream.prototype.values, writable: true, configurable: true });

    internals.streams = { S, hide, deferred, quiet, rejected, settle, method, highMark, Queue, cancelStream };
    internals.isDisturbed = (stream) => stream[S].disturbed;
    internals.define(globalThis, { ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamDefaultController,
        ReadableByteStreamController, ReadableStreamBYOBRequest, CountQueuingStrategy, ByteLengthQueuingStrategy });
})
