// json.js - JSON as the C client reads it: no object has a member twice (RFC 8259 leaves it open which
// one counts), no number has a fraction or exponent or leaves 64 bits, no text holds NUL or half a
// surrogate pair, and nothing is nested without end.

const DEPTH_MAX = 2000;
const INTEGER = /^-?\d{1,19}$/;
const TOKEN = /"(?:[^"\\]|\\.)*"(?:[ \t\r\n]*:)?|[{}[\]]|-?\d[\d.eE+-]*/g;

/** Throws SyntaxError. */
export function parseJson(text) {
    const value = JSON.parse(text);
    const what = objection(text);
    if (what) throw new SyntaxError(what);
    return value;
}

function wordOf(token) {
    const word = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1));
    return /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(word) ? null : word;
}

/** `text` is JSON already. */
function objection(text) {
    const open = []; // per object its names; per array null
    for (const [token] of text.matchAll(TOKEN)) {
        if (token === "{" || token === "[") {
            if (open.push(token === "{" ? new Set() : null) > DEPTH_MAX) return "nested too deeply";
        } else if (token === "}" || token === "]") open.pop();
        else if (token[0] === '"') {
            const word = wordOf(token);
            if (word === null) return "text that is no text";
            if (!token.endsWith(":")) continue;
            const names = open[open.length - 1];
            if (names.has(word)) return "a member is there twice";
            names.add(word);
        } else if (!INTEGER.test(token) || BigInt.asIntN(64, BigInt(token)) !== BigInt(token))
            return "a number that is no integer of 64 bits";
    }
    return null;
}
