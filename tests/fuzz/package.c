/* needs: common/package.c common/cbor.c core/vfs.c */
/*
 * package.c - fuzzes the package reader. What it accepts must encode to the same bytes again, and
 * the file tree over it must find every file.
 */
#include "package.h"
#include "vfs.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static char *terminated(struct span s)
{
    char *copy = malloc(s.size + 1);
    check(copy != NULL);
    memcpy(copy, s.data, s.size);
    copy[s.size] = 0;
    return copy;
}

static void check_tree(const struct package *package)
{
    struct bundle none = {.env_count = 0};
    struct vfs vfs;
    const char *why;
    if (vfs_build(&vfs, package, &none, &why) != TFAAS_OK)
        return;
    for (size_t i = 0; i < package->file_count; i++) {
        uint32_t base, node;
        check(vfs_lookup(&vfs, 0, (struct span){(const uint8_t *)"function", 8}, &base));
        check(vfs_lookup(&vfs, base, package->files[i].path, &node));
        check(vfs.nodes[node].content.data == package->files[i].content.data);
    }
    vfs_free(&vfs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct package package;
    const char *why = NULL;
    if (package_read(data, size, &package, &why) != TFAAS_OK) {
        check(why != NULL);
        return 0;
    }
    check_tree(&package);
    char *runtime = terminated(package.runtime), *entry = terminated(package.entry);
    uint8_t *again;
    size_t again_size;
    check(package_write(runtime, entry, package.files, package.file_count, &again, &again_size,
                        &why) == TFAAS_OK);
    check(again_size == size && memcmp(again, data, size) == 0);
    free(again);
    free(runtime);
    free(entry);
    package_free(&package);
    return 0;
}
