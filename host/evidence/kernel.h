/*
 * kernel.h - what Linux says about its guest devices, in our own words, so that any kernel's
 * headers will do. Source: Linux, include/uapi/linux/{sev-guest,tdx-guest}.h; the answers'
 * contents: AMD 56860 (SNP firmware ABI) tables MSG_REPORT_RSP and MSG_KEY_REQ/RSP; Intel TDX
 * module ABI, TDREPORT_STRUCT.
 */
#ifndef TFAAS_HOST_EVIDENCE_KERNEL_H
#define TFAAS_HOST_EVIDENCE_KERNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* --- /dev/sev-guest --- */
#define SNP_REPORT_SIZE        1184u
#define SNP_REPORT_DATA_AT     0x50u
#define SNP_REPORT_VERSION_MIN 2u
#define SNP_CERTS_SIZE_MAX     (64u * 1024)
#define SNP_KEY_SELECT_VCEK    0u
#define SNP_KEY_MIX_POLICY     (1u << 0)
#define SNP_KEY_MIX_MEASURED   (1u << 3)
#define SNP_VMM_INVALID_LEN    1u
#define SNP_VMM_BUSY           2u

struct snp_request {
    uint8_t version; /* 1 */
    uint64_t request, response;
    uint32_t firmware_error, vmm_error;
};
_Static_assert(sizeof(struct snp_request) == 32 && offsetof(struct snp_request, request) == 8 &&
                   offsetof(struct snp_request, firmware_error) == 24,
               "struct snp_guest_request_ioctl");

struct snp_report_request {
    uint8_t data[64];
    uint32_t vmpl;
    uint8_t reserved[28];
};
_Static_assert(sizeof(struct snp_report_request) == 96, "struct snp_report_req");

struct snp_ext_report_request {
    struct snp_report_request report;
    uint64_t certs;
    uint32_t certs_size;
};
_Static_assert(sizeof(struct snp_ext_report_request) == 112 &&
                   offsetof(struct snp_ext_report_request, certs_size) == 104,
               "struct snp_ext_report_req");

struct snp_report_response { /* the kernel's 4000 bytes begin as the firmware's message */
    uint32_t status, size;
    uint8_t reserved[24];
    uint8_t report[SNP_REPORT_SIZE];
    uint8_t rest[4000 - 32 - SNP_REPORT_SIZE];
};
_Static_assert(sizeof(struct snp_report_response) == 4000 &&
                   offsetof(struct snp_report_response, report) == 32,
               "struct snp_report_resp");

struct snp_key_request {
    uint32_t root_key_select, reserved;
    uint64_t guest_field_select;
    uint32_t vmpl, guest_svn;
    uint64_t tcb_version;
};
_Static_assert(sizeof(struct snp_key_request) == 32, "struct snp_derived_key_req");

struct snp_key_response {
    uint32_t status;
    uint8_t reserved[28];
    uint8_t key[32];
};
_Static_assert(sizeof(struct snp_key_response) == 64, "struct snp_derived_key_resp");

#define SNP_IOCTL_REPORT      _IOWR('S', 0, struct snp_request)
#define SNP_IOCTL_DERIVED_KEY _IOWR('S', 1, struct snp_request)
#define SNP_IOCTL_EXT_REPORT  _IOWR('S', 2, struct snp_request)
_Static_assert(SNP_IOCTL_REPORT == 0xc0205300u && SNP_IOCTL_DERIVED_KEY == 0xc0205301u &&
                   SNP_IOCTL_EXT_REPORT == 0xc0205302u,
               "as the kernel's headers compile");

/* --- /dev/tdx_guest --- */
#define TDX_REPORT_SIZE    1024u
#define TDX_REPORT_TYPE    0x81u             /* REPORTTYPE.TYPE: a TD */
#define TDX_QUOTE4_DATA_AT (48u + 520u)      /* header, then REPORTDATA in the TD report body */
#define TDX_QUOTE5_DATA_AT (48u + 6u + 520u) /* header, body type and size, TD report body */
#define TDX_REPORT_DATA_AT 128u              /* REPORTMACSTRUCT.REPORTDATA */

struct tdx_report_request {
    uint8_t data[64];
    uint8_t report[TDX_REPORT_SIZE];
};
_Static_assert(sizeof(struct tdx_report_request) == 1088, "struct tdx_report_req");
#define TDX_IOCTL_REPORT0 _IOWR('T', 1, struct tdx_report_request)
_Static_assert(TDX_IOCTL_REPORT0 == 0xc4405401u, "as the kernel's headers compile");

/* --- configfs-tsm: Documentation/ABI/testing/configfs-tsm-report --- */
#define TSM_PROVIDER_TDX "tdx_guest"
#define TSM_PROVIDER_SEV "sev_guest"

#endif
