// verify.js - the checks of SPECIFICATION.md 14.2, in its order, each named, until one fails. Must
// never hand out a key that no checked lease holds.

import { equal, hex, text, unbase64url, utf8 } from "./bytes.js";
import { Malformed, TfaasError } from "./errors.js";
import { appraiseEvidence } from "./evidence/index.js";
import { Rejection } from "./evidence/reject.js";
import { readCertificateTable, reportSigner } from "./evidence/snp.js";
import { parseJson } from "./json.js";
import { chooseAead, readKeyConfiguration } from "./ohttp.js";
import { keyStatementDigest, openEnvelope, readDomainStatement, readKeyStatement, readLease } from "./statement.js";

const SKEW_S = 120;
const COLLECTION = "tag:tfaas,2026:evidence";
const STATEMENT_TYPE = "application/vnd.tfaas.key-statement+cbor";
const COLLATERAL_TYPE = "application/vnd.tfaas.collateral+json";
const CERTIFICATES_TYPE = "application/vnd.amd.snp-certificates";
const TEES = {
    "application/vnd.tfaas.simulated+cbor": "simulated",
    "application/vnd.intel.tdx-quote": "tdx",
    "application/vnd.amd.snp-report": "snp",
    "application/vnd.intel.sgx-quote": "sgx",
};
const EVIDENCE = 4, ENDORSEMENTS = 2; // draft-ietf-rats-msg-wrap, cm-type bits
const NAMES = [
    "form", "tee", "genuine", "tcb", "debug", "launch", "platform", "report-data", "nonce", "measurement", "times",
    "age", "domain-signature", "domain", "domain-times", "leases", "lease-times",
];
const NOT_FOR_SIMULATED = ["tcb", "debug", "launch"];
const NOT_COVERED = [
    "availability: the host may refuse, delay or drop calls",
    "traffic: who calls which function, when, and how much",
    "what a function does with its data: only which package runs, if you name it",
    "the machine's owner taking it apart; side channels of the processor",
    "the build of the core: that its measurement is of the source you read",
];

// --- the collection ---

function message(all, name, indicator) {
    const value = all[name];
    const bytes = Array.isArray(value) && value.length === 3 && typeof value[0] === "string" && value[2] === indicator
        ? unbase64url(value[1])
        : null;
    if (!bytes || bytes.length === 0) throw new Malformed(`"${name}" is not [type, base64url, indicator]`);
    if (utf8(value[0]).length > 63) throw new Malformed(`"${name}" has a type of more than 63 bytes`);
    return { type: value[0], bytes };
}

/** The answer of /.well-known/tfaas/evidence: { evidence, statement, endorsements }. */
export function readCollection(json) {
    let all;
    try {
        all = parseJson(json);
    } catch (error) {
        throw new Malformed(`not JSON: ${error.message}`);
    }
    if (typeof all !== "object" || all === null || all.__cmwc_t !== COLLECTION)
        throw new Malformed(`"__cmwc_t" is not ${COLLECTION}`);
    const statement = message(all, "key-statement", EVIDENCE);
    if (statement.type !== STATEMENT_TYPE) throw new Malformed(`"key-statement" is not ${STATEMENT_TYPE}`);
    return {
        evidence: message(all, "evidence", EVIDENCE),
        statement: statement.bytes,
        endorsements: all.endorsements === undefined ? null : message(all, "endorsements", ENDORSEMENTS),
    };
}

// --- one verification ---

class Verifying {
    constructor(input) {
        this.input = input;
        this.report = {
            ok: false, error: null, simulated: false, tee: "", domain: "", coreVersion: "", verifiedAt: input.now,
            identity: null, measurement: null, weights: null, platformId: null, sealingKey: null, epoch: 0,
            notBefore: 0, notAfter: 0, leaseCount: 0, checks: [], notCovered: [],
        };
        this.leases = [];
    }

    /** Notes a check, and throws its error unless it holds. */
    note(name, code, good, expected, got) {
        this.report.checks.push({
            number: this.report.checks.length + 1, name, result: good ? "passed" : "failed", expected,
            got: String(got),
        });
        if (!good) throw new TfaasError(code, `${name}: expected ${expected}, got ${got}`);
    }

    /** Runs `read`; bytes that are malformed fail the check. */
    form(name, code, expected, read) {
        try {
            return read();
        } catch (error) {
            if (!(error instanceof Malformed || error instanceof Rejection)) throw error;
            return this.note(name, code, false, expected, error.message);
        }
    }

    outside(from, to) {
        const { now } = this.input;
        if (now + SKEW_S < from) return -1;
        return now - SKEW_S > to ? 1 : 0;
    }

    async run() {
        const what = "evidence and a key statement";
        this.collection = this.form("form", "evidence_form", what, () => {
            const collection = readCollection(this.input.evidence);
            this.statement = readKeyStatement(collection.statement);
            return collection;
        });
        this.note("form", "evidence_form", true, what, "it is");
        const found = await this.#appraise();
        await this.#statement(found);
        this.#times();
        this.#describe(found);
        await this.#domain();
        await this.#leases();
    }

    // --- the evidence, against the policy ---

    async #appraise() {
        const { evidence } = this.collection;
        const { policy } = this.input;
        const tee = Object.hasOwn(TEES, evidence.type) ? TEES[evidence.type] : null;
        if (!tee) this.note("tee", "evidence_unknown", false, Object.values(TEES).join(", "), evidence.type);
        this.report.tee = tee;
        if (tee === "simulated") {
            this.report.simulated = true;
            this.note("tee", "simulated_refused", policy.allowSimulated,
                      policy.allowSimulated ? "simulated or hardware" : "hardware", "SIMULATED");
        } else {
            this.note("tee", "tee_not_allowed", policy[tee] !== undefined, "hardware that the policy names", tee);
        }
        const found = await appraiseEvidence({
            tee, quote: evidence.bytes, atUnix: this.input.now, ...this.#endorsements(tee, evidence.bytes),
        });
        const genuine = found.verdict !== "reject";
        this.note("genuine", found.debug ? "debug_refused" : "evidence_signature", genuine,
                  tee === "simulated" ? "signed by the key that it names"
                                      : "signed by the maker's key, nothing revoked or expired",
                  genuine ? "it is" : found.error);
        if (tee !== "simulated") this.#hardware(found);
        const id = found.platformId ? hex(found.platformId) : "none named";
        this.note("platform", "platform_not_allowed",
                  policy.platforms.length === 0 || policy.platforms.includes(id),
                  policy.platforms.length === 0 ? "any machine" : `one of ${policy.platforms.length} machines`, id);
        return found;
    }

    #endorsements(tee, quote) {
        const { endorsements } = this.collection;
        const wrong = () => {
            throw new Malformed("endorsements do not fit the evidence, or certificates are missing");
        };
        return this.form("genuine", "evidence_form", "endorsements of the evidence's kind", () => {
            if (tee === "simulated") return {};
            if (tee === "snp") {
                if (endorsements?.type !== CERTIFICATES_TYPE) wrong();
                const { vek, ca } = readCertificateTable(endorsements.bytes, reportSigner(quote));
                if (!vek || ca.length === 0) wrong();
                return { vek, ca };
            }
            if (this.input.collateral !== undefined) return { collateral: this.input.collateral };
            if (!endorsements) return {};
            if (endorsements.type !== COLLATERAL_TYPE) wrong();
            try {
                return { collateral: text(endorsements.bytes) };
            } catch {
                return wrong();
            }
        });
    }

    #hardware(found) {
        if (found.tee === "snp") this.#snpTcb(found);
        else this.#intelTcb(found);
        this.note("debug", "debug_refused", !found.debug, "off", found.debug ? "on" : "off");
        const measurement = hex(found.measurement);
        const { sgx, tdx, snp } = this.input.policy;
        if (found.tee === "sgx")
            this.note("launch", "launch_not_allowed", sgx.enclaves.includes(measurement),
                      "an MRENCLAVE of the policy", measurement);
        else if (found.tee === "tdx")
            this.note("launch", "launch_not_allowed",
                      tdx.domains.some(({ mrtd, rtmrs }) => mrtd === measurement &&
                          rtmrs.every((value, i) => value === null || value === found.fields[`rt_mr${i}`])),
                      "MRTD and RTMRs of the policy", measurement);
        else // What runs below VMPL 0 was not the launch that is measured.
            this.note("launch", "launch_not_allowed", snp.launches.includes(measurement) && found.fields.vmpl === 0,
                      "a launch digest of the policy, at VMPL 0", measurement);
    }

    #intelTcb(found) {
        const { statuses, advisories } = this.input.policy.intelTcb;
        const open = found.advisoryIds.find((id) => !advisories.includes(id));
        this.note("tcb", "tcb_refused", statuses.includes(found.tcbStatus) && open === undefined,
                  "a status and advisories that the policy accepts",
                  open === undefined ? found.tcbStatus : `${found.tcbStatus}, open advisory ${open}`);
    }

    #snpTcb(found) {
        const minimum = this.input.policy.snp.minimumTcb[found.generation];
        const write = (tcb) => Object.entries(tcb).map(([name, svn]) => `${name} ${svn}`).join(", ");
        const got = `${found.generation} ${write(found.reportedTcb)}`;
        if (!minimum)
            this.note("tcb", found.generation === "Milan" ? "milan_refused" : "tcb_refused", false,
                      "a minimum for this generation in the policy", got);
        this.note("tcb", "tcb_refused", Object.entries(minimum).every(([name, svn]) => found.reportedTcb[name] >= svn),
                  `at least ${write(minimum)}`, got);
    }

    // --- the key statement ---

    async #statement(found) {
        const { policy, nonce } = this.input;
        const digest = await keyStatementDigest(this.collection.statement);
        this.note("report-data", "statement_mismatch", equal(digest, found.reportData), hex(digest),
                  hex(found.reportData));
        const its = this.statement.nonce;
        if (nonce)
            this.note("nonce", "evidence_nonce", Boolean(its) && equal(its, nonce), hex(nonce), its ? hex(its) : "none");
        else this.note("nonce", "evidence_nonce", true, "none was sent", its ? "one" : "none");
        const { measurement } = this.statement;
        if (found.tee === "simulated" && !equal(found.measurement, measurement))
            this.note("measurement", "statement_mismatch", false, "the core that the evidence measures",
                      hex(measurement));
        this.note("measurement", "measurement_not_allowed", policy.cores.includes(hex(measurement)),
                  `one of ${policy.cores.length} cores of the policy`, hex(measurement));
    }

    #times() {
        const { notBefore, notAfter } = this.statement;
        const { now, policy } = this.input;
        const where = this.outside(notBefore, notAfter);
        this.note("times", where < 0 ? "evidence_not_yet_valid" : "evidence_expired", where === 0,
                  span(notBefore, notAfter), date(now));
        this.note("age", "evidence_too_old", now - notBefore <= policy.maximumAgeS, `at most ${policy.maximumAgeS} s`,
                  `${Math.max(0, now - notBefore)} s`);
    }

    #describe(found) {
        const { identity, measurement, weights, epoch, notBefore, notAfter, coreVersion } = this.statement;
        Object.assign(this.report, {
            identity, measurement, weights, epoch, notBefore, notAfter, coreVersion, platformId: found.platformId,
        });
    }

    // --- the domain statement and its leases ---

    async #domain() {
        const signed = "signed by the attested identity";
        let inner = null;
        try {
            inner = await openEnvelope(this.input.domainStatement, this.report.identity);
        } catch (error) {
            if (!(error instanceof Malformed)) throw error;
            this.note("domain-signature", "domain_form", false, signed, error.message);
        }
        this.note("domain-signature", "domain_signature", inner !== null, signed, inner ? "it is" : "it is not");
        const domain = this.form("domain", "domain_form", "a domain statement", () => readDomainStatement(inner));
        this.note("domain", "domain_mismatch", domain.domain === this.input.domain, this.input.domain, domain.domain);
        this.note("domain-times", "domain_expired", this.outside(domain.notBefore, domain.notAfter) === 0,
                  span(domain.notBefore, domain.notAfter), date(this.input.now));
        Object.assign(this.report, { domain: domain.domain, sealingKey: domain.sealingKey });
        this.envelopes = domain.leases;
    }

    /** One bad lease and nothing of the statement is believed; one that has ended is passed over. */
    async #leases() {
        const wanted = "signed by the identity, for this domain and core";
        const all = [];
        try {
            for (const envelope of this.envelopes) {
                const lease = await checkLease(envelope, this.report);
                lease.config = readKeyConfiguration(lease.keyConfiguration);
                chooseAead(lease.config);
                all.push(lease);
            }
        } catch (error) {
            if (error instanceof Malformed) this.note("leases", "lease_form", false, wanted, error.message);
            if (error instanceof TfaasError) this.note("leases", error.code, false, wanted, error.message);
            throw error;
        }
        this.note("leases", "lease_form", true, wanted, "they are");
        this.leases = all.filter((lease) => this.outside(lease.notBefore, lease.notAfter) === 0);
        this.report.leaseCount = this.leases.length;
        // Where no worker runs there is nobody to call yet; evidence and sealing key hold all the same.
        this.note("lease-times", "lease_expired", this.leases.length > 0 || all.length === 0,
                  "one that lives, if there are any",
                  `${this.leases.length} of ${all.length}${all.length === 0 ? ": no worker runs" : ""}`);
    }
}

const date = (unix) => new Date(unix * 1000).toISOString().replace(".000Z", "Z");
const span = (from, to) => {
    try {
        return `${date(from)} to ${date(to)}`;
    } catch {
        return `${from} to ${to}`;
    }
};

/** A lease envelope under an attested identity: signature, domain, measurement; not its times. */
export async function checkLease(envelope, report) {
    let inner, lease;
    try {
        inner = await openEnvelope(envelope, report.identity);
        if (inner) lease = readLease(inner);
    } catch (error) {
        throw error instanceof Malformed ? new TfaasError("lease_form", error.message) : error;
    }
    if (!inner) throw new TfaasError("lease_signature");
    if (lease.domain !== report.domain)
        throw new TfaasError("lease_mismatch", `a lease of the domain "${lease.domain}"`);
    if (!equal(lease.measurement, report.measurement))
        throw new TfaasError("lease_mismatch", "a lease of another core");
    return lease;
}

/**
 * Every check of 14.2. Does not throw for what it finds: report.ok, report.error (a TfaasError).
 * @param {{evidence: string, domainStatement: Uint8Array, policy: import("./policy.js").Policy,
 *          domain: string, now: number, nonce?: Uint8Array, collateral?: string | object}} input
 * @returns {Promise<{report: object, leases: object[]}>}
 */
export async function verifyAll(input) {
    const v = new Verifying(input);
    const { report } = v;
    try {
        await v.run();
        report.ok = true;
    } catch (error) {
        if (!(error instanceof TfaasError)) throw error;
        report.error = error;
        v.leases = [];
    }
    for (const name of NAMES)
        if (!report.checks.some((check) => check.name === name) &&
            !(report.simulated && NOT_FOR_SIMULATED.includes(name)))
            report.checks.push({ number: report.checks.length + 1, name, result: "not made", expected: "", got: "" });
    report.notCovered = report.simulated
        ? ["EVERYTHING: the evidence is SIMULATED, whoever runs the host can read and change all", ...NOT_COVERED]
        : [...NOT_COVERED];
    return { report, leases: v.leases };
}
