/*
 * vfs.h - the read-only file tree a function sees: package files under /function, secrets under
 * /var/openfaas/secrets. Built once per function when it is loaded, never changed after.
 */
#ifndef TFAAS_CORE_VFS_H
#define TFAAS_CORE_VFS_H

#include "bundle.h"
#include "package.h"
#include "tfaas/status.h"

struct vfs_node {
    struct span name;    /* last path component */
    struct span content; /* file: points into the load bundle, which outlives the tree */
    uint32_t parent, first_child, child_count; /* children are consecutive and sorted by name */
    bool is_directory;
};

struct vfs {
    struct vfs_node *nodes; /* nodes[0] is "/" */
    uint32_t count;
};

/* BAD_PACKAGE when a path is both a file and a directory; TOO_LARGE over 65536 nodes; NO_SPACE. */
tfaas_status_t vfs_build(struct vfs *vfs, const struct package *package,
                         const struct bundle *bundle, const char **why) TFAAS_MUST_USE;
void vfs_free(struct vfs *vfs);

/* Resolves `path` from directory node `base`: components "", "." and ".." are handled, ".." above
 * the root stays at the root (preopen escape is not expressible). False: no such node. */
bool vfs_lookup(const struct vfs *vfs, uint32_t base, struct span path, uint32_t *node);

#endif
