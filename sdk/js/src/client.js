// client.js - verify the core behind a URL, then call its functions so that nobody in between can
// read or change the call. Must never send a call that is not sealed to a verified lease, and never
// hand out an answer that did not open.

import { readResponse } from "./bhttp.js";
import { base64url, concat, text, unbase64url, unhex } from "./bytes.js";
import { random } from "./crypto.js";
import { Malformed, TfaasError, malformedIs } from "./errors.js";
import { DOMAIN_DEFAULT, checkName, hasNoContent, makeMessage, parseUrl, prepare, responseHash, splitFields }
    from "./message.js";
import { chooseAead, chunkedExchange, sessionExchange, wholeExchange } from "./ohttp.js";
import { readPolicy } from "./policy.js";
import { verifyReceipt } from "./receipt.js";
import { seal } from "./sealed.js";
import { ByteReader, iterate, streamOf } from "./streams.js";
import { verifyAll } from "./verify.js";

const LEASE_MARGIN_S = 5; // a lease or session that ends sooner is not begun with
const SESSION_AGE_MAX_S = 24 * 3600;
const EVIDENCE_MAX = 4 << 20, DOMAIN_MAX = 64 << 10, PROBLEM_MAX = 16 << 10;
const DATE_PROBLEM = "https://iana.org/assignments/http-problem-types#date";
const MISDIRECTED_PROBLEM = "tag:tfaas,2026:misdirected", PACKAGE_PROBLEM = "tag:tfaas,2026:package-mismatch";
const CORE_PROBLEM_STATUSES = [400, 412, 421];
const KEY_PROBLEM = "https://iana.org/assignments/http-problem-types#ohttp-key";
const SESSION_PROBLEM = "tag:tfaas,2026:session-unknown";
const FORMS = { whole: wholeExchange, chunked: chunkedExchange };

const mediaType = (response) => (response.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();

function withoutSlash(url) {
    let u;
    try {
        u = new URL(url);
    } catch {
        throw new TfaasError("usage", "baseUrl: a malformed URL");
    }
    if (u.protocol !== "https:" && u.protocol !== "http:") throw new TfaasError("usage", "baseUrl: not http or https");
    return (u.origin + u.pathname).replace(/\/+$/, "");
}

/** What is known of one trust domain. */
class Domain {
    constructor(name) {
        this.name = name;
        this.verification = null; // { report, leases }
        this.pending = null;
        this.session = null;
    }
}

export class Client {
    #baseUrl;
    #policy;
    #fetch;
    #now;
    #collateral;
    #fresh;
    #domains = new Map();
    #dateOffsetS = 0; // the core's clock, as told inside sealed answers, minus ours

    /**
     * @param {{baseUrl: string | URL, policy?: string | object, fetch?: typeof fetch, now?: () => number,
     *          collateral?: string | object, fresh?: boolean}} options now: Unix milliseconds
     */
    constructor({ baseUrl, policy, fetch: transport, now = Date.now, collateral, fresh = false }) {
        this.#baseUrl = withoutSlash(baseUrl);
        this.#policy = readPolicy(policy);
        this.#fetch = transport ?? ((...parameters) => globalThis.fetch(...parameters));
        this.#now = now;
        this.#collateral = collateral;
        this.#fresh = fresh;
    }

    // --- verification ---

    /** Fetches and checks anew. The report; does not throw for what the checks find. */
    async verify({ namespace = DOMAIN_DEFAULT, fresh = this.#fresh, signal } = {}) {
        const domain = this.#domain(namespace);
        const found = await this.#fetchAndVerify(domain, { fresh, cache: "no-store", signal });
        if (found.report.ok) domain.verification = found;
        else domain.verification = domain.session = null;
        return found.report;
    }

    #domain(namespace) {
        checkName(namespace, "namespace");
        if (!this.#domains.has(namespace)) this.#domains.set(namespace, new Domain(namespace));
        return this.#domains.get(namespace);
    }

    #nowS() {
        return Math.floor(this.#now() / 1000);
    }

    async #fetchAndVerify(domain, { fresh, ...init }) {
        const nonce = fresh ? random(32) : undefined;
        const query = `?namespace=${domain.name}${nonce ? `&nonce=${base64url(nonce)}` : ""}`;
        const [evidence, domainStatement] = await Promise.all([
            this.#get(`/.well-known/tfaas/evidence${query}`, "application/vnd.tfaas.evidence+json", EVIDENCE_MAX, init),
            this.#get(`/.well-known/tfaas/domain?namespace=${domain.name}`, "application/vnd.tfaas.domain+cbor",
                      DOMAIN_MAX, init),
        ]);
        let json;
        try {
            json = text(evidence);
        } catch {
            json = ""; // not UTF-8: verifyAll says that it is malformed
        }
        return verifyAll({
            evidence: json, domainStatement, policy: this.#policy, domain: domain.name, now: this.#nowS(), nonce,
            collateral: this.#collateral,
        });
    }

    async #send(path, init) {
        try {
            return await this.#fetch(this.#baseUrl + path, {
                cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer", ...init,
            });
        } catch (error) {
            if (init.signal?.aborted) throw error;
            if (error instanceof TfaasError) throw error;
            throw new TfaasError("transport", `no answer came through: ${error.cause?.message ?? error.message}`,
                                 { cause: error });
        }
    }

    async #get(path, type, most, init) {
        const response = await this.#send(path, { method: "GET", ...init });
        if (response.status !== 200) throw await this.#refusal(response);
        if (mediaType(response) !== type) throw new TfaasError("host_refused", `the answer is not ${type}`);
        const reader = new ByteReader(this.#carry(response));
        const bytes = await reader.rest(most);
        await reader.cancel();
        if (!bytes) throw new TfaasError("response_too_large", "evidence or domain statement is too large");
        return bytes;
    }

    /** The bytes of an answer; a cut connection is a transport failure. */
    async *#carry(response) {
        if (!response.body) return;
        try {
            yield* iterate(response.body);
        } catch (error) {
            if (error instanceof TfaasError || error?.name === "AbortError") throw error;
            throw new TfaasError("transport", `the answer broke off: ${error.message}`, { cause: error });
        }
    }

    /** A verification that holds now, with a lease to begin with. */
    async #ready(domain, signal, anew) {
        if (!anew && domain.verification && this.#lease(domain)) return domain.verification;
        domain.pending ??= this.#renew(domain, anew ? "no-store" : "default").finally(() => (domain.pending = null));
        return abortable(domain.pending, signal);
    }

    async #renew(domain, cache) {
        const found = await this.#fetchAndVerify(domain, { fresh: this.#fresh, cache });
        if (!found.report.ok) {
            domain.verification = domain.session = null;
            throw Object.assign(found.report.error, { report: found.report });
        }
        domain.verification = found;
        return found;
    }

    /** Any lease that still has time, so that workers share the load. */
    #lease(domain) {
        const now = this.#nowS();
        const { report, leases } = domain.verification;
        if (now > report.notAfter || now - report.notBefore > this.#policy.maximumAgeS) return null;
        const live = leases.filter(({ notAfter }) => notAfter > now + LEASE_MARGIN_S);
        return live.length > 0 ? live[Math.floor(Math.random() * live.length)] : null;
    }

    // --- calls ---

    /** As globalThis.fetch, sealed. @returns {Promise<Response>} */
    async fetch(url, init = {}) {
        const options = readOptions(init.tfaas);
        const target = parseUrl(url, `${this.#baseUrl}/`, options.namespace);
        if (target.baseUrl !== this.#baseUrl) throw new TfaasError("usage", "the URL is of another host than baseUrl");
        init.signal?.throwIfAborted();
        const domain = this.#domain(target.domain);
        const call = { target, options, domain, signal: init.signal, prepared: await prepare(target, init, options) };
        const once = options.once || call.prepared.body.stream !== undefined;
        let anew = false;
        for (let attempt = 0; ; attempt++) {
            try {
                return await this.#attempt(call, anew);
            } catch (error) {
                // Each reason may be mended once: by a new fetch, a new session, a corrected date.
                if (once || attempt === 2 || call.mended === error.code) throw error;
                if (error.code === "session_unknown") domain.session = null;
                else if (error.code === "key_unknown" || error.code === "request_not_opened") {
                    // Not opened: a host that was started again may have another key with the same id.
                    anew = true;
                    domain.session = null;
                } else if (error.code !== "date_refused" || error.offsetS === undefined) throw error;
                if (error.code === "date_refused") this.#dateOffsetS = error.offsetS;
                call.mended = error.code;
            }
        }
    }

    async #attempt(call, anew) {
        const { domain, options, prepared, signal } = call;
        const { report } = await this.#ready(domain, signal, anew);
        const exchange = await this.#exchange(call);
        const asksSession = options.session && !exchange.inSession;
        const message = makeMessage(prepared, this.#now() + this.#dateOffsetS * 1000, asksSession);
        const response = await this.#post(call, exchange, message);
        if (response.status !== 200 || mediaType(response) !== exchange.responseType)
            throw await this.#refusal(response);
        const reader = new ByteReader(exchange.open(this.#carry(response)));
        try {
            const head = await malformedIs("response_form", () => readResponse(reader));
            return await this.#answer(call, { report, exchange, message, head, reader, asksSession });
        } catch (error) {
            await reader.cancel();
            throw error;
        }
    }

    async #exchange({ domain, options, prepared }) {
        const session = this.#session(domain, options);
        if (session) {
            const exchange = await sessionExchange(session, ++session.sequence);
            return Object.assign(exchange, { inSession: true, keyId: session.keyId });
        }
        const { config } = this.#lease(domain) ?? {};
        if (!config) throw new TfaasError(domain.verification?.leases.length === 0 ? "lease_missing" : "lease_expired");
        const form = prepared.body.stream ? "chunked" : options.form;
        return malformedIs("lease_form", async () =>
            Object.assign(await FORMS[form](config, chooseAead(config)), { inSession: false, keyId: config.id }));
    }

    #session(domain, options) {
        if (!options.session || options.form === "whole") return null;
        const { session } = domain;
        return session && this.#nowS() + LEASE_MARGIN_S < session.endsAt ? session : null;
    }

    async #post({ target, options, signal }, exchange, message) {
        const path = options.gateway
            ? `/.well-known/ohttp-gateway?namespace=${target.domain}`
            : `/function/${target.outerName}`;
        const init = { method: "POST", headers: { "content-type": exchange.requestType }, signal };
        if (!message.pieces) return this.#send(path, { ...init, body: await exchange.sealAll(message.plain) });
        return this.#send(path, { ...init, body: streamOf(exchange.sealStream(message.pieces)), duplex: "half" });
    }

    /** What an answer in clear means. All of it is the host's word only. */
    async #refusal(response) {
        const { status } = response;
        if (status >= 200 && status < 300) {
            await response.body?.cancel().catch(() => {});
            return new TfaasError("downgrade");
        }
        let problem = {};
        const reader = new ByteReader(this.#carry(response));
        const bytes = await reader.rest(PROBLEM_MAX).catch(() => null);
        await reader.cancel();
        try {
            problem = JSON.parse(text(bytes)) ?? {};
        } catch {
            // it has no reason that this client knows
        }
        const code = { [KEY_PROBLEM]: "key_unknown", [SESSION_PROBLEM]: "session_unknown" }[problem.type] ??
            { 400: "request_not_opened", 409: "replay_reported", 503: "unavailable" }[status] ?? "host_refused";
        const plain = bytes && bytes.length <= 200 ? String.fromCharCode(...bytes).trim() : "";
        const said = [problem.title, problem.detail, plain].find((one) => typeof one === "string") ?? "";
        return new TfaasError(code, `the host answers ${status}${said ? `: ${said.slice(0, 200)}` : ""}`, { status });
    }

    // --- the opened answer ---

    async #answer(call, opened) {
        const { head, exchange, asksSession } = opened;
        const { headers, own } = splitFields(head.fields);
        if (asksSession && own.has("tfaas-session")) await this.#begin(call.domain, own.get("tfaas-session"), exchange);
        if (headers.get("content-type") === "application/problem+json" && CORE_PROBLEM_STATUSES.includes(head.status))
            await this.#coreProblem(head, headers, own.has("tfaas-package"));
        const digest = /^sha256:([0-9a-f]{64})$/.exec(own.get("tfaas-package") ?? "")?.[1] ?? null;
        this.#checkPackage(call, head.status, digest);
        return this.#response(call, opened, headers, digest);
    }

    async #begin(domain, field, exchange) {
        const match = /^([A-Za-z0-9_-]{22}); ?max-age=(\d{1,9})$/.exec(field);
        const id = match && unbase64url(match[1]);
        if (!id) return; // no session then
        const age = Math.min(Number(match[2]), SESSION_AGE_MAX_S);
        domain.session = {
            id, secret: await exchange.exportSecret("tfaas session", 32), aead: exchange.aead, keyId: exchange.keyId,
            sequence: 0, endsAt: this.#nowS() + age,
        };
    }

    /**
     * The core's own reasons not to run a call are thrown, everything else is an answer. One of before it took the
     * call names no package: a function cannot say such a thing, and so have itself called again.
     */
    async #coreProblem(head, headers, taken) {
        const parts = [];
        let size = 0;
        let trailers = null;
        while (size <= PROBLEM_MAX && trailers === null) {
            const { value, done } = await malformedIs("response_form", () => head.content.next());
            if (done) trailers = value;
            else {
                parts.push(value);
                size += value.length;
            }
        }
        head.content = resumed(parts, trailers, head.content);
        let problem = null;
        try {
            problem = JSON.parse(text(concat(...parts)));
        } catch {
            // not a problem document that this client knows
        }
        if (problem?.type === PACKAGE_PROBLEM) throw new TfaasError("package_mismatch");
        if (problem?.type === MISDIRECTED_PROBLEM && !taken) throw new TfaasError("function_mismatch");
        if (problem?.type !== DATE_PROBLEM || taken) return;
        const core = Date.parse(headers.get("date") ?? "");
        throw new TfaasError("date_refused", "the core refuses the request's date", {
            offsetS: Number.isFinite(core) ? Math.round(core / 1000) - this.#nowS() : undefined,
        });
    }

    #checkPackage({ options }, status, digest) {
        if (options.package === undefined) return;
        if (digest === null && status >= 400) return; // the core's own failure: nothing ran
        if (digest !== options.package)
            throw new TfaasError("package_mismatch", `the package is ${digest ?? "not named"}`);
    }

    #response(call, opened, headers, digest) {
        const { head, exchange } = opened;
        const done = deferred();
        const body = streamOf(this.#content(call, opened, done), () => {
            done.reject(notRead());
            return opened.reader.cancel();
        });
        const empty = hasNoContent(head.status) || call.prepared.method === "HEAD";
        const response = new Response(empty ? null : body, { status: head.status, headers });
        if (empty) void drain(body);
        const outer = exchange.requestType === "message/ohttp-req" ? "whole" : "chunked";
        const form = exchange.inSession ? "session" : outer;
        Object.defineProperty(response, "tfaas", {
            value: Object.freeze({ package: digest, form, keyId: exchange.keyId, receipt: done.promise }),
        });
        return response;
    }

    /** The content; throws where it is not whole, or its receipt does not hold. */
    async *#content(call, { head, reader, report, message }, done) {
        try {
            const hash = call.options.receipt ? responseHash(head.status, head.fields) : null;
            let trailers;
            try {
                for (;;) {
                    const { value, done: end } = await head.content.next();
                    if (end) {
                        trailers = value;
                        break;
                    }
                    hash?.update(value);
                    yield value;
                }
            } catch (error) {
                throw error instanceof Malformed ? new TfaasError("response_form", error.message) : error;
            }
            const found = hash ? await this.#receipt(call, report, message, hash, trailers ?? []) : null;
            done.resolve(found);
        } catch (error) {
            done.reject(error);
            throw error;
        } finally {
            done.reject(notRead()); // unless it is settled
            await reader.cancel();
        }
    }

    async #receipt({ target, options }, report, message, hash, trailers) {
        const value = trailers.find(([name]) => name === "tfaas-receipt")?.[1];
        if (value === undefined) throw new TfaasError("receipt_missing");
        const claims = await verifyReceipt(value, report, {
            requestHash: message.requestHash(), responseHash: hash.digest(), packageDigest: options.package,
            functionName: `${target.name}.${target.domain}`,
        });
        return { text: value, claims };
    }

    // --- sealing to the verified domain ---

    /** Seals a secret so that only verified workers that run one of `packages` read it. */
    async sealSecret(name, value, { namespace = DOMAIN_DEFAULT, packages = [], signal } = {}) {
        return this.#seal("secret", name, value, { namespace, packages, signal });
    }

    /** Seals a package: the function `name` becomes confidential. */
    async sealPackage(name, value, { namespace = DOMAIN_DEFAULT, logKey, signal } = {}) {
        return this.#seal("package", name, value, { namespace, logKey, signal });
    }

    async #seal(kind, name, value, { namespace, packages, logKey, signal }) {
        const domain = this.#domain(namespace);
        const { report } = await this.#ready(domain, signal);
        return seal({ kind, domain: namespace, name, packages, logKey, sealingKey: report.sealingKey }, value);
    }
}

// --- small things ---

const OPTIONS = ["policy", "receipt", "package", "session", "namespace", "form", "gateway", "once"];

function readOptions(options = {}) {
    for (const key of Object.keys(options))
        if (!OPTIONS.includes(key)) throw new TfaasError("usage", `tfaas.${key} is no option`);
    const { form = "chunked", session = true, receipt = false, gateway = false, once = false, namespace } = options;
    if (!Object.hasOwn(FORMS, form))
        throw new TfaasError("usage", `tfaas.form is one of ${Object.keys(FORMS).join(", ")}`);
    let digest = options.package;
    if (digest !== undefined) {
        digest = String(digest).replace(/^sha256:/, "");
        if (digest !== digest.toLowerCase() || !unhex(digest, 32))
            throw new TfaasError("usage", "tfaas.package is not a SHA-256 in lower-case hex");
    }
    return { form, session, receipt, gateway, once, namespace, package: digest };
}

const notRead = () => new TfaasError("stopped", "the body was not read to its end");

/** Content whose beginning was read already. */
async function* resumed(parts, trailers, rest) {
    yield* parts;
    return trailers ?? (yield* rest);
}

function deferred() {
    const to = {};
    to.promise = new Promise((resolve, reject) => Object.assign(to, { resolve, reject }));
    to.promise.catch(() => {}); // who reads the body sees the failure there
    return to;
}

async function drain(stream) {
    try {
        for await (const part of iterate(stream)) void part;
    } catch {
        // tfaas.receipt tells
    }
}

function abortable(promise, signal) {
    if (!signal) return promise;
    return new Promise((resolve, reject) => {
        const stop = () => reject(signal.reason);
        if (signal.aborted) return stop();
        signal.addEventListener("abort", stop, { once: true });
        promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    });
}

// --- without a client of one's own ---

export const createClient = (options) => new Client(options);

/** Verifies the core behind `baseUrl`: a report of numbered checks. With a nonce of ours. */
export function verify(baseUrl, policy, { namespace, fresh = true, signal, ...options } = {}) {
    return new Client({ baseUrl, policy, ...options }).verify({ namespace, fresh, signal });
}

const shared = new Map();
const SHARED_MAX = 64;

/**
 * fetch, sealed: init.tfaas.policy is needed. Clients are kept, one per host and policy, so that
 * evidence is verified once per its life and later calls run in sessions.
 */
export async function tfaasFetch(url, init = {}) {
    const { policy, ...options } = init.tfaas ?? {};
    const { baseUrl } = parseUrl(url, globalThis.location?.href, options.namespace);
    const key = `${baseUrl}\n${typeof policy === "string" ? policy : JSON.stringify(policy ?? null)}`;
    let client = shared.get(key);
    if (!client) {
        client = new Client({ baseUrl, policy });
        if (shared.size === SHARED_MAX) shared.delete(shared.keys().next().value);
        shared.set(key, client);
    }
    return client.fetch(new URL(url, globalThis.location?.href), { ...init, tfaas: options });
}
