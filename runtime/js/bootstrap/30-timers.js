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

    const STATE = Symbol('state');
    class Event {
        static NONE = 0; static CAPTURING_PHASE = 1; static AT_TARGET = 2; static BUBBLING_PHASE = 3;
        constructor(type, init) {
            if (arguments.length === 0) throw new TypeError('an event has a type');
            const { bubbles = false, cancelable = false, composed = false } = init ?? {};
            Object.defineProperty(this, STATE, { value: { type: String(type), bubbles: Boolean(bubbles), cancelable: Boolean(cancelable),
                composed: Boolean(composed), target: null, prevented: false, stopped: false, halted: false, passive: false, busy: false, at: native.performanceNow() } });
        }
        get type() { return this[STATE].type; }
        get target() { return this[STATE].target; }
        get currentTarget() { return this[STATE].busy ? this[STATE].target : null; }
        get srcElement() { return this[STATE].target; }
        get bubbles() { return this[STATE].bubbles; }
        get cancelable() { return this[STATE].cancelable; }
        get composed() { return this[STATE].composed; }
        get defaultPrevented() { return this[STATE].prevented; }
        get returnValue() { return !this[STATE].prevented; }
        get cancelBubble() { return this[STATE].halted; }
        set cancelBubble(value) { if (value) this[STATE].halted = true; }
        get eventPhase() { return this[STATE].busy ? 2 : 0; }
        get timeStamp() { return this[STATE].at; }
        get isTrusted() { return false; }
        composedPath() { return this[STATE].busy ? [this[STATE].target] : []; }
        preventDefault() { const state = this[STATE]; if (state.cancelable && !state.passive) state.prevented = true; }
        stopPropagation() { this[STATE].halted = true; }
        stopImmediatePropagation() { this[STATE].stopped = this[STATE].halted = true; }
        get [Symbol.toStringTag]() { return this.constructor.name; }
        [internals.inspectParts]() { return { type: this.type, defaultPrevented: this.defaultPrevented, cancelable: this.cancelable, timeStamp: this.timeStamp }; }
    }
    for (const name of ['NONE', 'CAPTURING_PHASE', 'AT_TARGET', 'BUBBLING_PHASE']) Object.defineProperty(Event.prototype, name, { value: Event[name] });
    class CustomEvent extends Event {
        #detail;
        constructor(type, init) { super(type, init); this.#detail = init?.detail ?? null; }
        get detail() { return this.#detail; }
    }
    class MessageEvent extends Event {
        #init;
        constructor(type, init) { super(type, init); this.#init = init ?? {}; }
        get data() { return this.#init.data ?? null; }
        get origin() { return this.#init.origin ?? ''; }
        get lastEventId() { return this.#init.lastEventId ?? ''; }
        get source() { return this.#init.source ?? null; }
        get ports() { return this.#init.ports ?? []; }
    }
    class ErrorEvent extends Event {
        #init;
        constructor(type, init) { super(type, init); this.#init = init ?? {}; }
        get message() { return this.#init.message ?? ''; }
        get filename() { return this.#init.filename ?? ''; }
        get lineno() { return this.#init.lineno ?? 0; }
        get colno() { return this.#init.colno ?? 0; }
        get error() { return this.#init.error ?? null; }
    }
    class EventTarget {
        #listeners = [];
        addEventListener(type, callback, options) {
            const { capture = false, once = false, passive = false, signal } = typeof options === 'object' && options !== null ? options : { capture: options };
            if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError('signal must be an AbortSignal');
            if (callback === null || callback === undefined || signal?.aborted) return;
            if (typeof callback !== 'function' && typeof callback !== 'object') throw new TypeError('a listener is a function or an object');
            const name = String(type), wanted = Boolean(capture);
            if (this.#listeners.some((entry) => entry.type === name && entry.callback === callback && entry.capture === wanted)) return;
            this.#listeners = [...this.#listeners, { type: name, callback, capture: wanted, once: Boolean(once), passive: Boolean(passive), gone: false }];
            signal?.addEventListener('abort', () => this.removeEventListener(name, callback, wanted), { once: true });
        }
        removeEventListener(type, callback, options) {
            const name = String(type), wanted = Boolean(typeof options === 'object' && options !== null ? options.capture : options);
            this.#listeners = this.#listeners.filter((entry) => {
                const found = entry.type === name && entry.callback === callback && entry.capture === wanted;
                entry.gone ||= found;
                return !found;
            });
        }
        dispatchEvent(event) {
            const state = event?.[STATE];
            if (!state) throw new TypeError('an Event is expected');
            if (state.busy) throw new DOMException('the event is already being dispatched', 'InvalidStateError');
            Object.assign(state, { target: this, busy: true });
            for (const entry of this.#listeners) {
                if (entry.type !== state.type || entry.gone || state.stopped) continue;
                if (entry.once) this.removeEventListener(entry.type, entry.callback, entry.capture);
                state.passive = entry.passive;
                try {
                    if (typeof entry.callback === 'function') entry.callback.call(this, event);
                    else entry.callback.handleEvent(event);
                } catch (error) { native.report('Uncaught in an event listener', error); }
            }
            Object.assign(state, { busy: false, passive: false, stopped: false, halted: false });
            return !state.prevented;
        }
        get [Symbol.toStringTag]() { return this.constructor.name; }
    }
    // A property on... of a target is one listener, in the place of its first setting.
    const handlerProperty = (prototype, type) => {
        const handlers = new WeakMap();
        Object.defineProperty(prototype, `on${type}`, { configurable: true, enumerable: true,
            get() { return handlers.get(this)?.handler ?? null; },
            set(handler) {
                const entry = handlers.get(this), usable = typeof handler === 'function' || (typeof handler === 'object' && handler !== null) ? handler : null;
                if (entry) { entry.handler = usable; return; }
                const fresh = { handler: usable };
                handlers.set(this, fresh);
                this.addEventListener(type, (event) => { if (typeof fresh.handler === 'function') fresh.handler.call(this, event); });
            } });
    };
    internals.handlerProperty = handlerProperty;
    const ABORT = Symbol('abort');
    class AbortSignal extends EventTarget {
        #aborted = false; #reason; #followers = []; #roots;
        constructor(key) {
            super();
            if (key !== ABORT) throw new TypeError('Illegal constructor');
        }
        get aborted() { return this.#aborted; }
        get reason() { return this.#reason; }
        throwIfAborted() { if (this.#aborted) throw this.#reason; }
        [ABORT](reason = new DOMException('This operation was aborted', 'AbortError')) {
            if (this.#aborted) return;
            const all = [this, ...this.#followers.filter((signal) => !signal.#aborted)];
            for (const signal of all) { signal.#aborted = true; signal.#reason = reason; }
            for (const signal of all) signal.dispatchEvent(new Event('abort'));
        }
        static abort(reason) { const signal = new AbortSignal(ABORT); signal[ABORT](reason); return signal; }
        static timeout(ms) {
            const number = Number(ms);
            if (!(number >= 0 && number <= Number.MAX_SAFE_INTEGER)) throw new TypeError('a timeout is a number that is not negative');
            const signal = new AbortSignal(ABORT);
            setTimeout(() => signal[ABORT](new DOMException('The operation was aborted due to timeout', 'TimeoutError')), number);
            return signal;
        }
        static any(signals) {
            const signal = new AbortSignal(ABORT), all = [...signals];
            for (const source of all) if (!(source instanceof AbortSignal)) throw new TypeError('AbortSignal.any takes signals');
            const aborted = all.find((source) => source.aborted);
            if (aborted) signal[ABORT](aborted.reason);
            else for (const source of all) for (const root of source.#roots ?? [source]) { root.#followers.push(signal); (signal.#roots ??= []).push(root); }
            return signal;
        }
    }
    handlerProperty(AbortSignal.prototype, 'abort');
    class AbortController {
        #signal = new AbortSignal(ABORT);
        get signal() { return this.#signal; }
        abort(reason) { this.#signal[ABORT](reason); }
        get [Symbol.toStringTag]() { return 'AbortController'; }
    }
    internals.newSignal = () => new AbortSignal(ABORT);

    internals.cloneable = [];
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
        if (typeof error.stack === 'string') Object.defineProperty(made, 'stack', { value: error.stack, writable: true, configurable: true });
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
        if (value instanceof DOMException) return keep(new DOMException(value.message, value.name));
        if (value instanceof DataView) return keep(new DataView(cloneBuffer(value.buffer, seen), value.byteOffset, value.byteLength));
        if (ArrayBuffer.isView(value)) {
            const kind = value instanceof Buffer ? Uint8Array : value.constructor;
            return keep(new kind(cloneBuffer(value.buffer, seen), value.byteOffset, value.length));
        }
        if (value instanceof Error) return cloneError(value, seen);
        if (value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt) return keep(Object(value.valueOf()));
        for (const kind of internals.cloneable) if (value instanceof kind) return keep(internals.cloneOf(value));
        if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef)
            refuse(`a ${value.constructor.name}`);
        return copyOwn(value, keep({}), seen);
    };
    const structuredClone = (...values) => {
        if (values.length === 0) throw new TypeError('structuredClone takes a value');
        const [value, options] = values, seen = new Map(), transfer = [...options?.transfer ?? []];
        for (const [i, item] of transfer.entries())
            if (!(item instanceof ArrayBuffer) || item.detached || transfer.indexOf(item) !== i) refuse('a value in the transfer list');
        const copy = clone(value, seen);
        for (const item of transfer) item.transfer();
        return copy;
    };

    class PerformanceEntry {
        constructor(name, entryType, startTime, duration, detail) { Object.assign(this, { name, entryType, startTime, duration, detail }); }
        toJSON() { return { ...this }; }
    }
    const entries = [];
    const timeOf = (mark, other) => {
        if (mark === undefined) return other;
        if (typeof mark === 'number') return mark;
        const found = entries.findLast((entry) => entry.entryType === 'mark' && entry.name === String(mark));
        if (!found) throw new DOMException(`the mark "${mark}" does not exist`, 'SyntaxError');
        return found.startTime;
    };
    const keepEntry = (entry) => { entries.push(entry); return entry; };
    const performance = {
        now: () => native.performanceNow(),
        get timeOrigin() { return Date.now() - native.performanceNow(); },
        mark: (name, { startTime = native.performanceNow(), detail = null } = {}) => keepEntry(new PerformanceEntry(String(name), 'mark', startTime, 0, detail)),
        measure(name, from, to) {
            const { start = from, end = to, duration, detail = null } = typeof from === 'object' && from !== null ? { start: undefined, end: undefined, ...from } : {};
            const last = timeOf(end, duration === undefined || start === undefined ? native.performanceNow() : timeOf(start) + duration);
            const first = start === undefined && duration !== undefined ? last - duration : timeOf(start, 0);
            return keepEntry(new PerformanceEntry(String(name), 'measure', first, last - first, detail));
        },
        getEntries: () => entries.toSorted((a, b) => a.startTime - b.startTime),
        getEntriesByType: (type) => performance.getEntries().filter((entry) => entry.entryType === type),
        getEntriesByName: (name, type) => performance.getEntries().filter((entry) => entry.name === name && (type === undefined || entry.entryType === type)),
        clearMarks: (name) => { for (let i = entries.length; i--;) if (entries[i].entryType === 'mark' && (name === undefined || entries[i].name === name)) entries.splice(i, 1); },
        clearMeasures: (name) => { for (let i = entries.length; i--;) if (entries[i].entryType === 'measure' && (name === undefined || entries[i].name === name)) entries.splice(i, 1); },
        toJSON: () => ({ timeOrigin: performance.timeOrigin }),
    };
    const navigator = { userAgent: 'TFaaS', hardwareConcurrency: 1 };
    internals.follow = (signal, source) => { if (source.aborted) signal[ABORT](source.reason); else source.addEventListener('abort', () => signal[ABORT](source.reason)); };
    internals.define(globalThis, { Event, CustomEvent, MessageEvent, ErrorEvent, EventTarget, AbortSignal, AbortController, structuredClone,
        reportError: (error) => native.report('Reported', error), performance, navigator });
})
