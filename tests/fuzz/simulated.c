/* needs: common/simulated.c common/fields.c common/cbor.c libs: sodium */
/* simulated.c - fuzzes the reader of simulated evidence. */
#include "simulated.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct simulated got;
    const char *why = NULL;
    tfaas_status_t status = simulated_read((struct span){data, size}, &got, &why);
    if (status != TFAAS_OK && (!why || got.measurement.data))
        abort();
    if (status == TFAAS_OK && (got.measurement.size != 48 || got.report_data.size != 64))
        abort();
    return 0;
}
