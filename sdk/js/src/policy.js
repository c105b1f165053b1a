// policy.js - what a client accepts: the same JSON document that libtfaas reads, read strictly. An
// unknown member is an error. There is no way to accept debug launches.

import { hex, unhex, utf8 } from "./bytes.js";
import { TfaasError } from "./errors.js";
import { parseJson } from "./json.js";

const LIST_MAX = 64, TEXT_MAX = 256 * 1024;
const AGE_DEFAULT_S = 4200, AGE_MAX_S = 10 * 366 * 86400;
const STATUSES = [
    "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
    "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded",
];
const SVNS = ["boot_loader", "tee", "snp", "microcode"];

const bad = (name, what) => new TfaasError("policy_invalid", `policy: "${name}" ${what}`);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function members(object, name, known) {
    if (!isObject(object)) throw bad(name, "is not an object");
    for (const key of Object.keys(object))
        if (!known.includes(key)) throw bad(key, `is no member of "${name}" (known: ${known.join(", ")})`);
    return object;
}

function list(value, name, read) {
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw bad(name, "is not an array");
    if (value.length > LIST_MAX) throw bad(name, "has more than 64 entries");
    return value.map(read);
}

const hexOf = (name, least, most = least) => (value) => {
    const bytes = typeof value === "string" && value === value.toLowerCase() ? unhex(value) : null;
    if (!bytes || bytes.length < least || bytes.length > most)
        throw bad(name, `wants lower-case hex of ${least === most ? least : `${least} to ${most}`} bytes`);
    return hex(bytes);
};

const textIn = (name, good, what) => (value) => {
    if (typeof value !== "string" || !good(value)) throw bad(name, `wants ${what}`);
    return value;
};

function readTcb(value) {
    if (value === undefined) return { statuses: ["UpToDate"], advisories: [] };
    members(value, "intel_tcb", ["statuses", "advisories"]);
    if (!Array.isArray(value.statuses)) throw bad("intel_tcb", "needs an array of statuses");
    return {
        statuses: list(value.statuses, "statuses",
                       textIn("statuses", (one) => STATUSES.includes(one), "TCB statuses as Intel spells them")),
        advisories: list(value.advisories, "advisories",
                         textIn("advisories", (one) => one.length > 0 && utf8(one).length < 32,
                                'names such as "INTEL-SA-00615"')),
    };
}

function readTd(value) {
    members(value, "domains", ["mrtd", "rtmrs"]);
    const rtmrs = list(value.rtmrs, "rtmrs", (one) => (one === null ? null : hexOf("rtmrs", 48)(one)));
    if (rtmrs.length !== 4) throw bad("domains", 'needs four "rtmrs" (null: any, so say it)');
    return { mrtd: hexOf("mrtd", 48)(value.mrtd), rtmrs };
}

function readSvns(value, name) {
    members(value, name, [...SVNS, "fmc"]);
    const wanted = name === "Turin" || value.fmc !== undefined ? [...SVNS, "fmc"] : SVNS;
    const to = { fmc: 0 };
    for (const svn of wanted) {
        if (!Number.isInteger(value[svn]) || value[svn] < 0 || value[svn] > 255)
            throw bad(name, "needs boot_loader, tee, snp, microcode (and fmc on Turin), 0..255 each");
        to[svn] = value[svn];
    }
    return to;
}

function readSnp(value) {
    members(value, "snp", ["launches", "minimum_tcb"]);
    if (value.minimum_tcb === undefined) throw bad("snp", 'needs an object "minimum_tcb"');
    members(value.minimum_tcb, "minimum_tcb", ["Milan", "Genoa", "Turin"]);
    return {
        launches: list(value.launches, "launches", hexOf("launches", 48)),
        minimumTcb: Object.fromEntries(
            Object.entries(value.minimum_tcb).map(([name, svns]) => [name, readSvns(svns, name)])),
    };
}

/**
 * @param {string | object} [policy] JSON text, or the object it holds; nothing: the safe policy,
 *     which accepts no core at all
 */
export function readPolicy(policy = { version: 1 }) {
    let p = policy;
    if (p instanceof Policy) return p;
    if (typeof p === "string") {
        if (p.length > TEXT_MAX) throw bad("policy", "is larger than 256 KiB");
        try {
            p = parseJson(p);
        } catch (error) {
            throw new TfaasError("policy_invalid", `policy: ${error.message}`);
        }
    }
    return new Policy(p);
}

export class Policy {
    constructor(p) {
        members(p, "policy", ["version", "cores", "allow_simulated", "platforms", "maximum_age_s", "intel_tcb", "sgx",
                              "tdx", "snp"]);
        if (p.version !== 1) throw bad("version", "is not 1");
        if (p.allow_simulated !== undefined && typeof p.allow_simulated !== "boolean")
            throw bad("allow_simulated", "is neither true nor false");
        const age = p.maximum_age_s === undefined ? AGE_DEFAULT_S : p.maximum_age_s;
        if (!Number.isInteger(age) || age < 1 || age > AGE_MAX_S)
            throw bad("maximum_age_s", "is not a number of seconds up to ten years");
        this.cores = list(p.cores, "cores", hexOf("cores", 48));
        this.allowSimulated = p.allow_simulated ?? false;
        this.platforms = list(p.platforms, "platforms", hexOf("platforms", 8, 64));
        this.maximumAgeS = age;
        this.intelTcb = readTcb(p.intel_tcb);
        if (p.sgx !== undefined)
            this.sgx = { enclaves: list(members(p.sgx, "sgx", ["enclaves"]).enclaves, "enclaves",
                                        hexOf("enclaves", 32)) };
        if (p.tdx !== undefined) {
            if (members(p.tdx, "tdx", ["domains"]).domains === undefined) throw bad("tdx", 'needs an array "domains"');
            this.tdx = { domains: list(p.tdx.domains, "domains", readTd) };
        }
        if (p.snp !== undefined) this.snp = readSnp(p.snp);
        Object.freeze(this);
    }
}
