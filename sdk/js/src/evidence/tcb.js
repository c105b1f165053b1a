// tcb.js - how patched an Intel platform is: quoting enclave against QE identity, platform SVNs
// against TCB info, TDX module against its identity, one status out of them. The rules are Intel's
// (PCS API v4 "TCB info", QVL). A statement that is malformed anywhere is refused whole.

import { equal, unhex } from "../bytes.js";
import { isoDate } from "./collateral.js";
import { reject } from "./reject.js";

const LEVELS_MAX = 256, ADVISORIES_MAX = 64;
const ALL = ["UpToDate", "OutOfDate", "Revoked"];
const ALLOWED = {
    platform: [...ALL, "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
               "OutOfDateConfigurationNeeded"],
    qe: [...ALL, "ConfigurationNeeded", "OutOfDateConfigurationNeeded"],
    module: ALL,
};

const isUint = (value, max) => Number.isInteger(value) && value >= 0 && value <= max;

function member(object, key, size, what) {
    const value = unhex(object?.[key], size);
    if (!value) throw reject(`${what}: malformed ${key}`);
    return value;
}

function components(list) {
    if (!Array.isArray(list) || list.length !== 16 || !list.every((one) => isUint(one?.svn, 255))) return null;
    return list.map((one) => one.svn);
}

function readLevel(json, place, tdx) {
    const platform = place === "platform";
    const level = {
        svn: json?.tcb?.[platform ? "pcesvn" : "isvsvn"],
        status: json?.tcbStatus,
        date: isoDate(json?.tcbDate),
        advisories: json?.advisoryIDs ?? [],
        sgx: platform ? components(json?.tcb?.sgxtcbcomponents) : [],
        tdx: platform && tdx ? components(json?.tcb?.tdxtcbcomponents) : [],
    };
    const good = isUint(level.svn, 0xffff) && ALLOWED[place].includes(level.status) && level.date !== null &&
        level.sgx && level.tdx && Array.isArray(level.advisories) &&
        level.advisories.every((id) => typeof id === "string" && id.length > 0 && id.length < 32);
    return good ? level : null;
}

const atLeast = (have, need, from) => need.every((svn, i) => i < from || have[i] >= svn);

/** A module of version > 0 has an identity of its own for its two SVNs. */
const meets = (p, level) =>
    p.svn >= level.svn && (p.place !== "platform" ||
        (atLeast(p.sgx, level.sgx, 0) && (!p.tdx || atLeast(p.tdx, level.tdx, p.tdx[1] > 0 ? 2 : 0))));

function better(a, b) {
    const key = (level) => [...level.sgx, level.svn, ...level.tdx];
    const left = key(a), right = key(b);
    const i = left.findIndex((value, at) => value !== right[at]);
    return i >= 0 && left[i] > right[i];
}

/** The highest level of the list that `p` meets, or null. */
function findLevel(list, p, what) {
    if (!Array.isArray(list) || list.length > LEVELS_MAX) throw reject(`${what}: malformed TCB levels`);
    let found = null;
    for (const json of list) {
        const level = readLevel(json, p.place, Boolean(p.tdx));
        if (!level) throw reject(`${what}: malformed TCB levels`);
        if (meets(p, level) && (!found || better(level, found))) found = level;
    }
    return found;
}

/** A component (QE, module) only pulls a platform down by being out of date or revoked. */
function converge(platform, component) {
    if (component === "Revoked") return component;
    if (!component.startsWith("OutOfDate")) return platform;
    if (platform === "UpToDate" || platform === "SWHardeningNeeded") return "OutOfDate";
    if (platform.startsWith("Configuration")) return "OutOfDateConfigurationNeeded";
    return platform;
}

/** TD report 1.5: launched out of date, the module patched since: a relaunch would do. */
function relaunch(launch, now) {
    if (!launch.startsWith("OutOfDate") || now.startsWith("OutOfDate")) return launch;
    return launch.includes("Configuration") || now.includes("Configuration")
        ? "TDRelaunchAdvisedConfigurationNeeded"
        : "TDRelaunchAdvised";
}

const masked = (actual, expected, mask) =>
    actual.every((byte, i) => (byte & mask[i]) === (expected[i] & mask[i]));

function judgeQe(tee, identity, qe) {
    const what = "QE Identity";
    const versions = tee === "tdx" ? [2, 3] : [2];
    if (identity.id !== { sgx: "QE", tdx: "TD_QE" }[tee] || !versions.includes(identity.version))
        throw reject(`${what}: of another kind of QE`);
    if (!equal(qe.mrSigner, member(identity, "mrsigner", 32, what)) || qe.isvProdId !== identity.isvprodid)
        throw reject("QE does not match its identity (MRSIGNER or ISVPRODID)");
    if (!masked(qe.miscSelect, member(identity, "miscselect", 4, what), member(identity, "miscselectMask", 4, what)) ||
        !masked(qe.attributes, member(identity, "attributes", 16, what), member(identity, "attributesMask", 16, what)))
        throw reject("QE does not match its identity (MISCSELECT or ATTRIBUTES)");
    const level = findLevel(identity.tcbLevels, { place: "qe", svn: qe.isvSvn }, what);
    if (!level) throw reject("QE ISVSVN is below every level of its identity");
    return level;
}

/** The identity of the module's major version ("TDX_01"); null for version 0. */
function moduleIdentity(tcbInfo, svn) {
    if (svn[1] === 0) return null;
    const id = `TDX_${svn[1].toString(16).padStart(2, "0").toUpperCase()}`;
    const list = Array.isArray(tcbInfo.tdxModuleIdentities) ? tcbInfo.tdxModuleIdentities : [];
    const found = list.find((one) => typeof one?.id === "string" && one.id.toUpperCase() === id);
    if (!found) throw reject(`No TDX module identity ${id} in TCB info`);
    return found;
}

/** Platform level with the module's merged in. */
function judgePlatform(tcbInfo, pck, svn) {
    const p = { place: "platform", sgx: pck.componentSvn, svn: pck.pceSvn, tdx: svn };
    const level = findLevel(tcbInfo.tcbLevels, p, "TCBInfo");
    if (!level) throw reject("No matching TCB level found");
    const identity = svn ? moduleIdentity(tcbInfo, svn) : null;
    if (!identity) return level;
    const module = findLevel(identity.tcbLevels, { place: "module", svn: svn[0] }, "TCBInfo");
    if (!module) throw reject("TDX module ISVSVN is below every level of its identity");
    return {
        status: converge(level.status, module.status), date: Math.min(level.date, module.date),
        advisories: [...level.advisories, ...module.advisories],
    };
}

/** Who signed the TDX module, and its attributes. */
function judgeModule(tcbInfo, td) {
    if (typeof tcbInfo.tdxModule !== "object" || tcbInfo.tdxModule === null) throw reject("TCBInfo: no tdxModule");
    const identity = moduleIdentity(tcbInfo, td.teeTcbSvn) ?? tcbInfo.tdxModule;
    if (!equal(td.mrSignerSeam, member(identity, "mrsigner", 48, "TCBInfo")))
        throw reject("TDX module MRSIGNER mismatch");
    const mask = member(identity, "attributesMask", 8, "TCBInfo");
    const expected = member(identity, "attributes", 8, "TCBInfo");
    if (td.seamAttributes.some((byte, i) => byte & ~mask[i] & 0xff) || !masked(td.seamAttributes, expected, mask))
        throw reject("TDX module SEAMATTRIBUTES mismatch");
}

function applies(tee, tcbInfo, pck) {
    if (tcbInfo.id !== { sgx: "SGX", tdx: "TDX" }[tee] || tcbInfo.version !== 3 || tcbInfo.tcbType !== 0)
        throw reject("TCBInfo: of another TEE or version");
    if (!equal(member(tcbInfo, "fmspc", 6, "TCBInfo"), pck.fmspc)) throw reject("Fmspc mismatch");
    if (!equal(member(tcbInfo, "pceId", 2, "TCBInfo"), pck.pceId)) throw reject("PCE id mismatch");
}

/** Fills in out.tcbStatus, tcbDateUnix, tcbEvaluationDataNumber, advisoryIds, or refuses. */
export function judge(tee, { tcbInfo, qeIdentity }, quote, pck, td, out) {
    applies(tee, tcbInfo, pck);
    const qe = judgeQe(tee, qeIdentity, quote.qeReport);
    const launch = judgePlatform(tcbInfo, pck, td?.teeTcbSvn);
    if (td) judgeModule(tcbInfo, td);
    const settle = (level) => {
        const status = converge(level.status, qe.status);
        if (status === "Revoked") throw reject("TCB status is invalid: Revoked");
        return status;
    };
    out.tcbStatus = settle(launch);
    if (td?.teeTcbSvn2) out.tcbStatus = relaunch(out.tcbStatus, settle(judgePlatform(tcbInfo, pck, td.teeTcbSvn2)));
    const numbers = [tcbInfo.tcbEvaluationDataNumber, qeIdentity.tcbEvaluationDataNumber];
    if (!numbers.every((number) => isUint(number, 0xffffffff))) throw reject("TCBInfo: malformed evaluation number");
    out.tcbEvaluationDataNumber = Math.min(...numbers);
    out.tcbDateUnix = Math.min(launch.date, qe.date);
    out.advisoryIds = [...new Set([...launch.advisories, ...qe.advisories])];
    if (out.advisoryIds.length > ADVISORIES_MAX) throw reject(`more than ${ADVISORIES_MAX} advisories`);
}
