/* needs: host/daemon/keeper_messages.c host/error.c common/cbor.c common/fields.c common/statement.c common/status.c libs: sodium */
/*
 * keeper_answers.c (fuzz) - what a keeper or worker may answer to CALL, as the daemon reads it. The
 * first byte picks the reader. What is taken lies inside the answer, and what is written from it is
 * the same again.
 */
#include "daemon/keeper_internal.h"

#include "sealed.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span answer;

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void inside(struct span part)
{
    check(part.size == 0 ||
          (part.data >= answer.data && part.data + part.size <= answer.data + answer.size));
}

static void parts(size_t count)
{
    struct span to[3];
    struct keeper_item items[3];
    if (!keeper_read(answer, to, count))
        return;
    for (size_t i = 0; i < count; i++) {
        inside(to[i]);
        items[i] = (struct keeper_item){(uint8_t)(i + 1), 'b', to[i], false};
    }
    size_t size;
    uint8_t *again = keeper_write(items, count, &size);
    check(again && size == answer.size && memcmp(again, answer.data, size) == 0);
    free(again);
}

static void domain(void)
{
    struct span envelope;
    uint64_t until;
    uint8_t *keys = NULL;
    size_t size = 0;
    if (keeper_read_domain(answer, "ns", &envelope, &until)) {
        inside(envelope);
        tfaas_status_t status = keeper_configurations(envelope, until - 1, &keys, &size);
        check(status == TFAAS_OK ? size > 2 && size <= envelope.size : keys == NULL);
        free(keys);
    }
    keys = NULL;
    if (keeper_configurations(answer, 0, &keys, &size) != TFAAS_OK)
        check(keys == NULL);
    free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keeper_hello hello;
    struct keeper_certified certified;
    struct key_statement statement;
    struct span part;
    if (size == 0)
        return 0;
    answer = (struct span){data + 1, size - 1};
    switch (data[0] % 8) {
    case 0:
    case 1:
    case 2:
        parts(data[0] % 8 + 1u);
        break;
    case 3:
        if (keeper_read_hello(answer, &hello)) {
            inside(hello.report);
            inside(hello.request);
            inside(hello.instance);
            check(hello.instance.size == 16);
        }
        break;
    case 4:
        if (keeper_read_certified(answer, &certified)) {
            inside(certified.envelope);
            inside(certified.lease.domain);
            inside(certified.lease.key_configuration);
        }
        break;
    case 5:
        if (keeper_read_statement(answer, (struct span){NULL, 0}, &part, &statement)) {
            inside(part);
            check(statement.measurement.size == 48 && statement.nonce.size == 0);
        }
        break;
    case 6:
        if (keeper_read_grant(answer, &part)) {
            inside(part);
            check(part.size == SEALED_GRANT_SIZE);
        }
        break;
    default:
        domain();
    }
    return 0;
}
