// streams.js - bytes that come in pieces: read by size, with an end that is known.

import { concat } from "./bytes.js";
import { Malformed } from "./errors.js";

const EMPTY = new Uint8Array(0);

/** Over an async iterable of Uint8Array. */
export class ByteReader {
    #source;
    #held = EMPTY;
    #ended = false;

    constructor(source) {
        this.#source = source[Symbol.asyncIterator]();
    }

    /** Waits until `size` bytes are there; false: the end comes first. */
    async has(size) {
        const parts = [this.#held];
        let held = this.#held.length;
        while (held < size && !this.#ended) {
            const { value, done } = await this.#source.next();
            if (done) this.#ended = true;
            else {
                parts.push(value);
                held += value.length;
            }
        }
        if (parts.length > 1) this.#held = concat(...parts);
        return held >= size;
    }

    async take(size) {
        if (!(await this.has(size))) throw new Malformed("truncated");
        return this.#cut(size);
    }

    /** Whatever is there, at least one byte and at most `most`; empty at the end. */
    async some(most) {
        await this.has(1);
        return this.#cut(Math.min(most, this.#held.length));
    }

    /** Everything up to the end, which must come within `most` bytes; else null. */
    async rest(most) {
        return (await this.has(most + 1)) ? null : this.#cut(this.#held.length);
    }

    /** QUIC variable-length integer (RFC 9000 section 16). */
    async varint() {
        const [first] = await this.take(1);
        let value = first & 0x3f;
        for (const byte of await this.take((1 << (first >> 6)) - 1)) value = value * 256 + byte;
        if (!Number.isSafeInteger(value)) throw new Malformed("a number is too large");
        return value;
    }

    /** Nothing more is wanted: lets go of the source. */
    async cancel() {
        this.#ended = true;
        await this.#source.return?.();
    }

    #cut(size) {
        const part = this.#held.subarray(0, size);
        this.#held = this.#held.subarray(size);
        return part;
    }
}

/** A ReadableStream as an async iterable (not every engine has that built in). */
export async function* iterate(stream) {
    const reader = stream.getReader();
    let ended = false;
    try {
        for (;;) {
            const { value, done } = await reader.read();
            if (done) {
                ended = true;
                return;
            }
            if (!(value instanceof Uint8Array)) throw new TypeError("a stream of Uint8Array is expected");
            if (value.length > 0) yield value;
        }
    } finally {
        if (!ended) await reader.cancel().catch(() => {});
        reader.releaseLock();
    }
}

/**
 * An async iterable as a ReadableStream; nothing is read ahead. `onCancel` is for iterables that have
 * something to let go before they have begun: a generator's `finally` does not run then.
 */
export function streamOf(iterable, onCancel) {
    const source = iterable[Symbol.asyncIterator]();
    return new ReadableStream({
        async pull(controller) {
            const { value, done } = await source.next();
            if (done) controller.close();
            else controller.enqueue(value.slice());
        },
        async cancel() {
            await source.return?.();
            await onCancel?.();
        },
    }, { highWaterMark: 0 });
}
