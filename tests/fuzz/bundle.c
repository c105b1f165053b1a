/* needs: common/bundle.c common/package.c common/cbor.c */
/* bundle.c - fuzzes the load bundle reader: what it accepts must encode to the same bytes again. */
#include "bundle.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle bundle;
    const char *why = NULL;
    if (bundle_read(data, size, &bundle, &why) != TFAAS_OK) {
        if (!why || bundle.env || bundle.secrets)
            abort();
        return 0;
    }
    uint8_t *again;
    size_t again_size;
    if (bundle_write(&bundle, &again, &again_size) != TFAAS_OK || again_size != size ||
        memcmp(again, data, size) != 0)
        abort();
    free(again);
    bundle_free(&bundle);
    return 0;
}
