/* random.c - answers with the first 32 random bytes of the run. */
#include "guest.h"

#include <wasi/api.h>

static int handle(const uint8_t *body, int size)
{
    uint8_t bytes[32];
    (void)body;
    (void)size;
    if (__wasi_random_get(bytes, sizeof bytes) != 0)
        return 1;
    return answer(bytes, sizeof bytes);
}
