/* needs: host/daemon/build*.c host/daemon/store_names.c host/error.c common/cbor.c common/package.c common/sealed.c common/fields.c common/hpke.c common/hkdf.c common/aead.c common/base64url.c common/status.c libs: sodium jansson archive */
/*
 * build_tar.c (fuzz) - the tar of POST /build and PUT /packages: whatever comes in, what comes out
 * is either a refusal with words or files whose paths are clean and clash with none.
 */
#include "daemon/build_internal.h"
#include "package.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_files(struct build_tar *tar)
{
    struct package_file *files = calloc(tar->file_count + 1, sizeof *files);
    const char *why = "";
    uint8_t *bytes = NULL;
    size_t size = 0, total = 0;
    if (!files)
        return;
    for (size_t i = 0; i < tar->file_count; i++) {
        const struct build_file *file = &tar->files[i];
        files[i] = (struct package_file){.path = {(const uint8_t *)file->path, strlen(file->path)},
                                         .content = {file->data, file->size}};
        total += file->size;
        if (!package_path_ok(files[i].path) || build_tar_find(tar, file->path) != file)
            abort();
    }
    if (total > PACKAGE_SIZE_MAX)
        abort();
    if (tar->file_count > 0) {
        tfaas_status_t status =
            package_write("js", tar->files[0].path, files, tar->file_count, &bytes, &size, &why);
        if (status != TFAAS_OK && status != TFAAS_TOO_LARGE)
            abort();
    }
    free(bytes);
    free(files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int builder = 0; builder < 2; builder++) {
        struct build_tar tar;
        struct tfaas_error error = {.status = TFAAS_OK};
        tfaas_status_t status = build_tar_read(data, size, builder, &tar, &error);
        if (status == TFAAS_OK)
            check_files(&tar);
        else if (error.status != status || !error.text[0] || tar.files || tar.config.path)
            abort();
        build_tar_free(&tar);
    }
    return 0;
}
