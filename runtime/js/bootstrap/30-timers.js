// setTimeout and relatives, events and AbortController, structuredClone, performance.
((native, internals) => {
    class Timeout {
        #id;
        constructor(id) { this.#id = id; }
        ref() { return this; }
        unref() { return this; }
        hasRef() { return true; }
        [Symbol.toPrimitive]() { return this.#id; }
    }
    const add = (callback, ms, values, repeats) => {
        if (typeof callback !== 'function') throw new TypeError('the timer callback must be a function');
        return new Timeout(native.timerAdd(() => callback(...values), Number(ms), repeats));
    };
    const clear = (timer) => { if (timer !== undefined && timer !== null) native.timerRemove(Number(timer)); };
    const setTimeout = (callback, ms, ...values) => add(callback, ms, values, false);
    const setInterval = (callback, ms, ...values) => add(callback, ms, values, true);
    const setImmediate = (callback, ...values) => add(callback, 0, values, false);
    internals.define(globalThis, { setTimeout, setInterval, setImmediate,
        clearTimeout: clear, clearInterval: clear, clearImmediate: clear });

    internals.stopped = Symbol('stopped');
    class Event {
        #type; #init; #stopped = false; #prevented = false;
        constructor(type, init = {}) { this.#type = String(type); this.#init = init; this.target = null; }
        get type() { return this.#type; }
        get cancelable() { return Boolean(this.#init.cancelable); }
        get defaultPrevented() { return this.#prevented; }
        preventDefault() { if (this.cancelable) this.#prevented = true; }
        stopImmediatePropagation() { this.#stopped = true; }
        stopPropagation() {}
        get [internals.stopped]() { return this.#stopped; }
    }
    class CustomEvent extends Event {
        constructor(type, init = {}) { super(type, init); this.detail = init.detail ?? null; }
    }
    class EventTarget {
        #listeners = new Map();
        addEventListener(type, callback, options) {
            const list = this.#listeners.get(type) ?? [];
            if (!callback || list.some((entry) => entry.callback === callback)) return;
            list.push({ callback, once: typeof options === 'object' && Boolean(options?.once) });
            this.#listeners.set(type, list);
        }
        removeEventListener(type, callback) {
            this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((e) => e.callback !== callback));
        }
        dispatchEvent(event) {
            event.target = this;
            for (const entry of [...(this.#listeners.get(event.type) ?? [])]) {
                if (entry.once) this.removeEventListener(event.type, entry.callback);
                if (typeof entry.callback === 'function') entry.callback.call(this, event);
                else entry.callback.handleEvent(event);
                if (event[internals.stopped]) break;
            }
            return !event.defaultPrevented;
        }
    }
    const ABORT = Symbol('abort');
    class AbortSignal extends EventTarget {
        #aborted = false; #reason;
        constructor(key) {
            super();
            if (key !== ABORT) throw new TypeError('Illegal constructor');
            this.onabort = null;
        }
        get aborted() { return this.#aborted; }
        get reason() { return this.#reason; }
        throwIfAborted() { if (this.#aborted) throw this.#reason; }
        [ABORT](reason = new DOMException('This operation was aborted', 'AbortError')) {
            if (this.#aborted) return;
            this.#aborted = true;
            this.#reason = reason;
            const event = new Event('abort');
            this.onabort?.(event);
            this.dispatchEvent(event);
        }
        static abort(reason) { const signal = new AbortSignal(ABORT); signal[ABORT](reason); return signal; }
        static timeout(ms) {
            const signal = new AbortSignal(ABORT);
            setTimeout(() => signal[ABORT](new DOMException('The operation timed out', 'TimeoutError')), ms);
            return signal;
        }
        static any(signals) {
            const signal = new AbortSignal(ABORT);
            for (const source of signals) {
                if (source.aborted) { signal[ABORT](source.reason); break; }
                source.addEventListener('abort', () => signal[ABORT](source.reason));
            }
            return signal;
        }
    }
    class AbortController {
        #signal = new AbortSignal(ABORT);
        get signal() { return this.#signal; }
        abort(reason) { this.#signal[ABORT](reason); }
    }
    internals.newSignal = () => new AbortSignal(ABORT);

    const refuse = (what) => { throw new DOMException(`${what} could not be cloned`, 'DataCloneError'); };
    const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
    const copyOwn = (value, copy, seen) => {
        for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
        return copy;
    };
    const cloneBuffer = (buffer, seen) => {
        if (!seen.has(buffer)) seen.set(buffer, buffer.slice(0));
        return seen.get(buffer);
    };
    const cloneError = (error, seen) => {
        const make = ERRORS[error.name] ?? Error;
        const copy = Object.create(make.prototype);
        seen.set(error, copy);
        const made = new make(error.message, 'cause' in error ? { cause: clone(error.cause, seen) } : undefined);
        seen.set(error, made);
        return made;
    };
    const clone = (value, seen) => {
        if (typeof value === 'symbol') refuse('a symbol');
        if (typeof value === 'function') refuse('a function');
        if (typeof value !== 'object' || value === null) return value;
        if (seen.has(value)) return seen.get(value);
        const keep = (copy) => { seen.set(value, copy); return copy; };
        if (Array.isArray(value)) { const copy = keep(new Array(value.length)); return copyOwn(value, copy, seen); }
        if (value instanceof Date) return keep(new Date(value.getTime()));
        if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
        if (value instanceof Map) {
            const copy = keep(new Map());
            for (const [k, v] of [...value]) copy.set(clone(k, seen), clone(v, seen));
            return copy;
        }
        if (value instanceof Set) {
            const copy = keep(new Set());
            for (const v of [...value]) copy.add(clone(v, seen));
            return copy;
        }
        if (value instanceof ArrayBuffer) return cloneBuffer(value, seen);
        if (value instanceof DataView) return keep(new DataView(cloneBuffer(value.buffer, seen), value.byteOffset, value.byteLength));
        if (ArrayBuffer.isView(value)) {
            const kind = value instanceof Buffer ? Uint8Array : value.constructor;
            return keep(new kind(cloneBuffer(value.buffer, seen), value.byteOffset, value.length));
        }
        if (value instanceof Error) return cloneError(value, seen);
        if (value instanceof Number || value instanceof String || value instanceof Boolean) return keep(Object(value.valueOf()));
        if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef)
            refuse(`a ${value.constructor.name}`);
        return copyOwn(value, keep({}), seen);
    };
    const structuredClone = (value, options) => {
        const seen = new Map();
        const copy = clone(value, seen);
        for (const item of options?.transfer ?? [])
            if (item instanceof ArrayBuffer) item.transfer();
            else refuse('a value in the transfer list');
        return copy;
    };

    const performance = { now: () => native.performanceNow(), get timeOrigin() { return Date.now() - native.performanceNow(); } };
    const navigator = { userAgent: 'TFaaS', hardwareConcurrency: 1 };
    internals.define(globalThis, { Event, CustomEvent, EventTarget, AbortSignal, AbortController, structuredClone,
        performance, navigator });
})
