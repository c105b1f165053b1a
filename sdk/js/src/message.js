// message.js - between fetch and Binary HTTP: which function a URL names, the inner request with its
// hash for receipts, and a Response made of an opened answer.

import { bytesOf, concat } from "./bytes.js";
import { contentChunk, hashedRequestHead, hashedResponseHead, knownContent, requestHead, streamEnd } from "./bhttp.js";
import { Sha256 } from "./crypto.js";
import { TfaasError } from "./errors.js";
import { iterate } from "./streams.js";

export const DOMAIN_DEFAULT = "openfaas-fn";
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const HOP_BY_HOP = ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
                    "host", "expect", "content-length"];
const PIECE = 16384;

/** Name of a function or of a trust domain (OpenFaaS: RFC 1123 label). */
export function checkName(value, what) {
    if (typeof value !== "string" || !NAME.test(value)) throw new TfaasError("usage", `${what}: a malformed name`);
    return value;
}

/**
 * "https://host[/prefix]/function/NAME[.NS][/rest][?query]" in its parts.
 * @param {string | URL} url @param {string} [baseUrl] @param {string} [namespace]
 */
export function parseUrl(url, baseUrl, namespace) {
    let u;
    try {
        u = new URL(url, baseUrl);
    } catch {
        throw new TfaasError("usage", "a malformed URL");
    }
    const match = /^(.*?)\/function\/([^/]+)(\/.*)?$/.exec(u.pathname);
    if (!match)
        throw new TfaasError("usage", "the URL is not of the form https://host/function/NAME[.NAMESPACE][/rest]");
    const [, prefix, full, rest = ""] = match;
    const dot = full.indexOf(".");
    const name = checkName(dot < 0 ? full : full.slice(0, dot), "function");
    const named = dot < 0 ? undefined : full.slice(dot + 1);
    if (named !== undefined && namespace !== undefined && named !== namespace)
        throw new TfaasError("usage", "the URL names another namespace than the options");
    const domain = checkName(named ?? namespace ?? DOMAIN_DEFAULT, "namespace");
    const outerName = domain === DOMAIN_DEFAULT && named === undefined ? name : `${name}.${domain}`;
    return {
        baseUrl: u.origin + prefix, scheme: u.protocol.slice(0, -1), authority: u.host, name, domain, outerName,
        path: `/function/${outerName}${rest}${u.search}`,
    };
}

/** The body of an init: { bytes } or { stream }, and the content type that it brings. */
export async function readBody(body) {
    if (body === undefined || body === null) return { bytes: new Uint8Array(0), type: null };
    if (body instanceof ReadableStream) return { stream: iterate(body), type: null };
    if (typeof body[Symbol.asyncIterator] === "function") return { stream: body, type: null };
    if (body instanceof Uint8Array) return { bytes: body, type: null };
    const held = new Response(body);
    return { bytes: new Uint8Array(await held.arrayBuffer()), type: held.headers.get("content-type") };
}

export const canStreamRequests = () => typeof globalThis.process?.versions?.node === "string";

export async function collect(source) {
    const parts = [];
    for await (const part of source) parts.push(bytesOf(part));
    return concat(...parts);
}

function fieldsOf(init, type, more) {
    const headers = new Headers(init.headers);
    if (type && !headers.has("content-type")) headers.set("content-type", type);
    const fields = [];
    for (const [name, value] of headers) {
        if (name.startsWith("tfaas-") || name === "date")
            throw new TfaasError("usage", `the field "${name}" is not for callers`);
        if (!HOP_BY_HOP.includes(name)) fields.push([name, value]);
    }
    return [...fields, ...more];
}

/** Everything of a call that does not change when it is sent again. */
export async function prepare(target, init, options) {
    const method = (init.method ?? "GET").toUpperCase();
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Z]+$/.test(method)) throw new TfaasError("usage", "a malformed method");
    const body = await readBody(init.body);
    if (init.body !== undefined && init.body !== null && (method === "GET" || method === "HEAD"))
        throw new TfaasError("usage", `${method} has no body`);
    if (body.stream && !canStreamRequests()) {
        body.bytes = await collect(body.stream);
        delete body.stream;
    }
    const fields = fieldsOf(init, body.type, [
        ...(options.package ? [["tfaas-package", `sha256:${options.package}`]] : []),
        ...(options.receipt ? [["tfaas-receipt", "1"]] : []),
    ]);
    return { method, body, fields, scheme: target.scheme, authority: target.authority, path: target.path };
}

/** One sending of it: { plain } or { pieces }, and the hash that a receipt must hold. */
export function makeMessage(prepared, dateMs, asksSession) {
    const { method, scheme, authority, path, body } = prepared;
    const fields = [...prepared.fields, ["date", new Date(dateMs).toUTCString()]];
    if (asksSession) fields.push(["tfaas-session", "1"]);
    const request = { method, scheme, authority, path, fields };
    const hash = new Sha256().update(hashedRequestHead(request));
    if (!body.stream) {
        hash.update(body.bytes);
        const digest = hash.digest();
        return { plain: concat(requestHead(request, false), knownContent(body.bytes)), requestHash: () => digest };
    }
    return {
        pieces: pieces(request, body.stream, hash),
        requestHash: () => hash.digest(),
    };
}

async function* pieces(request, stream, hash) {
    yield requestHead(request, true);
    for await (const part of stream) {
        const bytes = bytesOf(part);
        hash.update(bytes);
        for (let at = 0; at < bytes.length; at += PIECE) yield contentChunk(bytes.subarray(at, at + PIECE));
    }
    yield streamEnd();
}

/** Splits an opened head: what callers see, and what is the core's. */
export function splitFields(fields) {
    const headers = new Headers(), own = new Map();
    for (const [name, value] of fields) {
        if (name.startsWith("tfaas-")) own.set(name, value);
        else headers.append(name, value);
    }
    return { headers, own };
}

export const responseHash = (status, fields) => new Sha256().update(hashedResponseHead(status, fields));

export const hasNoContent = (status) => [101, 103, 204, 205, 304].includes(status);
