/*
 * evidence_snp.c - AMD SEV-SNP attestation reports 2, 3 and 5 (AMD 56860 table 23) and the key
 * certificates that sign them (AMD 57230): VCEK of a chip, VLEK of a cloud provider, under the ARK
 * of Milan, Genoa or Turin.
 */
#include "evidence_internal.h"

#define REPORT_SIZE    1184u
#define SIGNED_SIZE    0x2a0u
#define ALGORITHM_P384 1u
#define VMPL_MAX       3u
#define BIT(n)         (UINT64_C(1) << (n))
#define POLICY_SMT     BIT(16)
#define POLICY_ONE     BIT(17)
#define POLICY_MIGRATE BIT(18)
#define POLICY_DEBUG   BIT(19)
#define POLICY_SOCKET  BIT(20)
#define POLICY_KNOWN   (BIT(26) - 1)
#define OID_AMD        "1.3.6.1.4.1.3704.1."

struct report {
    struct span reserved[6]; /* that must be zero */
    uint8_t tcb[8];          /* reported, as it stands */
    struct span r, s;        /* little-endian, 72 bytes */
};

static void tcb_of(struct cursor *in, struct tfaas_snp_tcb *tcb)
{
    tcb->raw = evidence_le(in, 8);
}

/* Which byte is what depends on the generation (56860 tables 3 and 4). */
static void tcb_parts(struct tfaas_snp_tcb *tcb, enum tfaas_snp_generation generation)
{
    uint8_t b[8];
    for (unsigned i = 0; i < 8; i++)
        b[i] = (uint8_t)(tcb->raw >> (8 * i));
    bool turin = generation == TFAAS_SNP_TURIN;
    tcb->fmc = turin ? b[0] : 0;
    tcb->boot_loader = b[turin ? 1 : 0];
    tcb->tee = b[turin ? 2 : 1];
    tcb->snp = b[turin ? 3 : 6];
    tcb->microcode = b[7];
}

static bool parse(struct evidence_context *c, struct report *report)
{
    struct tfaas_appraisal *a = c->appraisal;
    struct tfaas_snp_fields *f = &a->u.snp;
    struct tfaas_bytes bytes = c->evidence->quote;
    if (bytes.size != REPORT_SIZE)
        return evidence_fail(c, "report: %zu bytes instead of %u", bytes.size, REPORT_SIZE);
    struct cursor in = cursor_of(bytes.data, bytes.size);
    f->version = (uint32_t)evidence_le(&in, 4);
    f->guest_svn = (uint32_t)evidence_le(&in, 4);
    f->policy = evidence_le(&in, 8);
    evidence_copy(&in, f->family_id, sizeof f->family_id);
    evidence_copy(&in, f->image_id, sizeof f->image_id);
    f->vmpl = (uint32_t)evidence_le(&in, 4);
    f->signature_algo = (uint32_t)evidence_le(&in, 4);
    tcb_of(&in, &f->current);
    f->platform_info = evidence_le(&in, 8);
    f->flags = (uint32_t)evidence_le(&in, 4);
    report->reserved[0] = cursor_take(&in, 4);
    evidence_copy(&in, a->report_data, sizeof a->report_data);
    evidence_copy(&in, a->measurement, sizeof a->measurement);
    evidence_copy(&in, f->host_data, sizeof f->host_data);
    evidence_copy(&in, f->id_key_digest, sizeof f->id_key_digest);
    evidence_copy(&in, f->author_key_digest, sizeof f->author_key_digest);
    evidence_copy(&in, f->report_id, sizeof f->report_id);
    evidence_copy(&in, f->report_id_ma, sizeof f->report_id_ma);
    memcpy(report->tcb, cursor_take(&in, 8).data, 8); /* the size was checked */
    in.at -= 8;
    tcb_of(&in, &f->reported);
    f->cpuid_family = cursor_u8(&in);
    f->cpuid_model = cursor_u8(&in);
    f->cpuid_stepping = cursor_u8(&in);
    report->reserved[1] = cursor_take(&in, 21);
    evidence_copy(&in, f->chip_id, sizeof f->chip_id);
    tcb_of(&in, &f->committed);
    cursor_take(&in, 3); /* current build, minor, major */
    report->reserved[2] = cursor_take(&in, 1);
    cursor_take(&in, 3); /* committed build, minor, major */
    report->reserved[3] = cursor_take(&in, 1);
    tcb_of(&in, &f->launch);
    f->launch_mit_vector = evidence_le(&in, 8); /* before version 5: reserved */
    f->current_mit_vector = evidence_le(&in, 8);
    report->reserved[4] = cursor_take(&in, SIGNED_SIZE - in.at);
    report->r = cursor_take(&in, 72);
    report->s = cursor_take(&in, 72);
    report->reserved[5] = cursor_take(&in, cursor_left(&in));
    return !in.failed || evidence_fail(c, "report: truncated");
}

static void generic_fields(struct evidence_context *c)
{
    struct tfaas_appraisal *a = c->appraisal;
    struct tfaas_snp_fields *f = &a->u.snp;
    a->format_version = (uint16_t)f->version;
    a->measurement_size = 48;
    a->svn = f->guest_svn;
    a->debug = (f->policy & POLICY_DEBUG) != 0;
    f->smt_allowed = (f->policy & POLICY_SMT) != 0;
    f->migrate_ma_allowed = (f->policy & POLICY_MIGRATE) != 0;
    f->single_socket = (f->policy & POLICY_SOCKET) != 0;
    a->parsed = true;
}

/* What no firmware writes into a report for a guest, or what this code cannot judge. */
static bool well_formed(struct evidence_context *c, const struct report *report)
{
    const struct tfaas_snp_fields *f = &c->appraisal->u.snp;
    uint8_t cpuid[3] = {f->cpuid_family, f->cpuid_model, f->cpuid_stepping};
    if (f->version != 2 && f->version != 3 && f->version != 5)
        return evidence_fail(c, "report: version %u", f->version);
    if (f->signature_algo != ALGORITHM_P384)
        return evidence_fail(c, "report: signature algorithm %u", f->signature_algo);
    if (f->vmpl > VMPL_MAX)
        return evidence_fail(c, "report: asked for by the host (VMPL 0x%x)", f->vmpl);
    if (!(f->policy & POLICY_ONE) || f->policy & ~POLICY_KNOWN)
        return evidence_fail(c, "report: policy 0x%llx", (unsigned long long)f->policy);
    if (f->flags >> 5 || (f->flags >> 2 & 7) > TFAAS_SNP_VLEK)
        return evidence_fail(c, "report: not signed by a VCEK or VLEK (flags 0x%x)", f->flags);
    for (size_t i = 0; i < 6; i++)
        if (!evidence_zero(report->reserved[i]))
            return evidence_fail(c, "report: reserved bytes are set");
    if (f->version < 5 && (f->launch_mit_vector || f->current_mit_vector))
        return evidence_fail(c, "report: reserved bytes are set");
    if (f->version < 3 && !evidence_zero((struct span){cpuid, sizeof cpuid}))
        return evidence_fail(c, "report: reserved bytes are set");
    return true;
}

/* --- the certificate of the key --- */

static bool amd_extension(X509 *vek, const char *last, struct span *value)
{
    char oid[64] = OID_AMD;
    memcpy(oid + sizeof OID_AMD - 1, last, strlen(last) + 1);
    return evidence_extension(vek, oid, value);
}

static bool svn_extension(X509 *vek, const char *last, uint32_t *svn)
{
    struct span value;
    struct der_item item;
    if (!amd_extension(vek, last, &value))
        return false;
    struct cursor in = cursor_of(value.data, value.size);
    return der_read(&in, &item) && item.tag == 0x02 && cursor_left(&in) == 0 &&
           der_uint(&item, svn) && *svn <= 255;
}

/* Byte by byte the TCB that the key was derived for is the TCB that the report tells. */
static bool tcb_matches(struct evidence_context *c, X509 *vek, const struct report *report)
{
    static const char *const milan[8] = {"3.1", "3.2", "3.4", "3.5", "3.6", "3.7", "3.3", "3.8"};
    static const char *const turin[8] = {"3.9", "3.1", "3.2", "3.3", "3.5", "3.6", "3.7", "3.8"};
    const char *const *names = c->appraisal->u.snp.generation == TFAAS_SNP_TURIN ? turin : milan;
    for (size_t i = 0; i < 8; i++) {
        uint32_t svn;
        if (!svn_extension(vek, names[i], &svn))
            return evidence_fail(c, "VEK: no SVN %s in its certificate", names[i]);
        if (svn != report->tcb[i])
            return evidence_fail(c, "VEK is of another TCB than the report");
    }
    return true;
}

/* The extension's text is an IA5String: "Milan-B0" (VCEK) or "Milan" (VLEK). */
static bool product_matches(struct evidence_context *c, X509 *vek)
{
    const char *product = tfaas_snp_generation_name(c->appraisal->u.snp.generation);
    struct span value;
    struct der_item item;
    uint32_t structure;
    if (!svn_extension(vek, "1", &structure) || structure > 1 || !amd_extension(vek, "2", &value))
        return evidence_fail(c, "VEK: unknown structure version or no product name");
    struct cursor in = cursor_of(value.data, value.size);
    size_t size = strlen(product);
    if (!der_read(&in, &item) || item.tag != 0x16 || cursor_left(&in) != 0 ||
        item.value.size < size || memcmp(item.value.data, product, size) != 0 ||
        (item.value.size > size && item.value.data[size] != '-'))
        return evidence_fail(c, "VEK: its product is not %s", product);
    return true;
}

/* From version 3 on the report says which processor made it (CPUID family and model). */
static bool processor_matches(struct evidence_context *c)
{
    const struct tfaas_snp_fields *f = &c->appraisal->u.snp;
    enum tfaas_snp_generation said = TFAAS_SNP_GENERATION_NONE;
    uint8_t high = f->cpuid_model >> 4;
    if (f->version < 3)
        return true;
    if (f->cpuid_family == 0x19 && high == 0)
        said = TFAAS_SNP_MILAN;
    else if (f->cpuid_family == 0x19 && (high == 1 || high == 0xa))
        said = TFAAS_SNP_GENOA;
    else if (f->cpuid_family == 0x1a && high <= 1)
        said = TFAAS_SNP_TURIN;
    return said == f->generation ||
           evidence_fail(c, "report: of a processor of another generation");
}

static bool chip_matches(struct evidence_context *c, X509 *vek)
{
    struct tfaas_appraisal *a = c->appraisal;
    struct tfaas_snp_fields *f = &a->u.snp;
    struct span id, chip = {f->chip_id, f->generation == TFAAS_SNP_TURIN ? 8 : 64};
    struct span rest = {f->chip_id + chip.size, sizeof f->chip_id - chip.size};
    bool named = amd_extension(vek, "4", &id);
    if (f->signer == TFAAS_SNP_VLEK && named)
        return evidence_fail(c, "VLEK: names a chip");
    if (f->signer == TFAAS_SNP_VCEK && (!named || id.size != chip.size || evidence_zero(id) ||
                                        memcmp(id.data, chip.data, id.size) != 0))
        return evidence_fail(c, "VCEK is of another chip than the report");
    if (!evidence_zero(rest))
        return evidence_fail(c, "report: chip id is too long");
    if (!evidence_zero(chip)) {
        memcpy(a->platform_id, chip.data, chip.size);
        a->platform_id_size = chip.size;
    }
    return true;
}

/* VLEK: the provider it was issued to, an IA5String "CN=cc-us-east-2.amazonaws.com". */
static bool provider(struct evidence_context *c, X509 *vek)
{
    struct tfaas_snp_fields *f = &c->appraisal->u.snp;
    struct span value;
    struct der_item item;
    if (f->signer != TFAAS_SNP_VLEK)
        return true;
    if (!amd_extension(vek, "5", &value))
        return evidence_fail(c, "VLEK: names no provider");
    struct cursor in = cursor_of(value.data, value.size);
    if (!der_read(&in, &item) || item.tag != 0x16 || cursor_left(&in) != 0 ||
        item.value.size == 0 || item.value.size >= sizeof f->csp_id)
        return evidence_fail(c, "VLEK: malformed provider");
    for (size_t i = 0; i < item.value.size; i++)
        if (item.value.data[i] < 0x20 || item.value.data[i] > 0x7e)
            return evidence_fail(c, "VLEK: malformed provider");
    memcpy(f->csp_id, item.value.data, item.value.size);
    return true;
}

/* Milan, Genoa or Turin: by the intermediate's name. The chain will prove it. */
static bool generation_of(struct evidence_context *c, X509 *vek)
{
    static const char *const names[][2] = {
        [TFAAS_SNP_MILAN] = {"SEV-Milan", "SEV-VLEK-Milan"},
        [TFAAS_SNP_GENOA] = {"SEV-Genoa", "SEV-VLEK-Genoa"},
        [TFAAS_SNP_TURIN] = {"SEV-Turin", "SEV-VLEK-Turin"},
    };
    struct tfaas_snp_fields *f = &c->appraisal->u.snp;
    f->signer = f->flags >> 2 & 7 ? TFAAS_SNP_VLEK : TFAAS_SNP_VCEK;
    bool vlek = f->signer == TFAAS_SNP_VLEK;
    for (int g = TFAAS_SNP_MILAN; g <= TFAAS_SNP_TURIN; g++)
        if (evidence_common_name(X509_get_issuer_name(vek), names[g][vlek]))
            f->generation = (enum tfaas_snp_generation)g;
    if (f->generation == TFAAS_SNP_GENERATION_NONE ||
        !evidence_common_name(X509_get_subject_name(vek), vlek ? "SEV-VLEK" : "SEV-VCEK"))
        return evidence_fail(c, "VEK: not the %s that the report names", vlek ? "VLEK" : "VCEK");
    return true;
}

/* The bundle holds the intermediate and, if at all, the pinned ARK of that generation. */
static bool bundle_fits(struct evidence_context *c, certificates_t *bundle, X509 *vek, X509 *ark)
{
    const X509_NAME *root = X509_get_subject_name(ark);
    for (int i = 0; i < sk_X509_num(bundle); i++) {
        X509 *one = sk_X509_value(bundle, i);
        bool intermediate =
            X509_NAME_cmp(X509_get_subject_name(one), X509_get_issuer_name(vek)) == 0 &&
            X509_NAME_cmp(X509_get_issuer_name(one), root) == 0;
        if (!intermediate && X509_cmp(one, ark) != 0)
            return evidence_fail(c,
                                 "CA bundle: holds another CA than the key's and the pinned ARK");
    }
    return true;
}

/* Revocation lists in the bundle, where there are any, are the ARK's and clear the intermediate. */
static bool bundle_clears(struct evidence_context *c, certificates_t *bundle,
                          revocation_lists_t *lists, X509 *ark)
{
    for (int i = 0; i < sk_X509_CRL_num(lists); i++)
        for (int k = 0; k < sk_X509_num(bundle); k++)
            if (!evidence_not_revoked(c, sk_X509_CRL_value(lists, i), ark, sk_X509_value(bundle, k),
                                      "CA bundle"))
                return false;
    return true;
}

static bool signature(struct evidence_context *c, const struct report *report, X509 *vek)
{
    uint8_t big_endian[96];
    struct span high_r = {report->r.data + 48, 24}, high_s = {report->s.data + 48, 24};
    struct span data = {c->evidence->quote.data, SIGNED_SIZE};
    if (!evidence_zero(high_r) || !evidence_zero(high_s))
        return evidence_fail(c, "report: signature out of range");
    for (size_t i = 0; i < 48; i++) {
        big_endian[i] = report->r.data[47 - i];
        big_endian[48 + i] = report->s.data[47 - i];
    }
    return evidence_ecdsa(X509_get0_pubkey(vek), data, (struct span){big_endian, 96}) ||
           evidence_fail(c, "report: signature is invalid");
}

static X509 *key_certificate(struct evidence_context *c)
{
    struct span bytes = {c->evidence->vek.data, c->evidence->vek.size};
    if (!bytes.data) {
        evidence_fail(c, "no VCEK or VLEK certificate");
        return NULL;
    }
    if (bytes.size == 0 || bytes.data[0] == 0x30)
        return evidence_certificate(c, bytes, "VEK");
    AUTO(certs) certificates_t *all = evidence_pem_certificates(c, bytes, "VEK");
    if (all && sk_X509_num(all) == 1)
        return sk_X509_shift(all);
    evidence_fail(c, "VEK: not one certificate");
    return NULL;
}

static bool key_holds(struct evidence_context *c, const struct report *report, X509 *vek)
{
    struct tfaas_bytes ca = c->evidence->ca;
    if (!generation_of(c, vek))
        return false;
    if (!ca.data)
        return evidence_fail(c, "no CA bundle");
    AUTO(lists) revocation_lists_t *lists = sk_X509_CRL_new_null();
    AUTO(certs)
    certificates_t *bundle =
        lists ? evidence_pem_bundle(c, (struct span){ca.data, ca.size}, lists, "CA bundle") : NULL;
    AUTO(x509)
    X509 *ark = evidence_certificate(c, c->roots.ark[c->appraisal->u.snp.generation], "ARK");
    if (!bundle || !ark || !bundle_fits(c, bundle, vek, ark) ||
        !bundle_clears(c, bundle, lists, ark) ||
        !evidence_chain(c, EVIDENCE_AMD, vek, bundle, ark, NULL, 3, "VEK chain"))
        return false;
    if (X509_check_ca(vek))
        return evidence_fail(c, "VEK: is a CA");
    return signature(c, report, vek) && product_matches(c, vek) && processor_matches(c) &&
           tcb_matches(c, vek, report) && chip_matches(c, vek) && provider(c, vek);
}

bool snp_appraise(struct evidence_context *c)
{
    struct report report = {0};
    struct tfaas_snp_fields *f = &c->appraisal->u.snp;
    if (!parse(c, &report))
        return false;
    generic_fields(c);
    bool bound = !c->evidence->hcl.data ||
                 hcl_check(c, (struct span){c->evidence->quote.data, c->evidence->quote.size});
    if (!bound || !well_formed(c, &report))
        return false;
    AUTO(x509) X509 *vek = key_certificate(c);
    if (!vek || !key_holds(c, &report, vek))
        return false;
    tcb_parts(&f->current, f->generation);
    tcb_parts(&f->reported, f->generation);
    tcb_parts(&f->committed, f->generation);
    tcb_parts(&f->launch, f->generation);
    return true;
}
