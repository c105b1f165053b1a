/* needs: common/sealed.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/fields.c common/cbor.c libs: sodium */
/* sealed_object.c - fuzzes the readers of sealed objects, headers and log lines: the header of what
 * is accepted reads as a header again, and nothing opens. */
#include "sealed.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t secret[32] = {1}, key[32] = {9};
    uint8_t header[SEALED_HEADER_MAX], digest[32] = {0};
    struct sealed sealed, again;
    const char *why = NULL;
    if (sealed_read((struct span){data, size}, &sealed, &why) == TFAAS_OK) {
        if (!sealed_is((struct span){data, size}))
            abort();
        size_t header_size = sealed_header(&sealed, header);
        if (header_size == 0 || header_size > size ||
            memcmp(header + 1, data + 1, header_size - 1) != 0)
            abort();
        if (sealed_read_header((struct span){header, header_size}, &again, &why) != TFAAS_OK ||
            again.package_count != sealed.package_count)
            abort();
        uint8_t *to = malloc(sealed.ciphertext.size);
        if (sealed_open(&sealed, (struct span){digest, 32}, secret, key, to) == TFAAS_OK)
            abort();
        free(to);
        (void)sealed_allows(&sealed, digest);
    } else if (!why) {
        abort();
    }
    (void)!sealed_read_header((struct span){data, size}, &again, &why);
    uint8_t *out;
    size_t out_size;
    if (sealed_log_open(secret, key, digest, (struct span){data, size}, &out, &out_size) ==
        TFAAS_OK)
        abort();
    return 0;
}
