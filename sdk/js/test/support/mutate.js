// mutate.js - negatives of a genuine vector: [what, change of the evidence, moment]. A verifier must
// refuse every one.

const flip = (bytes, at, bit = 0) => {
    const to = bytes.slice();
    to[at] ^= 1 << bit;
    return to;
};
const zeroed = (bytes, from, size) => {
    const to = bytes.slice();
    to.fill(0, from, from + size);
    return to;
};
const flipHex = (text, at) => {
    const old = parseInt(text.substr(2 * at, 2), 16);
    return text.slice(0, 2 * at) + (old ^ 1).toString(16).padStart(2, "0") + text.slice(2 * at + 2);
};
const YEAR = 365 * 86400;

export function negatives(vector) {
    return vector.expected.tee === "snp" ? ofReport(vector) : ofQuote(vector);
}

function ofReport({ expected, evidence: { quote, vek } }) {
    const signed = [0x00, 0x04, 0x08, 0x0a, 0x30, 0x48, 0x50, 0x90, 0xc0, 0x180, 0x188, 0x1a0, 0x1e0, 0x1f8, 0x29f]
        .map((at) => [`signed byte ${at}`, { quote: flip(quote, at) }]);
    return [
        ...signed,
        ["debug bit", { quote: flip(quote, 0x0a, 3) }],
        ["r", { quote: flip(quote, 0x2a0) }],
        ["s", { quote: flip(quote, 0x2e8) }],
        ["r = s = 0", { quote: zeroed(quote, 0x2a0, 512) }],
        ["r above 48 bytes", { quote: flip(quote, 0x2a0 + 60) }],
        ["signature algorithm", { quote: flip(quote, 0x34, 1) }],
        ["short", { quote: quote.subarray(0, -1) }],
        ["long", { quote: new Uint8Array([...quote, 0]) }],
        ["empty", { quote: new Uint8Array(0) }],
        ["certificate's signature", { vek: flip(vek, vek.length - 1) }],
        ["certificate's body", { vek: flip(vek, 60) }],
        ["certificate cut", { vek: vek.subarray(0, -1) }],
        ["certificate and a byte", { vek: new Uint8Array([...vek, 0]) }],
        ["no certificate", { vek: undefined }],
        ["before the certificate", {}, expected.verify_at_unix - 10 * YEAR],
        ["after the certificate", {}, expected.verify_at_unix + 10 * YEAR],
    ];
}

function ofQuote({ expected, evidence: { quote, collateral } }) {
    const sgx = expected.tee === "sgx", v5 = expected.quote_version === 5;
    const view = new DataView(quote.buffer, quote.byteOffset);
    const body = v5 ? 54 : 48;
    const size = v5 ? view.getUint32(50, true) : sgx ? 384 : 584;
    const sig = body + size + 4;
    const qe = sig + 128 + (sgx ? 0 : 6);
    const text = String.fromCharCode(...quote);
    const pem = text.indexOf("-----BEGIN CERTIFICATE-----");
    const used = text.replace(/\0+$/, "").length;
    const huge = quote.slice();
    new DataView(huge.buffer).setUint32(sig - 4, 0xffffffff, true);
    const cases = [
        ["report data", { quote: flip(quote, body + (sgx ? 320 : 520)) }],
        ["measurement", { quote: flip(quote, body + (sgx ? 64 : 136)) }],
        ["debug attribute", { quote: flip(quote, body + (sgx ? 48 : 120), sgx ? 1 : 0) }],
        ["version", { quote: flip(quote, 0, 3) }],
        ["TEE type", { quote: flip(quote, 4, 6) }],
        ["key type", { quote: flip(quote, 2, 3) }],
        ["vendor", { quote: flip(quote, 12) }],
        ["quote signature", { quote: flip(quote, sig) }],
        ["zero signature", { quote: zeroed(quote, sig, 64) }],
        ["attestation key", { quote: flip(quote, sig + 64) }],
        ["QE report", { quote: flip(quote, qe + 64) }],
        ["QE report signature", { quote: flip(quote, qe + 384) }],
        ["QE authentication data", { quote: flip(quote, qe + 384 + 64 + 2) }],
        ["cut by one", { quote: quote.subarray(0, used - 1) }],
        ["half", { quote: quote.subarray(0, quote.length >> 1) }],
        ["a header", { quote: quote.subarray(0, 47) }],
        ["a byte behind", { quote: new Uint8Array([...quote, 1]) }],
        ["signature data of 4 GiB", { quote: huge }],
        ["PCK certificate", { quote: flip(quote, pem + 400) }],
    ];
    return collateral === undefined ? cases : [...cases, ...ofCollateral(expected, JSON.parse(collateral))];
}

function ofCollateral(expected, c) {
    const but = (change) => ({ collateral: JSON.stringify({ ...c, ...change }) });
    return [
        ["TCB info's signature", but({ tcb_info_signature: flipHex(c.tcb_info_signature, 5) })],
        ["TCB info", but({ tcb_info: c.tcb_info.replace('"tcbEvaluationDataNumber":', '"tcbEvaluationDataNumber":9') })],
        ["TCB info with a blank", but({ tcb_info: c.tcb_info + " " })],
        ["QE identity's signature", but({ qe_identity_signature: flipHex(c.qe_identity_signature, 5) })],
        ["QE identity", but({ qe_identity: c.qe_identity.replace('"isvprodid":', '"isvprodid": ') })],
        ["PCK list", but({ pck_crl: flipHex(c.pck_crl, 60) })],
        ["no PCK list", but({ pck_crl: "" })],
        ["root list is the PCK list", but({ root_ca_crl: c.pck_crl })],
        ["PCK list is the root list", but({ pck_crl: c.root_ca_crl })],
        ["TCB chain is the PCK CA's", but({ tcb_info_issuer_chain: c.pck_crl_issuer_chain })],
        ["PCK CA's chain is the TCB chain", but({ pck_crl_issuer_chain: c.tcb_info_issuer_chain })],
        ["statements swapped", but({ tcb_info: c.qe_identity, tcb_info_signature: c.qe_identity_signature })],
        ["a member that is no string", but({ tcb_info: JSON.parse(c.tcb_info) })],
        ["no JSON", { collateral: "{" }],
        ["past nextUpdate", {}, expected.expired_at_unix],
        ["before issueDate", {}, expected.verify_at_unix - 400 * 86400],
    ];
}
