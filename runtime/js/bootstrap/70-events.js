// node's events. EventEmitter is a plain function, so that packages written before classes can EventEmitter.call(this).
((native, internals) => {
    const { coded } = internals;
    const tables = new WeakMap(); // emitter -> Map of name -> [{ listener, once }]
    const listOf = (emitter, name) => tables.get(emitter)?.get(name) ?? [];
    const setList = (emitter, name, list) => {
        if (!tables.has(emitter)) tables.set(emitter, new Map());
        if (list.length) tables.get(emitter).set(name, list); else tables.get(emitter).delete(name);
        return emitter;
    };
    const check = (listener) => {
        if (typeof listener !== 'function')
            throw coded('ERR_INVALID_ARG_TYPE', `The "listener" argument must be of type function. Received ${listener === null ? 'null' : typeof listener}`, TypeError);
    };
    const add = (emitter, name, listener, once, front) => {
        check(listener);
        if (listOf(emitter, 'newListener').length) emitter.emit('newListener', name, listener);
        const entry = { listener, once }, list = listOf(emitter, name);
        return setList(emitter, name, front ? [entry, ...list] : [...list, entry]);
    };
    function EventEmitter() {}
    const methods = {
        on(name, listener) { return add(this, name, listener, false, false); },
        once(name, listener) { return add(this, name, listener, true, false); },
        prependListener(name, listener) { return add(this, name, listener, false, true); },
        prependOnceListener(name, listener) { return add(this, name, listener, true, true); },
        off(name, listener) {
            check(listener);
            const list = listOf(this, name), at = list.findLastIndex((entry) => entry.listener === listener || entry.listener.listener === listener);
            if (at < 0) return this;
            setList(this, name, list.toSpliced(at, 1));
            if (listOf(this, 'removeListener').length) this.emit('removeListener', name, listener);
            return this;
        },
        removeAllListeners(name) {
            const heard = listOf(this, 'removeListener').length > 0 && name !== 'removeListener';
            for (const each of name === undefined ? this.eventNames() : [name])
                if (heard && each !== 'removeListener') for (const { listener } of listOf(this, each).toReversed()) this.off(each, listener); else setList(this, each, []);
            if (name === undefined) tables.delete(this);
            return this;
        },
        emit(name, ...values) {
            const list = listOf(this, name);
            if (name === 'error' && list.length === 0) {
                if (values[0] instanceof Error) throw values[0];
                throw Object.assign(coded('ERR_UNHANDLED_ERROR', `Unhandled error. (${internals.inspect(values[0])})`, Error), { context: values[0] });
            }
            for (const entry of list) {
                if (entry.once) { // gone before it runs, and only once if it emits again
                    if (entry.done) continue;
                    entry.done = true;
                    setList(this, name, listOf(this, name).filter((each) => each !== entry));
                    if (listOf(this, 'removeListener').length) this.emit('removeListener', name, entry.listener);
                }
                Reflect.apply(entry.listener, this, values);
            }
            return list.length > 0;
        },
        listeners(name) { return listOf(this, name).map((entry) => entry.listener); },
        rawListeners(name) {
            return listOf(this, name).map(({ listener, once }) => (once ? Object.assign((...values) => { this.off(name, listener); return listener.apply(this, values); }, { listener }) : listener));
        },
        listenerCount(name, listener) { const list = listOf(this, name); return listener ? list.filter((entry) => entry.listener === listener).length : list.length; },
        eventNames() { return [...(tables.get(this)?.keys() ?? [])]; },
        setMaxListeners(count) { limits.set(this, count); return this; },
        getMaxListeners() { return limits.get(this) ?? EventEmitter.defaultMaxListeners; },
    };
    const limits = new WeakMap();
    internals.define(EventEmitter.prototype, methods);
    internals.define(EventEmitter.prototype, { addListener: methods.on, removeListener: methods.off, _events: undefined, _eventsCount: 0, _maxListeners: undefined });
    const once = (emitter, name, { signal } = {}) => new Promise((resolve, reject) => {
        const stop = () => reject(Object.assign(new Error('The operation was aborted', { cause: signal.reason }), { name: 'AbortError', code: 'ABORT_ERR' }));
        if (signal?.aborted) { stop(); return; }
        signal?.addEventListener('abort', stop, { once: true });
        if (emitter instanceof EventTarget) { emitter.addEventListener(name, (event) => resolve([event]), { once: true }); return; }
        const failed = (reason) => { emitter.off(name, done); reject(reason); };
        const done = (...values) => { if (name !== 'error') emitter.off('error', failed); resolve(values); };
        emitter.once(name, done);
        if (name !== 'error') emitter.once('error', failed);
    });
    const on = (emitter, name, { signal } = {}) => {
        const ready = [], waiting = [];
        let failure = null, ended = false;
        const push = (...values) => { if (waiting.length) waiting.shift().resolve({ value: values, done: false }); else ready.push(values); };
        const fail = (reason) => { if (waiting.length) waiting.shift().reject(reason); else failure = { reason }; };
        emitter.on(name, push);
        if (name !== 'error') emitter.on('error', fail);
        signal?.addEventListener('abort', () => fail(signal.reason), { once: true });
        return {
            next() {
                if (ready.length) return Promise.resolve({ value: ready.shift(), done: false });
                if (failure) { const { reason } = failure; failure = null; ended = true; return Promise.reject(reason); }
                if (ended) return Promise.resolve({ value: undefined, done: true });
                const wait = Promise.withResolvers();
                waiting.push(wait);
                return wait.promise;
            },
            return() {
                ended = true;
                emitter.off(name, push);
                if (name !== 'error') emitter.off('error', fail);
                for (const wait of waiting.splice(0)) wait.resolve({ value: undefined, done: true });
                return Promise.resolve({ value: undefined, done: true });
            },
            [Symbol.asyncIterator]() { return this; },
        };
    };
    Object.assign(EventEmitter, { EventEmitter, defaultMaxListeners: 10, once, on, errorMonitor: Symbol('events.errorMonitor'), captureRejectionSymbol: Symbol.for('nodejs.rejection'),
        listenerCount: (emitter, name) => emitter.listenerCount(name), getEventListeners: (emitter, name) => emitter.listeners?.(name) ?? [],
        setMaxListeners() {}, usingDomains: false });
    internals.builtins = { events: EventEmitter };
})
