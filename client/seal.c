/* seal.c - secrets and packages sealed to a verified domain (common/sealed.h). */
#include "internal.h"
#include "sealed.h"

enum tfaas_client_error tfaas_seal(const struct tfaas_verification *to,
                                   const struct tfaas_seal_options *options,
                                   struct tfaas_bytes content, uint8_t **out, size_t *out_size,
                                   struct tfaas_failure *failure)
{
    *out = NULL;
    *out_size = 0;
    if (to->error)
        return client_fail(failure, to->error, "seal: there is no evidence that holds");
    bool secret = options->kind && strcmp(options->kind, "secret") == 0;
    if (!secret && !(options->kind && strcmp(options->kind, "package") == 0))
        return client_fail(failure, TFAAS_CLIENT_USAGE, "kind: neither secret nor package");
    if (!options->name || !*options->name)
        return client_fail(failure, TFAAS_CLIENT_USAGE, "name: there is none");
    if (!secret && options->package_count)
        return client_fail(failure, TFAAS_CLIENT_USAGE, "packages: only a secret names them");
    const struct sealed_options sealed = {.kind = options->kind,
                                          .domain = to->domain,
                                          .name = options->name,
                                          .packages = options->packages,
                                          .package_count = options->package_count,
                                          .log_key = options->log_key};
    if (sealed_make(&sealed, to->sealing_key, (struct span){content.data, content.size}, out,
                    out_size) != TFAAS_OK)
        return client_fail(failure, TFAAS_CLIENT_USAGE, "seal: too large, or a name is too long");
    return TFAAS_CLIENT_OK;
}
