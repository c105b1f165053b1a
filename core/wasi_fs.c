/*
 * wasi_fs.c - descriptors and paths of WASI preview 1 over the read-only tree (core/vfs.h).
 * 0, 1, 2 are the streams, 3 is the preopened "/", 4 and up are open files and directories.
 * Must never give out a node that the tree does not hold.
 */
#include "function.h"
#include "wasi_internal.h"

enum filetype { FILETYPE_UNKNOWN = 0, FILETYPE_DIRECTORY = 3, FILETYPE_REGULAR = 4 };

#define RIGHT_FD_DATASYNC          (1ull << 0)
#define RIGHT_FD_READ              (1ull << 1)
#define RIGHT_FD_SEEK              (1ull << 2)
#define RIGHT_FD_TELL              (1ull << 5)
#define RIGHT_FD_WRITE             (1ull << 6)
#define RIGHT_FD_ADVISE            (1ull << 7)
#define RIGHT_FD_ALLOCATE          (1ull << 8)
#define RIGHT_PATH_OPEN            (1ull << 13)
#define RIGHT_FD_READDIR           (1ull << 14)
#define RIGHT_PATH_READLINK        (1ull << 15)
#define RIGHT_PATH_FILESTAT_GET    (1ull << 18)
#define RIGHT_FD_FILESTAT_GET      (1ull << 21)
#define RIGHT_FD_FILESTAT_SET_SIZE (1ull << 22)
#define RIGHT_POLL                 (1ull << 27)

#define FILE_RIGHTS                                                                                \
    (RIGHT_FD_READ | RIGHT_FD_SEEK | RIGHT_FD_TELL | RIGHT_FD_ADVISE | RIGHT_FD_FILESTAT_GET |     \
     RIGHT_POLL)
#define DIRECTORY_RIGHTS                                                                           \
    (RIGHT_PATH_OPEN | RIGHT_FD_READDIR | RIGHT_PATH_READLINK | RIGHT_PATH_FILESTAT_GET |          \
     RIGHT_FD_FILESTAT_GET)
/* Asking for one of these makes path_open answer ROFS. They are shown as inheritable, so that a
 * C library asks for them and its user sees the file system's own error, EROFS. */
#define WRITE_RIGHTS                                                                               \
    (RIGHT_FD_DATASYNC | RIGHT_FD_WRITE | RIGHT_FD_ALLOCATE | RIGHT_FD_FILESTAT_SET_SIZE)
#define INHERITING_RIGHTS (FILE_RIGHTS | DIRECTORY_RIGHTS | WRITE_RIGHTS)

enum { OFLAG_CREAT = 1, OFLAG_DIRECTORY = 2, OFLAG_EXCL = 4, OFLAG_TRUNC = 8, OFLAGS_ALL = 15 };
#define FDFLAGS_ALL      31u
#define LOOKUP_FLAGS_ALL 1u
#define ADVICE_MAX       5u

enum { WHENCE_SET, WHENCE_CUR, WHENCE_END };

#define FDSTAT_SIZE   24u
#define FILESTAT_SIZE 64u
#define DIRENT_SIZE   24u
#define DEVICE        1u

/* --- descriptors --- */

static const struct vfs *tree(const run_t *run)
{
    return &run->function->vfs;
}

/* What a descriptor stands for. */
struct descriptor {
    enum { STREAM, NODE } kind;
    uint32_t node;
    struct open_file *file; /* NULL for the preopen and the streams */
    uint64_t rights;
};

static bool descriptor_of(run_t *run, uint32_t fd, struct descriptor *d)
{
    if (fd < FD_FIRST_FILE) {
        if (run->closed & (1u << fd))
            return false;
        *d = (struct descriptor){.kind = fd == FD_ROOT ? NODE : STREAM};
        d->rights = fd == FD_ROOT    ? DIRECTORY_RIGHTS
                    : fd == FD_STDIN ? RIGHT_FD_READ | RIGHT_FD_FILESTAT_GET | RIGHT_POLL
                                     : RIGHT_FD_WRITE | RIGHT_FD_FILESTAT_GET | RIGHT_POLL;
        return true;
    }
    uint32_t index = fd - FD_FIRST_FILE;
    if (index >= OPEN_FILES_MAX || !run->files[index].used)
        return false;
    *d = (struct descriptor){.kind = NODE,
                             .node = run->files[index].node,
                             .file = &run->files[index],
                             .rights = run->files[index].rights};
    return true;
}

static const struct vfs_node *node_of(const run_t *run, const struct descriptor *d)
{
    return &tree(run)->nodes[d->node];
}

int32_t fd_check_stream(const run_t *run, uint32_t fd, bool write)
{
    struct descriptor d;
    if (!descriptor_of((run_t *)run, fd, &d))
        return E_BADF;
    return d.rights & (write ? RIGHT_FD_WRITE : RIGHT_FD_READ) ? E_SUCCESS : E_NOTCAPABLE;
}

/* A regular file with this right: E_SUCCESS, or why not. */
static int32_t file_of(run_t *run, uint32_t fd, uint64_t right, struct descriptor *d)
{
    if (!descriptor_of(run, fd, d))
        return E_BADF;
    if (d->kind == STREAM)
        return E_SPIPE;
    if (node_of(run, d)->is_directory)
        return E_ISDIR;
    return d->rights & right ? E_SUCCESS : E_NOTCAPABLE;
}

uint64_t fd_file_left(const run_t *run, uint32_t fd)
{
    struct descriptor d;
    if (file_of((run_t *)run, fd, RIGHT_FD_READ, &d) != E_SUCCESS)
        return 0;
    uint64_t size = node_of(run, &d)->content.size;
    return d.file->at < size ? size - d.file->at : 0;
}

int32_t fd_close(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)memory;
    uint32_t fd = arg32(args, 0);
    struct descriptor d;
    if (!descriptor_of(run, fd, &d))
        return E_BADF;
    if (d.file)
        d.file->used = false;
    else
        run->closed = (uint8_t)(run->closed | 1u << fd);
    return E_SUCCESS;
}

static enum filetype filetype_of(const run_t *run, const struct descriptor *d)
{
    if (d->kind == STREAM)
        return FILETYPE_UNKNOWN;
    return node_of(run, d)->is_directory ? FILETYPE_DIRECTORY : FILETYPE_REGULAR;
}

/* fdstat: u8 filetype; u16 flags at 2; u64 rights at 8; u64 inheriting rights at 16 */
int32_t fd_fdstat_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d;
    if (!descriptor_of(run, arg32(args, 0), &d))
        return E_BADF;
    uint8_t *to = guest_at(memory, arg32(args, 1), FDSTAT_SIZE);
    if (!to)
        return E_FAULT;
    enum filetype type = filetype_of(run, &d);
    memset(to, 0, FDSTAT_SIZE);
    to[0] = (uint8_t)type;
    put_le(to + 8, d.rights, 8);
    put_le(to + 16, type == FILETYPE_DIRECTORY ? INHERITING_RIGHTS : 0, 8);
    return E_SUCCESS;
}

/* filestat: u64 dev; u64 ino at 8; u8 filetype at 16; u64 nlink at 24; u64 size at 32; three
 * times at 40, 48, 56, which stay 0: a file of a package has none. */
static int32_t put_filestat(run_t *run, memory_t *memory, uint32_t at, const struct descriptor *d)
{
    uint8_t *to = guest_at(memory, at, FILESTAT_SIZE);
    if (!to)
        return E_FAULT;
    memset(to, 0, FILESTAT_SIZE);
    to[16] = (uint8_t)filetype_of(run, d);
    put_le(to + 24, 1, 8);
    if (d->kind == NODE) {
        put_le(to, DEVICE, 8);
        put_le(to + 8, (uint64_t)d->node + 1, 8);
        put_le(to + 32, node_of(run, d)->content.size, 8);
    }
    return E_SUCCESS;
}

int32_t fd_filestat_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d;
    if (!descriptor_of(run, arg32(args, 0), &d))
        return E_BADF;
    if (!(d.rights & RIGHT_FD_FILESTAT_GET))
        return E_NOTCAPABLE;
    return put_filestat(run, memory, arg32(args, 1), &d);
}

/* prestat: u8 tag (0: directory); u32 length of its name at 4 */
int32_t fd_prestat_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d;
    if (arg32(args, 0) != FD_ROOT || !descriptor_of(run, FD_ROOT, &d))
        return E_BADF;
    uint8_t *to = guest_at(memory, arg32(args, 1), 8);
    if (!to)
        return E_FAULT;
    memset(to, 0, 8);
    put_le(to + 4, 1, 4);
    return E_SUCCESS;
}

int32_t fd_prestat_dir_name(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d;
    if (arg32(args, 0) != FD_ROOT || !descriptor_of(run, FD_ROOT, &d))
        return E_BADF;
    if (arg32(args, 2) < 1)
        return E_NAMETOOLONG;
    return guest_put(memory, arg32(args, 1), '/', 1);
}

int32_t fd_advise(run_t *run, memory_t *memory, const uint64_t *args)
{
    (void)memory;
    struct descriptor d;
    int32_t error = file_of(run, arg32(args, 0), RIGHT_FD_ADVISE, &d);
    if (error != E_SUCCESS)
        return error;
    return arg32(args, 3) <= ADVICE_MAX ? E_SUCCESS : E_INVAL;
}

/* --- reading and writing --- */

int32_t iovecs_check(const memory_t *memory, uint32_t at, uint32_t count, struct iovec_array *array)
{
    *array = (struct iovec_array){.at = at, .count = count};
    if (count > IOVECS_MAX)
        return E_INVAL;
    if (!guest_at(memory, at, (uint64_t)count * 8))
        return E_FAULT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t start, size;
        if (!iovec_get(memory, array, i, &start, &size))
            return E_FAULT;
        array->total += size;
    }
    return array->total <= INT32_MAX ? E_SUCCESS : E_INVAL;
}

bool iovec_get(const memory_t *memory, const struct iovec_array *array, uint32_t i, uint32_t *at,
               uint32_t *size)
{
    const uint8_t *from = guest_at(memory, array->at + (uint64_t)i * 8, 8);
    if (!from)
        return false;
    *at = (uint32_t)get_le(from, 4);
    *size = (uint32_t)get_le(from + 4, 4);
    return guest_at(memory, *at, *size) != NULL;
}

/* Copies file content from `from` on into the iovecs; *done gets the number of bytes. */
static int32_t read_content(run_t *run, memory_t *memory, const struct vfs_node *node,
                            uint64_t from, const struct iovec_array *iovecs, uint64_t *done)
{
    *done = 0;
    for (uint32_t i = 0; i < iovecs->count; i++) {
        uint32_t at, size;
        if (!iovec_get(memory, iovecs, i, &at, &size))
            return E_FAULT;
        uint64_t left = from < node->content.size ? node->content.size - from : 0;
        uint64_t part = size < left ? size : left;
        if (part == 0)
            continue;
        /* memmove costs nothing more and needs no proof that content lies outside guest memory */
        memmove(memory->base + at, node->content.data + from, (size_t)part);
        from += part;
        *done += part;
    }
    charge_bytes(run, *done);
    return E_SUCCESS;
}

/* Standard input: one read into the first iovec that is not empty; short reads are allowed. */
static int32_t read_stdin(run_t *run, memory_t *memory, const struct iovec_array *iovecs,
                          uint32_t done_at)
{
    int64_t done = 0;
    for (uint32_t i = 0; i < iovecs->count; i++) {
        uint32_t at, size;
        if (!iovec_get(memory, iovecs, i, &at, &size))
            return E_FAULT;
        if (size == 0)
            continue;
        if (is_command(run))
            done = stream_read(run, memory, at, size);
        break;
    }
    if (done < 0)
        return (int32_t)-done;
    return guest_put(memory, done_at, (uint64_t)done, 4);
}

/* What a read or pread needs: iovecs in bounds, and a place for the result. */
static int32_t check_read(const memory_t *memory, uint32_t at, uint32_t count, uint32_t done_at,
                          struct iovec_array *iovecs)
{
    int32_t error = iovecs_check(memory, at, count, iovecs);
    return error == E_SUCCESS && !guest_at(memory, done_at, 4) ? E_FAULT : error;
}

int32_t fd_read(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t fd = arg32(args, 0), done_at = arg32(args, 3);
    struct iovec_array iovecs;
    struct descriptor d;
    if (fd < FD_ROOT) {
        int32_t error = fd_check_stream(run, fd, false);
        if (error == E_SUCCESS)
            error = check_read(memory, arg32(args, 1), arg32(args, 2), done_at, &iovecs);
        return error == E_SUCCESS ? read_stdin(run, memory, &iovecs, done_at) : error;
    }
    int32_t error = file_of(run, fd, RIGHT_FD_READ, &d);
    if (error == E_SUCCESS)
        error = check_read(memory, arg32(args, 1), arg32(args, 2), done_at, &iovecs);
    uint64_t done;
    if (error == E_SUCCESS)
        error = read_content(run, memory, node_of(run, &d), d.file->at, &iovecs, &done);
    if (error != E_SUCCESS)
        return error;
    d.file->at += done;
    return guest_put(memory, done_at, done, 4);
}

int32_t fd_pread(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t done_at = arg32(args, 4);
    struct iovec_array iovecs;
    struct descriptor d;
    int32_t error = file_of(run, arg32(args, 0), RIGHT_FD_READ, &d);
    if (error == E_SUCCESS && !(d.rights & RIGHT_FD_SEEK))
        error = E_NOTCAPABLE;
    if (error == E_SUCCESS)
        error = check_read(memory, arg32(args, 1), arg32(args, 2), done_at, &iovecs);
    uint64_t done = 0;
    if (error == E_SUCCESS)
        error = read_content(run, memory, node_of(run, &d), args[3], &iovecs, &done);
    return error == E_SUCCESS ? guest_put(memory, done_at, done, 4) : error;
}

int32_t fd_write(run_t *run, memory_t *memory, const uint64_t *args)
{
    uint32_t fd = arg32(args, 0);
    int32_t error = fd_check_stream(run, fd, true);
    if (error != E_SUCCESS)
        return error;
    return stream_write(run, memory, fd == FD_STDERR, arg32(args, 1), arg32(args, 2),
                        arg32(args, 3));
}

int32_t fd_seek(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d;
    int64_t offset = (int64_t)args[1], base, target;
    uint32_t whence = arg32(args, 2);
    bool is_tell = whence == WHENCE_CUR && offset == 0;
    int32_t error =
        file_of(run, arg32(args, 0), is_tell ? RIGHT_FD_SEEK | RIGHT_FD_TELL : RIGHT_FD_SEEK, &d);
    if (error != E_SUCCESS)
        return error;
    if (whence == WHENCE_SET)
        base = 0;
    else if (whence == WHENCE_CUR)
        base = (int64_t)d.file->at;
    else if (whence == WHENCE_END)
        base = (int64_t)node_of(run, &d)->content.size;
    else
        return E_INVAL;
    if (__builtin_add_overflow(base, offset, &target) || target < 0)
        return E_INVAL;
    error = guest_put(memory, arg32(args, 3), (uint64_t)target, 8);
    if (error == E_SUCCESS)
        d.file->at = (uint64_t)target;
    return error;
}

int32_t fd_tell(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d;
    int32_t error = file_of(run, arg32(args, 0), RIGHT_FD_TELL, &d);
    return error == E_SUCCESS ? guest_put(memory, arg32(args, 1), d.file->at, 8) : error;
}

/* --- directories and paths --- */

struct dirent_buffer {
    uint8_t *to;
    uint32_t capacity, used;
};

/* As much of the bytes as fits: the last entry may be cut, which tells the guest to come back. */
static void dirent_put(struct dirent_buffer *b, const void *bytes, size_t size)
{
    size_t left = b->capacity - b->used, part = size < left ? size : left;
    if (part)
        memcpy(b->to + b->used, bytes, part);
    b->used += (uint32_t)part;
}

/* dirent: u64 next cookie; u64 ino at 8; u32 name length at 16; u8 filetype at 20; then the name */
static void dirent_entry(struct dirent_buffer *b, uint64_t next, uint32_t node, struct span name,
                         bool is_directory)
{
    uint8_t head[DIRENT_SIZE] = {0};
    put_le(head, next, 8);
    put_le(head + 8, (uint64_t)node + 1, 8);
    put_le(head + 16, name.size, 4);
    head[20] = is_directory ? FILETYPE_DIRECTORY : FILETYPE_REGULAR;
    dirent_put(b, head, sizeof(head));
    dirent_put(b, name.data, name.size);
}

int32_t fd_readdir(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d;
    if (!descriptor_of(run, arg32(args, 0), &d))
        return E_BADF;
    if (d.kind == STREAM || !node_of(run, &d)->is_directory)
        return E_NOTDIR;
    if (!(d.rights & RIGHT_FD_READDIR))
        return E_NOTCAPABLE;
    struct dirent_buffer b = {.capacity = arg32(args, 2)};
    b.to = guest_at(memory, arg32(args, 1), b.capacity);
    if (!b.to || !guest_at(memory, arg32(args, 4), 4))
        return E_FAULT;
    /* Cookies: 0 is ".", 1 is "..", 2 + n is child n. */
    const struct vfs_node *nodes = tree(run)->nodes, *node = &nodes[d.node];
    uint64_t end = (uint64_t)node->child_count + 2;
    for (uint64_t cookie = args[3]; cookie < end && b.used < b.capacity; cookie++) {
        static const uint8_t dots[] = "..";
        if (cookie < 2) {
            dirent_entry(&b, cookie + 1, cookie == 0 ? d.node : node->parent,
                         (struct span){dots, (size_t)cookie + 1}, true);
            continue;
        }
        uint32_t child = node->first_child + (uint32_t)(cookie - 2);
        dirent_entry(&b, cookie + 1, child, nodes[child].name, nodes[child].is_directory);
    }
    charge_bytes(run, b.used);
    return guest_put(memory, arg32(args, 4), b.used, 4);
}

/* The directory behind `fd` and the path, checked: relative, bounded, not empty. */
static int32_t path_of(run_t *run, const memory_t *memory, uint32_t fd, uint32_t at, uint32_t size,
                       uint64_t right, struct descriptor *d, struct span *path)
{
    if (!descriptor_of(run, fd, d))
        return E_BADF;
    if (d->kind == STREAM || !node_of(run, d)->is_directory)
        return E_NOTDIR;
    if (!(d->rights & right))
        return E_NOTCAPABLE;
    *path = (struct span){guest_at(memory, at, size), size};
    if (!path->data)
        return E_FAULT;
    if (size > GUEST_PATH_MAX)
        return E_NAMETOOLONG;
    if (size == 0)
        return E_NOENT;
    charge_bytes(run, size);
    return path->data[0] == '/' ? E_NOTCAPABLE : E_SUCCESS;
}

/* Finds what the path names below the descriptor's directory. */
static int32_t find(run_t *run, const struct descriptor *base, struct span path,
                    struct descriptor *found)
{
    *found = (struct descriptor){.kind = NODE};
    return vfs_lookup(tree(run), base->node, path, &found->node) ? E_SUCCESS : E_NOENT;
}

int32_t path_filestat_get(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d, found;
    struct span path;
    if (arg32(args, 1) & ~LOOKUP_FLAGS_ALL)
        return E_INVAL;
    int32_t error = path_of(run, memory, arg32(args, 0), arg32(args, 2), arg32(args, 3),
                            RIGHT_PATH_FILESTAT_GET, &d, &path);
    if (error == E_SUCCESS)
        error = find(run, &d, path, &found);
    return error == E_SUCCESS ? put_filestat(run, memory, arg32(args, 4), &found) : error;
}

/* There are no links: what exists is not one. */
int32_t path_readlink(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d, found;
    struct span path;
    int32_t error = path_of(run, memory, arg32(args, 0), arg32(args, 1), arg32(args, 2),
                            RIGHT_PATH_READLINK, &d, &path);
    if (error == E_SUCCESS)
        error = find(run, &d, path, &found);
    return error == E_SUCCESS ? E_INVAL : error;
}

/* May `found` (or nothing, when lookup says NOENT) be opened this way? */
static int32_t check_open(const run_t *run, int32_t lookup, const struct descriptor *found,
                          uint32_t oflags, uint64_t rights)
{
    if (lookup == E_NOENT && (oflags & OFLAG_CREAT))
        return E_ROFS;
    if (lookup != E_SUCCESS)
        return lookup;
    if ((oflags & OFLAG_CREAT) && (oflags & OFLAG_EXCL))
        return E_EXIST;
    bool is_directory = node_of(run, found)->is_directory;
    bool writes = (oflags & OFLAG_TRUNC) || (rights & WRITE_RIGHTS);
    if (is_directory && (writes || (oflags & OFLAG_CREAT)))
        return E_ISDIR;
    if (!is_directory && (oflags & OFLAG_DIRECTORY))
        return E_NOTDIR;
    return writes ? E_ROFS : E_SUCCESS;
}

static int32_t open_node(run_t *run, memory_t *memory, const struct descriptor *found,
                         uint64_t rights, uint32_t fd_at)
{
    for (uint32_t i = 0; i < OPEN_FILES_MAX; i++) {
        if (run->files[i].used)
            continue;
        int32_t error = guest_put(memory, fd_at, FD_FIRST_FILE + i, 4);
        if (error == E_SUCCESS)
            run->files[i] = (struct open_file){.used = true, .node = found->node, .rights = rights};
        return error;
    }
    return E_MFILE;
}

int32_t path_open(run_t *run, memory_t *memory, const uint64_t *args)
{
    struct descriptor d, found;
    struct span path;
    uint32_t oflags = arg32(args, 4), fdflags = arg32(args, 7);
    uint64_t rights = args[5];
    if ((arg32(args, 1) & ~LOOKUP_FLAGS_ALL) || (oflags & ~(uint32_t)OFLAGS_ALL) ||
        (fdflags & ~FDFLAGS_ALL))
        return E_INVAL;
    int32_t error = path_of(run, memory, arg32(args, 0), arg32(args, 2), arg32(args, 3),
                            RIGHT_PATH_OPEN, &d, &path);
    if (error != E_SUCCESS)
        return error;
    error = check_open(run, find(run, &d, path, &found), &found, oflags, rights);
    if (error != E_SUCCESS)
        return error;
    /* Rights that do not apply to what was opened are left out, as the specification allows. */
    rights &= node_of(run, &found)->is_directory ? DIRECTORY_RIGHTS : FILE_RIGHTS;
    return open_node(run, memory, &found, rights, arg32(args, 8));
}
