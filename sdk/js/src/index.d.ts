// Types of @tfaas/client. What each thing means is in README.md.

/** Codes of libtfaas (include/tfaas/client.h) in lower case, and "engine_lacks". */
export type ErrorCode =
    | "usage" | "policy_invalid" | "request_too_large" | "no_memory" | "stopped" | "transport" | "unavailable"
    | "host_refused" | "evidence_form" | "evidence_unknown" | "simulated_refused" | "tee_not_allowed"
    | "evidence_signature" | "tcb_refused" | "milan_refused" | "debug_refused" | "launch_not_allowed"
    | "platform_not_allowed" | "statement_mismatch" | "evidence_nonce" | "measurement_not_allowed"
    | "evidence_not_yet_valid" | "evidence_expired" | "evidence_too_old" | "domain_form" | "domain_signature"
    | "domain_mismatch" | "domain_expired" | "lease_form" | "lease_signature" | "lease_mismatch" | "lease_expired"
    | "lease_missing" | "key_unknown" | "session_unknown" | "request_not_opened" | "replay_reported" | "downgrade"
    | "response_not_authentic" | "response_truncated" | "response_form" | "response_too_large" | "date_refused"
    | "function_mismatch" | "package_mismatch" | "receipt_missing" | "receipt_form" | "receipt_lease"
    | "receipt_invalid" | "receipt_mismatch" | "receipt_duplicate" | "receipt_gap" | "engine_lacks";

/** Each code's sentence. */
export const CODES: Readonly<Record<ErrorCode, string>>;

export class TfaasError extends Error {
    constructor(code: ErrorCode, message?: string, more?: { cause?: unknown; [key: string]: unknown });
    readonly code: ErrorCode;
    /** HTTP status of an answer in clear: the host's word only. */
    readonly status?: number;
    /** What was verified, where verification failed. */
    readonly report?: Report;
}

// --- policies: the JSON document that libtfaas reads ---

export type TcbStatus =
    | "UpToDate" | "SWHardeningNeeded" | "ConfigurationNeeded" | "ConfigurationAndSWHardeningNeeded" | "OutOfDate"
    | "OutOfDateConfigurationNeeded" | "TDRelaunchAdvised" | "TDRelaunchAdvisedConfigurationNeeded";

export interface SnpTcb {
    fmc?: number;
    boot_loader: number;
    tee: number;
    snp: number;
    microcode: number;
}

export interface PolicyDocument {
    version: 1;
    /** SHA-384 measurements of cores, lower-case hex; empty: none is accepted. */
    cores?: string[];
    allow_simulated?: boolean;
    /** Ids of machines, lower-case hex; empty: any. */
    platforms?: string[];
    /** Of the key statement; 4200 if left out. */
    maximum_age_s?: number;
    intel_tcb?: { statuses: TcbStatus[]; advisories?: string[] };
    sgx?: { enclaves?: string[] };
    tdx?: { domains: { mrtd: string; rtmrs: (string | null)[] }[] };
    snp?: { launches?: string[]; minimum_tcb: { Milan?: SnpTcb; Genoa?: SnpTcb; Turin?: SnpTcb } };
}

/** A policy that was read: opaque. */
export interface Policy {
    readonly maximumAgeS: number;
    readonly allowSimulated: boolean;
}

/** Throws policy_invalid. */
export function readPolicy(policy?: string | PolicyDocument | Policy): Policy;

// --- verification ---

export interface Check {
    number: number;
    name: string;
    result: "passed" | "failed" | "not made";
    expected: string;
    got: string;
}

export interface Report {
    ok: boolean;
    error: TfaasError | null;
    /** Then nothing is proved, whatever `ok` says. */
    simulated: boolean;
    tee: "sgx" | "tdx" | "snp" | "simulated" | "" | null;
    domain: string;
    coreVersion: string;
    verifiedAt: number;
    identity: Uint8Array | null;
    measurement: Uint8Array | null;
    weights: Uint8Array | null;
    platformId: Uint8Array | null;
    sealingKey: Uint8Array | null;
    epoch: number | bigint;
    notBefore: number;
    notAfter: number;
    /** Live ones. */
    leaseCount: number;
    checks: Check[];
    /** What no check covers, in sentences. */
    notCovered: string[];
}

// --- calls ---

export interface CallOptions {
    /** Ask for a receipt; without a valid one the body fails. */
    receipt?: boolean;
    /** SHA-256 (hex, also "sha256:...") of the package that must serve the call. */
    package?: string;
    /** Use and ask for a session; true if left out. */
    session?: boolean;
    /** OpenFaaS namespace, which is the trust domain; "openfaas-fn" if left out. */
    namespace?: string;
    /** "chunked" (streams) or "whole" (RFC 9458, at most 1 MiB either way). */
    form?: "chunked" | "whole";
    /** Send it to /.well-known/ohttp-gateway: no function's name in the outer URL. */
    gateway?: boolean;
    /** Never send it twice; a host that lies about a key or a session could have it run twice. */
    once?: boolean;
}

export interface TfaasRequestInit extends Omit<RequestInit, "body"> {
    body?: BodyInit | AsyncIterable<Uint8Array> | null;
    tfaas?: CallOptions;
}

export interface Claims {
    iss: string;
    seq: number;
    iat: number;
    fn: string;
    pkg: string;
    req: string;
    res: string;
    status: number;
    outcome: string;
    work: number;
    exact: boolean;
    mem: number;
    cpu_ns: number;
    weights: string;
}

export interface TfaasResponse extends Response {
    readonly tfaas: {
        /** Of the function's package, hex; null when the core named none. */
        readonly package: string | null;
        readonly form: "chunked" | "whole" | "session";
        readonly keyId: number;
        /** Settles at the end of the body; null when none was asked for. */
        readonly receipt: Promise<{ text: string; claims: Claims } | null>;
    };
}

export interface ClientOptions {
    baseUrl: string | URL;
    policy?: string | PolicyDocument | Policy;
    fetch?: typeof fetch;
    /** Unix milliseconds. */
    now?: () => number;
    /** For SGX and TDX, where the evidence brings none: the object of nine strings. */
    collateral?: string | object;
    /** Ask for evidence with a nonce of ours. */
    fresh?: boolean;
}

export class Client {
    constructor(options: ClientOptions);
    fetch(url: string | URL, init?: TfaasRequestInit): Promise<TfaasResponse>;
    verify(options?: { namespace?: string; fresh?: boolean; signal?: AbortSignal }): Promise<Report>;
    sealSecret(name: string, value: Uint8Array | string,
               options?: { namespace?: string; packages?: (string | Uint8Array)[]; signal?: AbortSignal }):
        Promise<Uint8Array>;
    sealPackage(name: string, value: Uint8Array,
                options?: { namespace?: string; logKey?: Uint8Array; signal?: AbortSignal }): Promise<Uint8Array>;
}

export function createClient(options: ClientOptions): Client;
export function tfaasFetch(
    url: string | URL,
    init: Omit<TfaasRequestInit, "tfaas"> & { tfaas: CallOptions & { policy: string | PolicyDocument } },
): Promise<TfaasResponse>;
export function verify(
    baseUrl: string | URL, policy?: string | PolicyDocument | Policy,
    options?: Omit<ClientOptions, "baseUrl" | "policy"> & { namespace?: string; signal?: AbortSignal },
): Promise<Report>;

// --- receipts, offline ---

export function verifyReceipt(
    receipt: string, report: Report,
    expected?: { requestHash?: Uint8Array; responseHash?: Uint8Array; functionName?: string; packageDigest?: string },
): Promise<Claims>;
/** Throws receipt_duplicate or receipt_gap. */
export function checkReceiptSequences(claims: Claims[]): void;

// --- logs of a confidential function ---

export function generateLogKey(): Promise<{ secret: Uint8Array; publicKey: Uint8Array }>;
export function openLogLine(line: string, logSecret: Uint8Array, packageDigest: string | Uint8Array): Promise<Uint8Array>;

// --- evidence alone ---

export interface Evidence {
    tee: "sgx" | "tdx" | "snp" | "simulated";
    quote: Uint8Array;
    collateral?: string | object;
    vek?: Uint8Array | string;
    ca?: string | Uint8Array[];
    /** The moment to judge for. */
    atUnix: number;
}

export interface Appraisal {
    tee: string;
    verdict: "reject" | "policy" | "accept";
    tcbStatus: TcbStatus | "Unknown" | null;
    advisoryIds: string[];
    /** One line; "" unless rejected. */
    error: string;
    formatVersion: number;
    measurement: Uint8Array | null;
    reportData: Uint8Array | null;
    debug: boolean;
    svn: number;
    platformId: Uint8Array | null;
    fields: Record<string, string | number | boolean>;
    tcbDateUnix: number;
    tcbEvaluationDataNumber: number;
    expiresUnix: number;
}

export function appraiseEvidence(evidence: Evidence): Promise<Appraisal>;
