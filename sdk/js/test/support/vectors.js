// vectors.js - where evidence and protocol vectors are: TFAAS_VECTORS names a folder with more of
// them than the repository's own.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";

const repository = fileURLToPath(new URL("../../../../tests/vectors", import.meta.url));
export const protocolFolder = path.join(repository, "protocol");

/** Folders that may hold sgx/, tdx/, snp/, hpke/. */
const folders = () => [process.env.TFAAS_VECTORS, path.join(repository, "evidence"), repository].filter(Boolean);

export function file(...name) {
    const found = folders().map((folder) => path.join(folder, ...name)).find(existsSync);
    return found ?? null;
}

const json = (name) => JSON.parse(readFileSync(name, "utf8"));

/** Every vector there is, once: { name, expected, evidence }. */
export function evidenceVectors() {
    const found = new Map();
    for (const folder of folders())
        for (const tee of ["sgx", "tdx", "snp"]) {
            const base = path.join(folder, tee);
            if (!existsSync(base)) continue;
            for (const name of readdirSync(base).sort()) {
                const where = path.join(base, name);
                if (found.has(name) || !existsSync(path.join(where, "expected.json"))) continue;
                found.set(name, readVector(where, folder));
            }
        }
    return found;
}

export function readVector(where, folder) {
    const expected = json(path.join(where, "expected.json"));
    const read = (name) => {
        const full = path.join(where, name);
        return existsSync(full) ? new Uint8Array(readFileSync(full)) : undefined;
    };
    const evidence = { tee: expected.tee, quote: read("quote.bin") ?? read("report.bin") };
    if (existsSync(path.join(where, "collateral.json")))
        evidence.collateral = readFileSync(path.join(where, "collateral.json"), "utf8");
    if (expected.tee === "snp") {
        evidence.vek = read("vek.der");
        if (expected.ca_chain) {
            const ca = [path.join(folder, expected.ca_chain), path.join(folder, "evidence", expected.ca_chain)]
                .find(existsSync) ?? file(...expected.ca_chain.split("/"));
            evidence.ca = ca ? readFileSync(ca, "utf8") : undefined;
        }
    }
    return { where, expected, evidence };
}
