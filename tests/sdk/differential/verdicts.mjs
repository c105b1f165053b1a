// verdicts.mjs - what the JavaScript client says of each of mutants.py's cases: stdin to stdout, JSON.
import { readFileSync } from "node:fs";
import { TfaasError } from "../../../sdk/js/src/index.js";
import { readPolicy, verifyReceipt } from "../../../sdk/js/src/index.js";
import { verifyAll } from "../../../sdk/js/src/verify.js";

const { cases, policies } = JSON.parse(readFileSync(0, "utf8"));
const policy = readPolicy({ version: 1, cores: ["c0".repeat(48)], allow_simulated: true });
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64url"));

async function verdict(judge) {
    try {
        return (await judge()) ?? "ok";
    } catch (error) {
        if (error instanceof TfaasError) return error.code;
        throw error;
    }
}

async function judge({ collection, domain, nonce, now, receipt }) {
    const { report } = await verifyAll({
        evidence: collection, domainStatement: bytes(domain), policy, domain: "openfaas-fn", now,
        nonce: nonce ? bytes(nonce) : undefined,
    });
    if (!report.ok) return [report.error.code, null];
    return ["ok", await verdict(async () => void (await verifyReceipt(receipt, report)))];
}

const out = { cases: [], policies: [] };
for (const one of cases) out.cases.push(await judge(one));
for (const one of policies) out.policies.push(await verdict(async () => void readPolicy(one)));
process.stdout.write(JSON.stringify(out));
