/* needs: common/bhttp.c */
/*
 * bhttp.c - fuzzes the Binary HTTP head reader: fields it accepts are steppable to the end, a head
 * never claims more than there is, and cutting the input never turns a refusal into a head.
 */
#include "bhttp.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bhttp_head head, cut;
    const char *why = NULL;
    tfaas_status_t status = bhttp_read_head(data, size, &head, &why);
    if (status != TFAAS_OK) {
        check(why != NULL);
        check(status != TFAAS_NOT_FOUND || size < BHTTP_HEAD_MAX + 8);
        return 0;
    }
    check(head.size <= size && head.size <= BHTTP_HEAD_MAX + 8);
    struct span name, value;
    size_t at = 0, count = 0;
    while (bhttp_next_field(head.fields, &at, &name, &value)) {
        check(name.data >= head.fields.data && value.data >= name.data);
        check(value.data + value.size <= head.fields.data + head.fields.size);
        check(!memchr(value.data, '\n', value.size) && !memchr(value.data, '\r', value.size));
        count++;
    }
    check(at == head.fields.size && count <= BHTTP_FIELDS_MAX);
    if (head.size > 0)
        check(bhttp_read_head(data, head.size - 1, &cut, &why) == TFAAS_NOT_FOUND);
    return 0;
}
