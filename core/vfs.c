/*
 * vfs.c - builds and searches the read-only tree (core/vfs.h).
 * Must never hold a node that lies outside /function and /var/openfaas/secrets.
 */
#include "vfs.h"
#include <stdlib.h>

/* A package may nest paths deeply; without a bound 10 MB of paths would make millions of nodes. */
#define VFS_NODES_MAX 65536u

/* The fixed nodes; their order makes the children of each consecutive. */
enum { ROOT, FUNCTION, VAR, OPENFAAS, SECRETS, FIXED_COUNT };

struct entry {
    struct span path, content;
};

/* A directory whose children are still to be made: entries [first, end), names after `skip`. */
struct pending {
    size_t first, end, skip;
};

struct builder {
    struct vfs *vfs;
    struct entry *entries;
    struct pending *pending; /* one per node */
    uint32_t capacity;
};

/* '/' sorts below every other byte, so that what lies in one directory stays together. */
static int compare_paths(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    size_t least = x->path.size < y->path.size ? x->path.size : y->path.size;
    for (size_t i = 0; i < least; i++) {
        int p = x->path.data[i] == '/' ? -1 : x->path.data[i];
        int q = y->path.data[i] == '/' ? -1 : y->path.data[i];
        if (p != q)
            return p < q ? -1 : 1;
    }
    return (x->path.size > y->path.size) - (x->path.size < y->path.size);
}

static int compare_names(struct span a, struct span b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int order = least ? memcmp(a.data, b.data, least) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static tfaas_status_t fail(tfaas_status_t status, const char **why, const char *text)
{
    *why = text;
    return status;
}

static tfaas_status_t grow(struct builder *b, const char **why)
{
    if (b->vfs->count < b->capacity)
        return TFAAS_OK;
    if (b->capacity >= VFS_NODES_MAX)
        return fail(TFAAS_TOO_LARGE, why, "package: more than 65536 files and directories");
    uint32_t capacity = b->capacity * 2;
    struct vfs_node *nodes = realloc(b->vfs->nodes, capacity * sizeof(*nodes));
    if (nodes)
        b->vfs->nodes = nodes;
    struct pending *pending = realloc(b->pending, capacity * sizeof(*pending));
    if (pending)
        b->pending = pending;
    if (!nodes || !pending)
        return fail(TFAAS_NO_SPACE, why, "package: no memory for the file tree");
    b->capacity = capacity;
    return TFAAS_OK;
}

/* The component of `path` that starts at `skip`. */
static struct span component(struct span path, size_t skip)
{
    const uint8_t *start = path.data + skip;
    const uint8_t *slash = memchr(start, '/', path.size - skip);
    return (struct span){start, slash ? (size_t)(slash - start) : path.size - skip};
}

/* Makes the children of node `parent` out of its pending entries. */
static tfaas_status_t expand(struct builder *b, uint32_t parent, const char **why)
{
    struct pending todo = b->pending[parent];
    b->vfs->nodes[parent].first_child = b->vfs->count;
    for (size_t i = todo.first; i < todo.end;) {
        tfaas_status_t status = grow(b, why);
        if (status != TFAAS_OK)
            return status;
        struct span name = component(b->entries[i].path, todo.skip);
        bool is_file = todo.skip + name.size == b->entries[i].path.size;
        size_t end = i + 1;
        while (end < todo.end &&
               compare_names(component(b->entries[end].path, todo.skip), name) == 0)
            end++;
        if (is_file && end > i + 1)
            return fail(TFAAS_BAD_PACKAGE, why, "package: a path is both a file and a directory");
        uint32_t node = b->vfs->count++;
        b->vfs->nodes[node] =
            (struct vfs_node){.name = name, .parent = parent, .is_directory = !is_file};
        if (is_file)
            b->vfs->nodes[node].content = b->entries[i].content;
        b->pending[node] = is_file ? (struct pending){0, 0, 0}
                                   : (struct pending){i, end, todo.skip + name.size + 1};
        b->vfs->nodes[parent].child_count++;
        i = end;
    }
    return TFAAS_OK;
}

static struct vfs_node directory(const char *name, uint32_t parent, uint32_t first, uint32_t count)
{
    return (struct vfs_node){.name = {(const uint8_t *)name, strlen(name)},
                             .parent = parent,
                             .first_child = first,
                             .child_count = count,
                             .is_directory = true};
}

static tfaas_status_t build(struct builder *b, const struct package *package,
                            const struct bundle *bundle, const char **why)
{
    size_t count = package->file_count + bundle->secret_count;
    b->capacity = 64;
    b->entries = calloc(count + 1, sizeof(*b->entries));
    b->pending = calloc(b->capacity, sizeof(*b->pending));
    b->vfs->nodes = calloc(b->capacity, sizeof(*b->vfs->nodes));
    if (!b->entries || !b->pending || !b->vfs->nodes)
        return fail(TFAAS_NO_SPACE, why, "package: no memory for the file tree");

    struct entry *secrets = b->entries + package->file_count;
    for (size_t i = 0; i < package->file_count; i++)
        b->entries[i] = (struct entry){package->files[i].path, package->files[i].content};
    for (size_t i = 0; i < bundle->secret_count; i++)
        secrets[i] = (struct entry){bundle->secrets[i].name, bundle->secrets[i].value};
    qsort(b->entries, package->file_count, sizeof(*b->entries), compare_paths);
    qsort(secrets, bundle->secret_count, sizeof(*secrets), compare_paths);

    struct vfs_node *nodes = b->vfs->nodes;
    nodes[ROOT] = directory("", ROOT, FUNCTION, 2);
    nodes[FUNCTION] = directory("function", ROOT, FIXED_COUNT, 0);
    nodes[VAR] = directory("var", ROOT, OPENFAAS, 1);
    nodes[OPENFAAS] = directory("openfaas", VAR, SECRETS, 1);
    nodes[SECRETS] = directory("secrets", OPENFAAS, FIXED_COUNT, 0);
    b->vfs->count = FIXED_COUNT;
    b->pending[FUNCTION] = (struct pending){0, package->file_count, 0};
    b->pending[SECRETS] = (struct pending){package->file_count, count, 0};

    /* Breadth first: what is appended while a directory is expanded is exactly its children. */
    for (uint32_t node = 0; node < b->vfs->count; node++) {
        if (!b->vfs->nodes[node].is_directory || b->vfs->nodes[node].child_count > 0)
            continue;
        tfaas_status_t status = expand(b, node, why);
        if (status != TFAAS_OK)
            return status;
    }
    return TFAAS_OK;
}

tfaas_status_t vfs_build(struct vfs *vfs, const struct package *package,
                         const struct bundle *bundle, const char **why)
{
    *vfs = (struct vfs){.count = 0};
    struct builder b = {.vfs = vfs};
    tfaas_status_t status = build(&b, package, bundle, why);
    free(b.entries);
    free(b.pending);
    if (status != TFAAS_OK)
        vfs_free(vfs);
    return status;
}

void vfs_free(struct vfs *vfs)
{
    free(vfs->nodes);
    *vfs = (struct vfs){.count = 0};
}

static bool find_child(const struct vfs *vfs, uint32_t directory_node, struct span name,
                       uint32_t *child)
{
    const struct vfs_node *parent = &vfs->nodes[directory_node];
    uint32_t low = parent->first_child, high = low + parent->child_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare_names(vfs->nodes[middle].name, name);
        if (order == 0) {
            *child = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool vfs_lookup(const struct vfs *vfs, uint32_t base, struct span path, uint32_t *node)
{
    uint32_t at = base;
    for (size_t skip = 0; skip < path.size;) {
        struct span name = component(path, skip);
        skip += name.size + 1;
        if (!vfs->nodes[at].is_directory)
            return false;
        if (name.size == 0 || span_is(name, "."))
            continue;
        if (span_is(name, ".."))
            at = vfs->nodes[at].parent;
        else if (!find_child(vfs, at, name, &at))
            return false;
    }
    /* A slash at the end asks for a directory. */
    if (path.size && path.data[path.size - 1] == '/' && !vfs->nodes[at].is_directory)
        return false;
    *node = at;
    return true;
}
