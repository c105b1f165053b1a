// Text for people: inspect(), format() and console. Lines go to the function's log.
((native, internals) => {
    const DEPTH = 3, ITEMS = 100, LINE = 76;

    const quote = (text) => {
        const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : '`';
        return mark + text.replace(/[\\\n\r\t\u0000-\u001f]/g, (c) =>
            ({ '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' })[c] ??
            '\\x' + c.charCodeAt(0).toString(16).padStart(2, '0')) + mark;
    };
    const keyText = (key) => typeof key === 'symbol' ? `[${String(key)}]`
        : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key);
    const errorText = (error) => {
        const head = `${error.name ?? 'Error'}: ${error.message ?? ''}`;
        const stack = typeof error.stack === 'string'
            ? error.stack.split('\n').filter((line) => line && !line.includes('tfaas:')) : [];
        return [head, ...stack].join('\n');
    };

    const primitive = (value) => {
        switch (typeof value) {
        case 'string': return quote(value);
        case 'bigint': return `${value}n`;
        case 'number': return Object.is(value, -0) ? '-0' : String(value);
        default: return String(value);
        }
    };
    const layout = (open, parts, close) => {
        if (parts.length === 0) return open + close;
        const line = `${open} ${parts.join(', ')} ${close}`;
        if (line.length <= LINE && !line.includes('\n')) return line;
        return `${open}\n${parts.map((p) => '  ' + p.replaceAll('\n', '\n  ')).join(',\n')}\n${close}`;
    };
    const own = (value, show) => Reflect.ownKeys(value)
        .filter((key) => Object.getOwnPropertyDescriptor(value, key)?.enumerable)
        .map((key) => {
            const property = Object.getOwnPropertyDescriptor(value, key);
            const text = property.get ? (property.set ? '[Getter/Setter]' : '[Getter]')
                : property.set ? '[Setter]' : show(property.value);
            return `${keyText(key)}: ${text}`;
        });
    const limited = (items, show) => {
        const parts = [];
        for (const item of items) {
            if (parts.length === ITEMS) { parts.push('... more items'); break; }
            parts.push(show(item));
        }
        return parts;
    };

    const inspectObject = (value, depth, seen) => {
        if (seen.includes(value)) return '[Circular]';
        const name = value.constructor?.name;
        if (typeof value === 'function') {
            const kind = /^class\b/.test(Function.prototype.toString.call(value)) ? 'class' : 'Function:';
            const head = value.name ? `[${kind} ${value.name}]` : `[${kind.replace(':', '')} (anonymous)]`;
            const extra = own(value, (v) => inspect(v, depth - 1, [...seen, value]));
            return extra.length ? layout(`${head} {`, extra, '}') : head;
        }
        const asked = value[internals.inspectCustom];
        if (typeof asked === 'function' && asked !== inspect) {
            const told = asked.call(value, depth, {}, (v, options) => inspect(v, options?.depth ?? depth));
            return typeof told === 'string' ? told : inspect(told, depth, [...seen, value]);
        }
        if (value instanceof Error) {
            const extra = own(value, (v) => inspect(v, depth - 1, [...seen, value])).filter((part) => !/^(stack|message|name):/.test(part));
            const cause = Object.getOwnPropertyDescriptor(value, 'cause');
            if (cause && !cause.enumerable) extra.push(`[cause]: ${inspect(cause.value, depth - 1, [...seen, value])}`);
            return extra.length ? `${errorText(value)} ${layout('{', extra, '}')}` : errorText(value);
        }
        if (value instanceof Date) return isNaN(value) ? 'Invalid Date' : value.toISOString();
        if (value instanceof RegExp) return String(value);
        if (value instanceof Promise) return 'Promise {}';
        if (depth < 0) return Array.isArray(value) ? '[Array]' : `[${name ?? 'Object'}]`;
        const show = (v) => inspect(v, depth - 1, [...seen, value]);
        if (Array.isArray(value)) return layout('[', limited(value, show), ']');
        if (value instanceof Map)
            return layout(`Map(${value.size}) {`, limited(value, ([k, v]) => `${show(k)} => ${show(v)}`), '}');
        if (value instanceof Set) return layout(`Set(${value.size}) {`, limited(value, show), '}');
        if (internals.isBuffer?.(value))
            return `<Buffer ${[...value.subarray(0, 50)].map((b) => b.toString(16).padStart(2, '0')).join(' ')}>`;
        if (ArrayBuffer.isView(value) && !(value instanceof DataView))
            return layout(`${name}(${value.length}) [`, limited(value, show), ']');
        if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
        const open = name === undefined ? '[Object: null prototype] {' : name === 'Object' ? '{' : `${name} {`;
        const custom = value[internals.inspectParts];
        const parts = custom ? Object.entries(custom.call(value)).map(([k, v]) => `${keyText(k)}: ${show(v)}`)
            : own(value, show);
        return layout(open, parts, '}');
    };
    const inspect = (value, depth = DEPTH, seen = []) =>
        (typeof value === 'object' && value !== null) || typeof value === 'function'
            ? inspectObject(value, depth, seen) : primitive(value);

    const format = (first, ...rest) => {
        let at = 0;
        let text = '';
        if (typeof first === 'string') {
            text = first.replace(/%[sdifjoOc%]/g, (code) => {
                if (code === '%%') return '%';
                if (at >= rest.length) return code;
                const value = rest[at++];
                switch (code) {
                case '%s': return typeof value === 'string' ? value : inspect(value, 0);
                case '%d': return typeof value === 'bigint' ? `${value}n` : String(Number(value));
                case '%i': return String(parseInt(value, 10));
                case '%f': return String(parseFloat(value));
                case '%j': try { return JSON.stringify(value); } catch { return '[Circular]'; }
                case '%c': return '';
                default: return inspect(value);
                }
            });
        } else {
            text = inspect(first);
        }
        for (; at < rest.length; at++)
            text += ' ' + (typeof rest[at] === 'string' ? rest[at] : inspect(rest[at]));
        return text;
    };

    internals.inspectParts = Symbol('inspect');
    internals.inspectCustom = Symbol.for('nodejs.util.inspect.custom');
    internals.inspect = inspect;
    internals.format = format;

    let indent = '';
    const counts = new Map(), starts = new Map();
    const print = (...values) => {
        const text = values.length ? format(...values) : '';
        native.log(indent ? indent + text.replaceAll('\n', '\n' + indent) : text);
    };
    const elapsed = (label) => `${label}: ${(native.performanceNow() - starts.get(label)).toFixed(3)}ms`;
    // console.table: rows of an array, a Map or an object; columns in the order in which they come up
    const table = (data, wanted) => {
        if (typeof data !== 'object' || data === null) { print(data); return; }
        const isMap = data instanceof Map, list = isMap ? [...data] : data instanceof Set ? [...data].map((v, i) => [i, v]) : Object.entries(data);
        const columns = [], rows = [];
        let values = false;
        for (const [key, row] of list) {
            const cells = new Map();
            if (typeof row === 'object' && row !== null) {
                for (const name of wanted ?? Object.keys(row)) {
                    if (!columns.includes(name)) columns.push(name);
                    if (Object.hasOwn(row, name)) cells.set(name, inspect(row[name], 0));
                }
                rows.push([String(key), cells, undefined]);
            } else { values = true; rows.push([String(key), cells, inspect(row, 0)]); }
        }
        const head = [isMap || data instanceof Set ? '(iteration index)' : '(index)', ...columns.map(String), ...(values ? ['Values'] : [])];
        const lines = rows.map(([key, cells, value]) => [key, ...columns.map((name) => cells.get(name) ?? ''), ...(values ? [value ?? ''] : [])]);
        const widths = head.map((text, i) => Math.max(text.length, ...lines.map((line) => line[i].length)) + 2);
        const centre = (text, width) => { const left = (width - text.length) >> 1; return ' '.repeat(left) + text + ' '.repeat(width - text.length - left); };
        const rule = (a, b, c) => a + widths.map((width) => '\u2500'.repeat(width)).join(b) + c;
        const line = (cells) => '\u2502' + cells.map((text, i) => centre(text, widths[i])).join('\u2502') + '\u2502';
        print([rule('\u250c', '\u252c', '\u2510'), line(head), rule('\u251c', '\u253c', '\u2524'), ...lines.map(line), rule('\u2514', '\u2534', '\u2518')].join('\n'));
    };
    const console = {
        log: print, info: print, debug: print, warn: print, error: print, dirxml: print,
        trace(...values) {
            const stack = new Error().stack.split('\n').filter((l) => l && !l.includes('tfaas:'));
            print([format('Trace:', ...values), ...stack].join('\n'));
        },
        dir(value, options) { print(inspect(value, options?.depth === null ? Infinity : options?.depth)); },
        table,
        assert(good, ...values) {
            if (!good) print(values.length ? 'Assertion failed: ' + format(...values) : 'Assertion failed');
        },
        count(label = 'default') {
            counts.set(`${label}`, (counts.get(`${label}`) ?? 0) + 1);
            print(`${label}: ${counts.get(`${label}`)}`);
        },
        countReset(label = 'default') { counts.delete(`${label}`); },
        group(...values) { if (values.length) print(...values); indent += '  '; },
        groupEnd() { indent = indent.slice(2); },
        time(label = 'default') { starts.set(label, native.performanceNow()); },
        timeLog(label = 'default', ...values) { if (starts.has(label)) print(elapsed(label), ...values); },
        timeEnd(label = 'default') { if (starts.has(label)) print(elapsed(label)); starts.delete(label); },
        clear() {}, timeStamp() {}, profile() {}, profileEnd() {},
    };
    console.groupCollapsed = console.group;
    internals.define = (target, values) => {
        for (const [name, value] of Object.entries(values))
            Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
    };
    internals.define(globalThis, { console, global: globalThis, self: globalThis });
    internals.define(Math, { random: native.random });
    internals.define(JSON, { parse: native.json.parse, stringify: native.json.stringify });
})
