/* policy_explain.c - a policy in sentences, for the person who signs it off. */
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>

static void list_hex(FILE *to, const char *what, const uint8_t *data, size_t size, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char hex[129];
        hex_write(data + i * size, size, hex);
        fprintf(to, "    %s %s\n", what, hex);
    }
}

static void explain_cores(FILE *to, const struct policy *p)
{
    if (p->core_count == 0)
        fprintf(to, "No core is accepted: \"cores\" is empty, so every verification fails.\n"
                    "  (`tfaas core measure FILE` tells the measurement of a core.)\n");
    else
        fprintf(to, "Cores with %s measurement (SHA-384) are accepted:\n",
                p->core_count == 1 ? "this" : "one of these");
    list_hex(to, "core", p->cores[0], 48, p->core_count);
}

static void explain_intel(FILE *to, const struct policy *p)
{
    if (p->sgx) {
        fprintf(to, "Intel SGX is accepted, for %s:\n",
                p->enclave_count ? "these enclaves" : "no enclave (\"enclaves\" is empty)");
        list_hex(to, "MRENCLAVE", p->enclaves[0], 32, p->enclave_count);
    }
    if (p->tdx)
        fprintf(to, "Intel TDX is accepted, for %s:\n",
                p->td_count ? "these trust domains" : "no trust domain (\"domains\" is empty)");
    for (size_t i = 0; i < p->td_count; i++) {
        list_hex(to, "MRTD", p->tds[i].mr_td, 48, 1);
        for (size_t k = 0; k < 4; k++) {
            char what[16];
            snprintf(what, sizeof(what), "  RTMR%zu", k);
            if (p->tds[i].rt_mr_any[k])
                fprintf(to, "      RTMR%zu ANY: what it measures (kernel, disk) is not checked\n",
                        k);
            else
                list_hex(to, what, p->tds[i].rt_mr[k], 48, 1);
        }
    }
    if (!p->sgx && !p->tdx)
        return;
    fprintf(to, "Intel platforms must have a TCB status of:");
    for (unsigned s = 0; s < 16; s++)
        if (p->tcb_accepted[s])
            fprintf(to, " %s", tfaas_tcb_status_name((enum tfaas_tcb_status)s));
    fprintf(to, "\n  with no open advisory");
    for (size_t i = 0; i < p->advisory_count; i++)
        fprintf(to, "%s%s", i ? ", " : " but ", p->advisories[i]);
    fprintf(to, ".\n");
}

static void explain_snp(FILE *to, const struct policy *p)
{
    bool any = false;
    if (!p->snp)
        return;
    fprintf(to, "AMD SEV-SNP is accepted, for %s:\n",
            p->launch_count ? "these launches" : "no launch (\"launches\" is empty)");
    list_hex(to, "launch", p->launches[0], 48, p->launch_count);
    for (unsigned g = TFAAS_SNP_MILAN; g <= TFAAS_SNP_TURIN; g++) {
        const struct policy_snp_tcb *t = &p->snp_tcb[g];
        any |= t->named;
        if (t->named)
            fprintf(to, "  on %s from boot loader %u, TEE %u, SNP %u, microcode %u%s\n",
                    tfaas_snp_generation_name((enum tfaas_snp_generation)g), t->boot_loader, t->tee,
                    t->snp, t->microcode,
                    g == TFAAS_SNP_MILAN ? " - WARNING: Milan's keys have been extracted" : "");
    }
    if (!any)
        fprintf(to, "  on no processor: \"minimum_tcb\" names no generation.\n");
}

static void explain_rest(FILE *to, const struct policy *p)
{
    if (p->allow_simulated)
        fprintf(to, "SIMULATED evidence is ACCEPTED: whoever runs the host can read and change "
                    "everything. For development only.\n");
    else
        fprintf(to, "Simulated evidence is refused.\n");
    fprintf(to, "Debug launches are refused, always.\n");
    if (p->platform_count == 0)
        fprintf(to, "Any machine is accepted, also one that its owner has taken apart.\n");
    else
        fprintf(to, "Only these machines are accepted:\n");
    for (size_t i = 0; i < p->platform_count; i++)
        list_hex(to, "platform", p->platforms[i].id, p->platforms[i].size, 1);
    fprintf(to, "A key statement may be %lld seconds old.\n", (long long)p->maximum_age_s);
}

enum tfaas_client_error tfaas_policy_explain(const char *policy, char **out,
                                             struct tfaas_failure *failure)
{
    struct policy *p = calloc(1, sizeof(*p));
    size_t size = 0;
    *out = NULL;
    if (!p)
        return client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "policy");
    client_error_t error = policy_read(policy, p, failure);
    FILE *to = error ? NULL : open_memstream(out, &size);
    if (to) {
        explain_cores(to, p);
        explain_intel(to, p);
        explain_snp(to, p);
        explain_rest(to, p);
    }
    if (!error && (!to || fclose(to) != 0))
        error = client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "policy");
    if (error) {
        free(*out);
        *out = NULL;
    }
    free(p);
    return error;
}
