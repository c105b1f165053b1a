// json.js - JSON in which no object has a member twice (RFC 8259 leaves it open which one counts).

/** Throws SyntaxError. */
export function parseJson(text) {
    const value = JSON.parse(text);
    if (hasDoubles(text)) throw new SyntaxError("a member is there twice");
    return value;
}

/** `text` is JSON already. */
function hasDoubles(text) {
    const open = []; // per object its names; per array null
    for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:[ \t\r\n]*:)?|[{}[\]]/g)) {
        if (token === "{") open.push(new Set());
        else if (token === "[") open.push(null);
        else if (token === "}" || token === "]") open.pop();
        else if (token.endsWith(":")) {
            const names = open[open.length - 1], name = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1));
            if (names.has(name)) return true;
            names.add(name);
        }
    }
    return false;
}
