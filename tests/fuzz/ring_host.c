/* needs: common/ring.c */
/* ring_host.c - fuzzes the host's two rings against a hostile peer (ring_script.h). */
#include "ring_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    script_run(data, size, true);
    return 0;
}
