// collateral.js - Intel's signed statements about platforms: TCB info and QE identity (over their
// exact bytes), their signer's chain, and the two revocation lists. Form: one JSON object of nine
// strings, as DCAP's quote providers hand it out.

import { equal, unhex, utf8 } from "../bytes.js";
import { ecdsaVerify } from "../crypto.js";
import { parseJson } from "../json.js";
import { moment } from "./der.js";
import { reject } from "./reject.js";
import { RevocationList, findPath, pemCertificates, verifyPath } from "./x509.js";

const SIZE_MAX = 4 * 1024 * 1024;

/** "2025-06-19T10:56:11Z" to Unix seconds, or null. */
export function isoDate(value) {
    const match = typeof value === "string" && /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z$/.exec(value);
    return match ? moment(match.slice(1).join("")) : null;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function parse(json, what) {
    let value;
    try {
        value = parseJson(json);
    } catch {
        throw reject(`${what}: not a JSON object`);
    }
    if (!isObject(value)) throw reject(`${what}: not a JSON object`);
    return value;
}

export class Collateral {
    /** @param {string | object} json the text, or the object it holds */
    constructor(json) {
        if (typeof json === "string" && json.length > SIZE_MAX) throw reject("collateral: too large");
        const all = typeof json === "string" ? parse(json, "collateral") : json;
        if (!isObject(all)) throw reject("collateral: not a JSON object");
        const member = (key) => {
            const value = Object.hasOwn(all, key) ? all[key] : undefined;
            if (typeof value !== "string" || value.length === 0 || value.length > SIZE_MAX)
                throw reject(`collateral: no ${key}`);
            return value;
        };
        const list = (key, name) => {
            const der = unhex(member(key));
            if (!der) throw reject(`collateral: ${key} is not a revocation list`);
            return new RevocationList(der, name);
        };
        this.rootCrl = list("root_ca_crl", "root CRL");
        this.pckCrl = list("pck_crl", "PCK CRL");
        this.statements = [
            ["TCBInfo", "tcbInfo", "tcb_info", "tcb_info_signature", "tcb_info_issuer_chain"],
            ["QE Identity", "qeIdentity", "qe_identity", "qe_identity_signature", "qe_identity_issuer_chain"],
        ].map(([what, to, body, signature, chain]) => ({
            what, to, bytes: utf8(member(body)), value: parse(member(body), what), signature: unhex(member(signature)),
            chain: member(chain),
        }));
        this.pckCrlIssuerChain = member("pck_crl_issuer_chain");
        this.ends = Math.min(this.rootCrl.nextUpdate, this.pckCrl.nextUpdate);
    }

    /** The statements: their time, then their signer. */
    async check(root, at) {
        const signers = new Map();
        for (const statement of this.statements) this.#current(statement, at);
        for (const statement of this.statements) {
            let signer = signers.get(statement.chain);
            if (!signer) {
                signer = await this.#signer(statement, root, at);
                signers.set(statement.chain, signer);
            }
            if (!statement.signature ||
                !(await ecdsaVerify(await signer.key(), statement.signature, statement.bytes)))
                throw reject(`${statement.what}: signature is invalid`);
            this[statement.to] = statement.value;
        }
    }

    #current({ what, value }, at) {
        const from = isoDate(value.issueDate), until = isoDate(value.nextUpdate);
        if (from === null || until === null) throw reject(`${what}: malformed dates`);
        if (at < from) throw reject(`${what} issue date is in the future`);
        if (at > until) throw reject(`${what} expired`);
        this.ends = Math.min(this.ends, until);
    }

    async #signer({ what, chain }, root, at) {
        const [signer] = pemCertificates(chain, what);
        if (!equal(signer.issuer, root.subject) || equal(signer.raw, root.raw))
            throw reject(`${what}: not a chain of 2 to the pinned root`);
        if (signer.subjectName !== "Intel SGX TCB Signing" || signer.isCa || signer.keyKind !== "P-256" ||
            !signer.mayUse("digitalSignature"))
            throw reject(`${what}: its signer is not Intel's TCB signing key`);
        this.ends = Math.min(this.ends, await verifyPath([signer], root, at, what));
        await this.#notRevoked(root, at, signer);
        return signer;
    }

    /** By the root's list, which may also end the root itself. */
    async #notRevoked(root, at, ...certificates) {
        this.rootChecked ??= this.rootCrl.check(root, at);
        await this.rootChecked;
        for (const certificate of [root, ...certificates]) this.rootCrl.refuses(certificate);
    }

    /** The path PCK, PCK CA: neither revoked, by lists of their own issuers. */
    async checkRevocation([pck, ca], root, at) {
        const issuers = pemCertificates(this.pckCrlIssuerChain, "PCK CRL issuer");
        const [issuer] = findPath(issuers[0], issuers, root, 2, "PCK CRL issuer");
        this.ends = Math.min(this.ends, await verifyPath([issuer], root, at, "PCK CRL issuer"));
        await this.#notRevoked(root, at, issuer, ca);
        if (!equal(issuer.subject, ca.subject) || !equal(issuer.spki, ca.spki))
            throw reject("PCK CRL: of another CA than the PCK certificate");
        await this.pckCrl.check(issuer, at);
        this.pckCrl.refuses(pck);
    }
}
