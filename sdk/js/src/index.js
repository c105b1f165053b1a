// index.js - what @tfaas/client offers.

export { Client, createClient, tfaasFetch, verify } from "./client.js";
export { CODES, TfaasError } from "./errors.js";
export { appraiseEvidence } from "./evidence/index.js";
export { readPolicy } from "./policy.js";
export { checkReceiptSequences, verifyReceipt } from "./receipt.js";
export { generateLogKey, openLogLine } from "./sealed.js";
