/*
 * evidence.h - appraisal of hardware evidence: is this quote or report genuine, is its platform
 * patched, and what does it say. No network, no clock, no files: everything comes in as bytes and
 * the time is a parameter. Link libtfaas (needs libcrypto of OpenSSL 3, jansson).
 *
 * Formats:
 *   SGX   DCAP quote version 3 (Intel SGX ECDSA QuoteLib Reference, appendix A.4)
 *   TDX   DCAP quote versions 4 and 5 (Intel TDX DCAP Quoting Library API, appendix A.3, A.4)
 *   SNP   ATTESTATION_REPORT versions 2, 3 and 5 (AMD 56860, SEV-SNP Firmware ABI, table 23),
 *         VCEK and VLEK certificates (AMD 57230)
 *   HCL   Azure paravisor report around an SNP report or beside a TDX quote
 * docs/evidence.md lists what is checked, in which order, and what is not.
 */
#ifndef TFAAS_EVIDENCE_H
#define TFAAS_EVIDENCE_H

#include "tfaas/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TFAAS_ADVISORIES_MAX     64u  /* distinct ones; more: rejected */
#define TFAAS_ADVISORY_SIZE      32u  /* with the final NUL */
#define TFAAS_EVIDENCE_ERROR_MAX 192u /* with the final NUL */

enum tfaas_tee { TFAAS_TEE_NONE, TFAAS_TEE_SGX, TFAAS_TEE_TDX, TFAAS_TEE_SNP };

/* All zeros is a refusal. */
enum tfaas_verdict {
    TFAAS_VERDICT_REJECT, /* not genuine, debuggable (SGX, TDX), expired, revoked, malformed */
    TFAAS_VERDICT_POLICY, /* genuine; whether tcb_status is good enough is the caller's policy */
    TFAAS_VERDICT_ACCEPT, /* genuine and up to date; what runs inside is still the policy's matter
                           */
};

/* Intel's words for a TCB level (PCS API v4, TCB Info v3; the two of a relaunch: Intel's QVL for TD
 * report 1.5, launched on an old module that has been updated since). NONE: there is no such
 * statement (SNP, or rejected before one was found). UNKNOWN: no collateral was given. REVOKED is
 * always rejected. */
enum tfaas_tcb_status {
    TFAAS_TCB_NONE,
    TFAAS_TCB_UNKNOWN,
    TFAAS_TCB_UP_TO_DATE,
    TFAAS_TCB_SW_HARDENING_NEEDED,
    TFAAS_TCB_CONFIGURATION_NEEDED,
    TFAAS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    TFAAS_TCB_OUT_OF_DATE,
    TFAAS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    TFAAS_TCB_REVOKED,
    TFAAS_TCB_TD_RELAUNCH_ADVISED,
    TFAAS_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
};

enum tfaas_snp_generation {
    TFAAS_SNP_GENERATION_NONE,
    TFAAS_SNP_MILAN,
    TFAAS_SNP_GENOA, /* Bergamo and Siena too: one key hierarchy */
    TFAAS_SNP_TURIN,
};

enum tfaas_snp_signer { TFAAS_SNP_VCEK = 0, TFAAS_SNP_VLEK = 1 };

/* Borrowed bytes; {NULL, 0} is "not given". */
struct tfaas_bytes {
    const uint8_t *data;
    size_t size;
};

struct tfaas_evidence {
    enum tfaas_tee tee;
    struct tfaas_bytes quote;      /* DCAP quote, or SNP report of 1184 bytes */
    struct tfaas_bytes collateral; /* SGX, TDX: JSON of nine strings (docs/evidence.md) */
    struct tfaas_bytes vek;        /* SNP: VCEK or VLEK certificate, DER or PEM */
    struct tfaas_bytes ca;         /* SNP: PEM bundle, ASK or ASVK, then ARK */
    struct tfaas_bytes hcl;        /* Azure: HCL report whose runtime data the evidence binds */
    int64_t at_unix;               /* the moment to judge for, seconds since 1970, UTC */
};

/* The parts of an SGX report body (Intel SDM volume 3D, table 39-21), as they stand there. */
struct tfaas_sgx_fields {
    uint8_t cpu_svn[16], misc_select[4], attributes[16], mr_enclave[32], mr_signer[32];
    uint8_t config_id[64], isv_ext_prod_id[16], isv_family_id[16];
    uint16_t isv_prod_id, isv_svn, config_svn;
};

/* The parts of a TD report body 1.0 (584 bytes) or 1.5 (648 bytes). */
struct tfaas_tdx_fields {
    uint8_t tee_tcb_svn[16], mr_seam[48], mr_signer_seam[48], seam_attributes[8];
    uint8_t td_attributes[8], xfam[8], mr_td[48], mr_config_id[48], mr_owner[48];
    uint8_t mr_owner_config[48], rt_mr[4][48];
    bool has_1_5; /* the two below are from a 1.5 body */
    uint8_t tee_tcb_svn2[16], mr_service_td[48];
};

/* Security version numbers of one SNP TCB_VERSION. On Milan and Genoa fmc is 0. */
struct tfaas_snp_tcb {
    uint64_t raw; /* as in the report, little-endian */
    uint8_t fmc, boot_loader, tee, snp, microcode;
};

struct tfaas_snp_fields {
    enum tfaas_snp_generation generation; /* of the certificate chain; NONE until it holds */
    enum tfaas_snp_signer signer;
    uint32_t version, guest_svn, vmpl, signature_algo, flags;
    uint64_t policy, platform_info, launch_mit_vector, current_mit_vector; /* vectors: version 5 */
    bool smt_allowed, migrate_ma_allowed, single_socket;
    uint8_t family_id[16], image_id[16], host_data[32], id_key_digest[48], author_key_digest[48];
    uint8_t report_id[32], report_id_ma[32], chip_id[64];
    uint8_t cpuid_family, cpuid_model, cpuid_stepping; /* version 3 on; else 0 */
    struct tfaas_snp_tcb current, reported, committed, launch;
    char csp_id[64]; /* VLEK: the cloud provider the key was made for; else "" */
};

/* What an appraisal found. With verdict REJECT nothing in it can be relied on except `error`;
 * fields are filled in as far as the bytes parsed, for people to look at. */
struct tfaas_appraisal {
    enum tfaas_tee tee;
    enum tfaas_verdict verdict;
    enum tfaas_tcb_status tcb_status;
    char error[TFAAS_EVIDENCE_ERROR_MAX];                         /* one line; "" unless rejected */
    char advisory_ids[TFAAS_ADVISORIES_MAX][TFAAS_ADVISORY_SIZE]; /* no doubles */
    size_t advisory_count;

    bool parsed;             /* the members from here to the union are filled in */
    uint16_t format_version; /* of the quote or report */
    /* MRENCLAVE (32 bytes), MRTD or the SNP launch digest (48 bytes) */
    uint8_t measurement[48];
    size_t measurement_size;
    uint8_t report_data[64];
    /* SNP: a guest whose memory the host may read is genuine evidence, so `debug` does not
     * reject there: a policy must. SGX and TDX: debug is rejected. */
    bool debug;
    /* SGX isv_svn, SNP guest_svn, TDX 0 (a TD has no version of its own) */
    uint32_t svn;
    union {
        struct tfaas_sgx_fields sgx;
        struct tfaas_tdx_fields tdx;
        struct tfaas_snp_fields snp;
    } u;

    /* Which machine. SGX, TDX: PPID of the PCK certificate, 16 bytes. SNP: chip id, 64 bytes (8 on
     * Turin, as its certificate has it). Size 0: the evidence does not name one (VLEK, masked). */
    uint8_t platform_id[64];
    size_t platform_id_size;
    /* SGX, TDX: from the PCK certificate */
    uint8_t fmspc[6], pce_id[2], pck_cpu_svn[16];
    uint16_t pck_pce_svn;
    uint8_t platform_instance_id[16];    /* all zeros: the certificate has none (Processor CA) */
    bool pck_platform_ca;                /* issued by the Platform CA, else by the Processor CA */
    uint32_t tcb_evaluation_data_number; /* the lower one of TCB info and QE identity */
    int64_t tcb_date_unix;               /* of the matching TCB level */
    /* Until when this verdict may be reused: the earliest end of a certificate, revocation list,
     * TCB info or QE identity that was used. 0 when rejected. */
    int64_t expires_unix;

    bool hcl_present, hcl_bound; /* the runtime data's hash is in report_data */
    uint8_t hcl_hash[64];
    size_t hcl_hash_size;
    struct tfaas_bytes hcl_runtime_data; /* JSON inside evidence->hcl, borrowed */
};

/* Judges `evidence`. The result is in *appraisal, which is written in full. OK whenever there is a
 * verdict, also for REJECT (memory that ran out is one, too); BAD_REQUEST when there is nothing to
 * judge (no TEE named, no quote): then the verdict is REJECT as well. Thread-safe; keeps nothing.
 */
tfaas_status_t tfaas_evidence_appraise(const struct tfaas_evidence *evidence,
                                       struct tfaas_appraisal *appraisal) TFAAS_MUST_USE;

/* The object that `tfaas evidence appraise --json` prints, without newline; malloc'ed, the
 * caller's to free. NULL when memory ran out. */
char *tfaas_evidence_json(const struct tfaas_appraisal *appraisal) TFAAS_MUST_USE;

/* "sgx", "accept", "UpToDate", "Milan"; NULL outside the list and for NONE. */
const char *tfaas_tee_name(enum tfaas_tee tee);
const char *tfaas_verdict_name(enum tfaas_verdict verdict);
const char *tfaas_tcb_status_name(enum tfaas_tcb_status status);
const char *tfaas_snp_generation_name(enum tfaas_snp_generation generation);

#ifdef __cplusplus
}
#endif

#endif
