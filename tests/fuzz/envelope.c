/* needs: common/statement.c common/fields.c common/cbor.c libs: sodium */
/* envelope.c - fuzzes envelopes: what splits is written the same again, and nothing opens under a
 * key that has signed nothing. */
#include "cbor.h"
#include "statement.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[1 << 17];
    /* The public key of RFC 8032 7.1, test 1: its secret signs nothing here. */
    static const uint8_t key[32] = {0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
                                    0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
                                    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
                                    0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
    struct span statement, signature;
    const char *why = NULL;
    tfaas_status_t status = envelope_split((struct span){data, size}, &statement, &signature, &why);
    if (status != TFAAS_OK && !why)
        abort();
    if (status == TFAAS_OK) {
        struct writer w = writer_of(out, sizeof out);
        cbor_put_array(&w, 2);
        cbor_put_bytes(&w, statement.data, statement.size);
        cbor_put_bytes(&w, signature.data, signature.size);
        if (w.failed || w.at != size || memcmp(out, data, size) != 0)
            abort();
    }
    if (envelope_open((struct span){data, size}, key, &statement, &why) == TFAAS_OK)
        abort();
    return 0;
}
