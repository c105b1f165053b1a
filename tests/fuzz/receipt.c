/* needs: common/receipt.c common/bhttp.c common/cbor.c common/base64url.c common/http_date.c common/status.c libs: sodium */
/*
 * receipt.c - fuzzes what a client is given: receipts and dates. What reads is written back to the
 * same text; no receipt verifies under a key that signed nothing.
 */
#include "http_date.h"
#include "receipt.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As text, or as the bytes that the text would hold. */
static void try_receipt(struct span text)
{
    static const uint8_t key[32] = {9};
    uint8_t *buffer = malloc(RECEIPT_SIZE_MAX);
    char *again = malloc(RECEIPT_SIZE_MAX);
    struct receipt receipt;
    const char *why = NULL;
    if (receipt_read(text, buffer, &receipt, &why) == TFAAS_OK) {
        size_t size = receipt_write(&receipt, again);
        if (size != text.size || memcmp(again, text.data, size) != 0)
            abort();
        if (receipt_check(&receipt, key, &why) == TFAAS_OK)
            abort();
    }
    if (!why && text.size != 0 && receipt.claims.size == 0)
        abort();
    free(buffer);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[RECEIPT_SIZE_MAX + 1], date[HTTP_DATE_SIZE];
    uint64_t t;
    try_receipt((struct span){data, size});
    if (size < RECEIPT_SIZE_MAX / 4 * 3) {
        sodium_bin2base64(text, sizeof(text), data, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        try_receipt((struct span){(const uint8_t *)text, strlen(text)});
    }
    if (http_date_read((struct span){data, size}, &t) == TFAAS_OK) {
        http_date_write(t, date);
        if (memcmp(date, data, HTTP_DATE_SIZE) != 0)
            abort();
    }
    return 0;
}
