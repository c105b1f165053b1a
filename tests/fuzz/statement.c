/* needs: common/statement.c common/fields.c common/cbor.c libs: sodium */
/* statement.c - fuzzes the readers of statements: what one accepts must encode to the same bytes
 * again, and no other reader takes it. */
#include "statement.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[1 << 17];
    struct span bytes = {data, size};
    struct key_statement key;
    struct lease lease;
    struct domain_statement domain;
    struct lease_request request;
    const char *why[4] = {NULL};
    struct writer w = writer_of(out, sizeof out);
    unsigned accepted = 0;
    if (key_statement_read(bytes, &key, &why[0]) == TFAAS_OK && ++accepted)
        key_statement_write(&w, &key);
    else if (!why[0])
        abort();
    if (lease_read(bytes, &lease, &why[1]) == TFAAS_OK && ++accepted)
        lease_write(&w, &lease);
    else if (!why[1])
        abort();
    if (domain_statement_read(bytes, &domain, &why[2]) == TFAAS_OK && ++accepted)
        domain_statement_write(&w, &domain);
    else if (!why[2])
        abort();
    if (lease_request_read(bytes, &request, &why[3]) == TFAAS_OK && ++accepted)
        lease_request_write(&w, &request);
    else if (!why[3])
        abort();
    if (accepted > 1 || (accepted && (w.failed || w.at != size || memcmp(out, data, size) != 0)))
        abort();
    return 0;
}
