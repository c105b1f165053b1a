// der.js - the DER (X.690) that certificates and revocation lists use, read strictly: definite and
// shortest lengths, low tag numbers, nothing behind the end. Every failure is a refusal.

import { Cursor, hex } from "../bytes.js";
import { reject } from "./reject.js";

export const TAG = {
    BOOLEAN: 0x01, INTEGER: 0x02, BIT_STRING: 0x03, OCTET_STRING: 0x04, NULL: 0x05, OID: 0x06, ENUMERATED: 0x0a,
    SEQUENCE: 0x30, SET: 0x31, UTC_TIME: 0x17, GENERALIZED_TIME: 0x18,
};

export class Der {
    #c;
    #what;

    constructor(bytes, what) {
        this.#c = new Cursor(bytes, () => reject(`${what}: malformed`));
        this.#what = what;
    }

    get more() {
        return this.#c.left > 0;
    }

    get tag() {
        return this.more ? this.#c.bytes[this.#c.at] : -1;
    }

    /** The next item, of this tag if one is given: { tag, value, raw }. */
    read(tag) {
        const start = this.#c.at;
        const found = this.#c.u8();
        if ((found & 0x1f) === 0x1f || (tag !== undefined && found !== tag)) throw this.bad();
        let size = this.#c.u8();
        if (size >= 0x80) {
            const more = size & 0x7f;
            if (more < 1 || more > 3) throw this.bad();
            size = this.#c.be(more);
            if (size < 0x80 || (more > 1 && size < 2 ** (8 * (more - 1)))) throw this.bad();
        }
        const value = this.#c.take(size);
        return { tag: found, value, raw: this.#c.bytes.subarray(start, this.#c.at) };
    }

    /** A reader of what is inside the next item of this tag. */
    enter(tag) {
        return new Der(this.read(tag).value, this.#what);
    }

    skip(tag) {
        if (this.tag === tag) this.read(tag);
        return this;
    }

    end() {
        this.#c.end();
    }

    oid() {
        const { value } = this.read(TAG.OID);
        if (value.length === 0 || value.length > 32) throw this.bad();
        return hex(value);
    }

    bool() {
        const { value } = this.read(TAG.BOOLEAN);
        if (value.length !== 1 || (value[0] !== 0 && value[0] !== 0xff)) throw this.bad();
        return value[0] !== 0;
    }

    /** A non-negative INTEGER or ENUMERATED below 2^32. */
    uint(tag = TAG.INTEGER) {
        const { value } = this.read(tag);
        if (!integerForm(value) || value[0] & 0x80 || value.length > 5 || (value.length === 5 && value[0] !== 0))
            throw this.bad();
        return value.reduce((sum, byte) => sum * 256 + byte, 0);
    }

    /** A positive INTEGER as its big-endian bytes, filled up to `size`. */
    bigInteger(size) {
        let { value } = this.read(TAG.INTEGER);
        if (!integerForm(value) || value[0] & 0x80) throw this.bad();
        if (value[0] === 0) value = value.subarray(1);
        if (value.length > size) throw this.bad();
        const to = new Uint8Array(size);
        to.set(value, size - value.length);
        return to;
    }

    /** BIT STRING of whole bytes. */
    bits() {
        const { value } = this.read(TAG.BIT_STRING);
        if (value.length < 1 || value[0] !== 0) throw this.bad();
        return value.subarray(1);
    }

    octets(size) {
        const { value } = this.read(TAG.OCTET_STRING);
        if (size !== undefined && value.length !== size) throw this.bad();
        return value;
    }

    /** UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 has them; Unix seconds. */
    time() {
        const { tag, value } = this.read();
        const text = String.fromCharCode(...value.subarray(0, 16));
        let match;
        if (tag === TAG.UTC_TIME && value.length === 13 && (match = /^(\d\d)(\d{10})Z$/.exec(text)))
            return moment((Number(match[1]) < 50 ? "20" : "19") + match[1] + match[2]) ?? this.#throw();
        if (tag === TAG.GENERALIZED_TIME && value.length === 15 && (match = /^(\d{14})Z$/.exec(text)))
            return moment(match[1]) ?? this.#throw();
        throw this.bad();
    }

    bad() {
        return reject(`${this.#what}: malformed`);
    }

    #throw() {
        throw this.bad();
    }
}

function integerForm(value) {
    if (value.length === 0) return false;
    return !(value.length > 1 && ((value[0] === 0 && value[1] < 0x80) || (value[0] === 0xff && value[1] >= 0x80)));
}

/** "YYYYMMDDhhmmss" to Unix seconds; null when there is no such day. */
export function moment(digits) {
    const part = (at, size) => Number(digits.substr(at, size));
    const fields = [part(0, 4), part(4, 2) - 1, part(6, 2), part(8, 2), part(10, 2), part(12, 2)];
    const date = new Date(Date.UTC(...fields));
    date.setUTCFullYear(fields[0]);
    const same = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours(),
                  date.getUTCMinutes(), date.getUTCSeconds()];
    return fields.every((field, i) => field === same[i]) ? date.getTime() / 1000 : null;
}
