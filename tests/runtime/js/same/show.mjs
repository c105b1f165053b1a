// What a value looks like in the output of a script that runs in node and in our runtime alike.
const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
export const show = (value, depth = 0) => {
    if (value instanceof ArrayBuffer) return `bytes ${hex(new Uint8Array(value))}`;
    if (ArrayBuffer.isView(value)) return `bytes ${hex(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}`;
    if (value instanceof Error || value?.constructor?.name === 'DOMException') return `error ${value.name}`;
    if (typeof value === 'string') return JSON.stringify(value);
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'function') return 'function';
    if (typeof value === 'symbol' || typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value);
    if (depth > 6) return '...';
    if (Array.isArray(value)) return `[${value.map((each) => show(each, depth + 1)).join(', ')}]`;
    if (value instanceof Map) return `Map${show([...value], depth + 1)}`;
    if (value instanceof Set) return `Set${show([...value], depth + 1)}`;
    if (value instanceof Date) return `Date ${Number(value)}`;
    if (value instanceof RegExp) return String(value);
    return `{${Object.keys(value).map((key) => `${key}: ${show(value[key], depth + 1)}`).join(', ')}}`;
};
// Runs a script; what it throws is a line as well.
export const lines = async (script) => {
    const out = [];
    const say = (label, value) => { out.push(`${label}: ${show(value)}`); };
    // the outcome of an action: a value or an error's name
    say.of = async (label, action) => {
        try { say(label, await action()); } catch (error) { say(label, error); }
    };
    await script(say);
    return out;
};
