/* needs: core/wasi.c core/wasi_fs.c core/wasi_command.c core/primitives.c core/primitives_curve.c core/vfs.c common/bhttp.c common/sha256.c libs: sodium bearssl */
/*
 * wasi.c - tests of core/wasi*.c: the table against the signatures of wasi-libc, layouts and errno
 * of the preview 1 specification, the streams of a reactor, and a guest that passes any pointer.
 */
#include "fake_invocation.h"

/* --- table --- */

/* Read off a module that links every function of wasi-libc's <wasi/api.h>; proc_raise, which that
 * header has dropped, from the witx file. i: i32, l: i64. */
static const char signatures[] =
    "args_get:ii>i args_sizes_get:ii>i clock_res_get:ii>i clock_time_get:ili>i environ_get:ii>i "
    "environ_sizes_get:ii>i fd_advise:illi>i fd_allocate:ill>i fd_close:i>i fd_datasync:i>i "
    "fd_fdstat_get:ii>i fd_fdstat_set_flags:ii>i fd_fdstat_set_rights:ill>i fd_filestat_get:ii>i "
    "fd_filestat_set_size:il>i fd_filestat_set_times:illi>i fd_pread:iiili>i "
    "fd_prestat_dir_name:iii>i fd_prestat_get:ii>i fd_pwrite:iiili>i fd_read:iiii>i "
    "fd_readdir:iiili>i fd_renumber:ii>i fd_seek:ilii>i fd_sync:i>i fd_tell:ii>i fd_write:iiii>i "
    "path_create_directory:iii>i path_filestat_get:iiiii>i path_filestat_set_times:iiiilli>i "
    "path_link:iiiiiii>i path_open:iiiiillii>i path_readlink:iiiiii>i path_remove_directory:iii>i "
    "path_rename:iiiiii>i path_symlink:iiiii>i path_unlink_file:iii>i poll_oneoff:iiii>i "
    "proc_exit:i> proc_raise:i>i random_get:ii>i sched_yield:>i sock_accept:iii>i "
    "sock_recv:iiiiii>i sock_send:iiiii>i sock_shutdown:ii>i "
    "request_read:ii>i response_write:iii>i sleep:l>i hash_blocks:iiii>i hmac_rounds:iiii>i "
    "aes_ctr:iiiii>i aes_cbc:iiiiii>i ghash:iiii>i curve:iiiiii>i "
    "compartment_open:ii>i "
    "compartment_call:iii>i compartment_read:ii>i compartment_close:i>i ";

static void test_table(void **state)
{
    (void)state;
    size_t words = 0;
    for (const char *at = signatures; *at; at++)
        words += *at == ' ';
    assert_int_equal(words, wasi_import_count);
    for (size_t i = 0; i < wasi_import_count; i++) {
        const struct wasi_import *import = &wasi_imports[i];
        bool ours = i >= wasi_import_count - 13;
        assert_string_equal(import->module, ours ? "tfaas" : "wasi_snapshot_preview1");
        char entry[64];
        int at = snprintf(entry, sizeof(entry), "%s:", import->name);
        for (unsigned k = 0; k < import->arg_count; k++)
            entry[at++] = import->arg_types[k] == WASI_I32   ? 'i'
                          : import->arg_types[k] == WASI_I64 ? 'l'
                                                             : '?';
        snprintf(entry + at, sizeof(entry) - (size_t)at, ">%s ", import->has_result ? "i" : "");
        if (!strstr(signatures, entry))
            fail_msg("unexpected signature %s", entry);
    }
}

static void test_every_import_is_counted_and_stops(void **state)
{
    (void)state;
    const uint64_t zeros[9] = {0};
    for (size_t i = 0; i < wasi_import_count; i++) {
        set_up(FUNCTION_REACTOR);
        uint64_t work = run.work;
        wasi_imports[i].call(&run, &memory, zeros);
        assert_int_equal(run.hostcalls, 1);
        assert_true(run.work >= work + HOSTCALL_WORK);
        run.stop = TFAAS_OK;
        run.exited = false;
        run.hostcall_limit = 1;
        wasi_imports[i].call(&run, &memory, zeros);
        assert_int_equal(run.stop, TFAAS_HOSTCALL_LIMIT);
        assert_int_equal(run.hostcalls, 1);
        assert_false(run.exited);
        tear_down();
    }
}

/* --- simple calls --- */

static void test_clock_random_exit(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    for (uint64_t id = 0; id < 4; id++) {
        assert_int_equal(CALL("clock_time_get", id, 1, 64), OK);
        assert_true(peek(64, 8) == 1700000000123000000u); /* in steps of the resolution */
        assert_int_equal(CALL("clock_res_get", id, 64), OK);
        assert_int_equal(peek(64, 8), 1000000);
    }
    const uint64_t steps[][2] = {
        {999999, 0}, {1000000, 1000000}, {UINT64_MAX, 18446744073709000000u}};
    for (size_t i = 0; i < 3; i++) {
        run.realtime_ns = steps[i][0];
        assert_int_equal(CALL("clock_time_get", 0, 1, 64), OK);
        assert_true(peek(64, 8) == steps[i][1]);
    }
    assert_int_equal(CALL("clock_time_get", 4, 1, 64), INVAL);
    assert_int_equal(CALL("clock_res_get", 4, 64), INVAL);
    assert_int_equal(CALL("clock_time_get", 0, 1, MEMORY_SIZE - 7), FAULT);
    assert_int_equal(CALL("random_get", MEMORY_SIZE - 4, 4), OK);
    assert_int_equal(peek(MEMORY_SIZE - 4, 4), 0x5a5a5a5a);
    assert_int_equal(CALL("random_get", MEMORY_SIZE - 4, 5), FAULT);
    assert_int_equal(CALL("random_get", 1, UINT32_MAX), FAULT);
    assert_int_equal(fake.sleeps, 0);
    assert_int_equal(CALL("random_get", 0, MEMORY_SIZE), OK); /* others run between the pieces */
    assert_int_equal(fake.sleeps, 2);
    assert_int_equal(fake.slept[0] | fake.slept[1], 0);
    for (uint32_t i = 0; i < MEMORY_SIZE; i++)
        assert_int_equal(fake.memory[i], 0x5a);
    fake.refuse = true; /* ... and the run may end there */
    assert_int_equal(CALL("random_get", 0, MEMORY_SIZE), CANCELED);
    fake.refuse = false;
    run.stop = TFAAS_OK;
    fake.sleeps = 0;
    assert_int_equal(CALL("sleep", 5000), 0);
    assert_int_equal(fake.slept[0], 5000);
    assert_int_equal(CALL("sleep", (uint64_t)-1), 0);
    assert_true(fake.slept[1] == -1);
    CALL("proc_exit", 7);
    assert_true(run.exited);
    assert_int_equal(run.exit_code, 7);
    tear_down();
}

static void test_not_served(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    assert_int_equal(CALL("path_create_directory", 3, 0, 1), ROFS);
    assert_int_equal(CALL("path_unlink_file", 3, 0, 1), ROFS);
    assert_int_equal(CALL("path_rename", 3, 0, 1, 3, 0, 1), ROFS);
    assert_int_equal(CALL("sock_send", 3, 0, 1, 0, 0), NOSYS);
    assert_int_equal(CALL("proc_raise", 9), NOSYS);
    assert_int_equal(CALL("fd_filestat_set_size", 4, 9), NOTCAPABLE);
    tear_down();
}

static void put_clock(uint32_t at, uint64_t userdata, uint32_t id, uint64_t timeout, uint64_t flags)
{
    poke_number(at, userdata, 8);
    poke_number(at + 8, 0, 8);
    poke_number(at + 16, id, 8);
    poke_number(at + 24, timeout, 8);
    poke_number(at + 32, 0, 8);
    poke_number(at + 40, flags, 8);
}

static void test_poll(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    assert_int_equal(CALL("poll_oneoff", 0, 1024, 0, 2048), INVAL);
    assert_int_equal(CALL("poll_oneoff", 0, 1024, 1025, 2048), INVAL);
    assert_int_equal(CALL("poll_oneoff", MEMORY_SIZE - 47, 0, 1, 2048), FAULT);
    assert_int_equal(CALL("poll_oneoff", 0, MEMORY_SIZE - 31, 1, 2048), FAULT);

    put_clock(0, 11, 1, 9000, 0); /* the shorter of two wins */
    put_clock(48, 22, 0, 4000, 0);
    assert_int_equal(CALL("poll_oneoff", 0, 1024, 2, 2048), OK);
    assert_int_equal(fake.sleeps, 1);
    assert_int_equal(fake.slept[0], 4000);
    assert_int_equal(peek(2048, 4), 1);
    assert_int_equal(peek(1024, 8), 22);
    assert_int_equal(peek(1032, 2), OK);
    assert_int_equal(fake.memory[1034], 0);

    const uint64_t shown = run.realtime_ns - run.realtime_ns % 1000000; /* what the guest sees */
    put_clock(0, 33, 0, shown + 700, 1);                                /* absolute */
    assert_int_equal(CALL("poll_oneoff", 0, 1024, 1, 2048), OK);
    assert_int_equal(fake.slept[1], 700);
    put_clock(0, 33, 0, shown, 1); /* gone by: no sleep */
    assert_int_equal(CALL("poll_oneoff", 0, 1024, 1, 2048), OK);
    assert_int_equal(fake.sleeps, 2);
    put_clock(0, 33, 1, UINT64_MAX, 0); /* never negative, which would mean for ever */
    assert_int_equal(CALL("poll_oneoff", 0, 1024, 1, 2048), OK);
    assert_true(fake.slept[2] == INT64_MAX);

    put_clock(0, 1, 9, 5000, 0); /* unknown clock: an error event at once; stdout ready at once */
    put_clock(48, 2, 1, 5000, 0);
    put_clock(96, 3, 1, 0, 0);
    fake.memory[96 + 8] = 2;
    put_clock(144, 4, 77, 0, 0);
    fake.memory[144 + 8] = 1;
    put_clock(192, 5, 0, 0, 0);
    fake.memory[192 + 8] = 3;
    assert_int_equal(CALL("poll_oneoff", 0, 1024, 5, 2048), OK);
    assert_int_equal(fake.sleeps, 3);
    assert_int_equal(peek(2048, 4), 4);
    const uint64_t events[][3] = {{1, INVAL, 0}, {3, OK, 2}, {4, BADF, 1}, {5, INVAL, 3}};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(peek(1024 + 32 * i, 8), events[i][0]);
        assert_int_equal(peek(1024 + 32 * i + 8, 2), events[i][1]);
        assert_int_equal(fake.memory[1024 + 32 * i + 10], events[i][2]);
    }
    fake.refuse = true;
    put_clock(0, 33, 0, 1, 0);
    assert_int_equal(CALL("poll_oneoff", 0, 1024, 1, 2048), CANCELED);
    tear_down();
}

/* --- files --- */

#define READ_RIGHTS ((1u << 1) | (1u << 2) | (1u << 5) | (1u << 7))

static int32_t open_path(const char *path, uint32_t oflags, uint64_t rights)
{
    poke(512, path, strlen(path));
    return CALL("path_open", 3, 0, 512, strlen(path), oflags, rights, 0, 0, 600);
}

static void test_open_read_seek(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    assert_int_equal(open_path("function/data.txt", 0, READ_RIGHTS), OK);
    assert_int_equal(peek(600, 4), 4);
    poke_iovec(0, 1000, 3);
    poke_iovec(8, 2000, 0);
    poke_iovec(16, 2000, 4);
    assert_int_equal(CALL("fd_read", 4, 0, 3, 604), OK);
    assert_int_equal(peek(604, 4), 7);
    assert_memory_equal(fake.memory + 1000, "012", 3);
    assert_memory_equal(fake.memory + 2000, "3456", 4);
    assert_int_equal(CALL("fd_tell", 4, 608), OK);
    assert_int_equal(peek(608, 8), 7);
    assert_int_equal(CALL("fd_read", 4, 0, 3, 604), OK);
    assert_int_equal(peek(604, 4), 3);
    assert_int_equal(CALL("fd_read", 4, 0, 3, 604), OK);
    assert_int_equal(peek(604, 4), 0);

    assert_int_equal(CALL("fd_seek", 4, (uint64_t)-2, 2, 608), OK); /* END */
    assert_int_equal(peek(608, 8), 8);
    assert_int_equal(CALL("fd_seek", 4, (uint64_t)-3, 1, 608), OK); /* CUR */
    assert_int_equal(peek(608, 8), 5);
    assert_int_equal(CALL("fd_seek", 4, 1, 0, 608), OK); /* SET */
    assert_int_equal(peek(608, 8), 1);
    assert_int_equal(CALL("fd_seek", 4, (uint64_t)-1, 0, 608), INVAL);
    assert_int_equal(CALL("fd_seek", 4, INT64_MAX, 1, 608), INVAL);
    assert_int_equal(CALL("fd_seek", 4, 0, 3, 608), INVAL);
    assert_int_equal(CALL("fd_seek", 4, INT64_MAX, 0, 608), OK);
    assert_int_equal(CALL("fd_read", 4, 0, 3, 604), OK);
    assert_int_equal(peek(604, 4), 0);
    assert_int_equal(CALL("fd_pread", 4, 0, 1, 8, 604), OK);
    assert_int_equal(peek(604, 4), 2);
    assert_int_equal(CALL("fd_pread", 4, 0, 1, UINT64_MAX, 604), OK);
    assert_int_equal(peek(604, 4), 0);
    assert_int_equal(CALL("fd_seek", 0, 0, 0, 608), SPIPE);
    assert_int_equal(CALL("fd_seek", 3, 0, 0, 608), ISDIR);
    assert_int_equal(CALL("fd_read", 3, 0, 1, 604), ISDIR);
    assert_int_equal(CALL("fd_write", 4, 0, 1, 604), NOTCAPABLE);
    assert_int_equal(CALL("fd_advise", 4, 0, 0, 5), OK);
    assert_int_equal(CALL("fd_advise", 4, 0, 0, 6), INVAL);
    assert_int_equal(CALL("fd_close", 4), OK);
    assert_int_equal(CALL("fd_close", 4), BADF);
    assert_int_equal(CALL("fd_read", 4, 0, 1, 604), BADF);
    tear_down();
}

static void test_open_errors(void **state)
{
    (void)state;
    enum { CREAT = 1, DIRECTORY = 2, EXCL = 4, TRUNC = 8 };
    const uint64_t write = 1u << 6;
    set_up(FUNCTION_REACTOR);
    assert_int_equal(open_path("function/none", 0, READ_RIGHTS), NOENT);
    assert_int_equal(open_path("function/none", CREAT, READ_RIGHTS), ROFS);
    assert_int_equal(open_path("function/data.txt", CREAT, READ_RIGHTS), OK);
    assert_int_equal(open_path("function/data.txt", CREAT | EXCL, READ_RIGHTS), EXIST);
    assert_int_equal(open_path("function/data.txt", TRUNC, READ_RIGHTS), ROFS);
    assert_int_equal(open_path("function/data.txt", 0, write), ROFS);
    assert_int_equal(open_path("function", 0, write), ISDIR);
    assert_int_equal(open_path("function/data.txt", DIRECTORY, READ_RIGHTS), NOTDIR);
    assert_int_equal(open_path("/function/data.txt", 0, READ_RIGHTS), NOTCAPABLE);
    assert_int_equal(open_path("", 0, READ_RIGHTS), NOENT);
    assert_int_equal(open_path("function/data.txt", 16, READ_RIGHTS), INVAL);
    assert_int_equal(CALL("path_open", 3, 2, 512, 4, 0, 0, 0, 0, 600), INVAL);
    assert_int_equal(CALL("path_open", 3, 0, 512, 4, 0, 0, 0, 32, 600), INVAL);
    assert_int_equal(CALL("path_open", 3, 0, 512, 5000, 0, 0, 0, 0, 600), NAMETOOLONG);
    assert_int_equal(CALL("path_open", 3, 0, MEMORY_SIZE - 3, 4, 0, 0, 0, 0, 600), FAULT);
    assert_int_equal(CALL("path_open", 1, 0, 512, 4, 0, 0, 0, 0, 600), NOTDIR);
    assert_int_equal(CALL("path_open", 4, 0, 512, 4, 0, 0, 0, 0, 600), NOTDIR);
    assert_int_equal(CALL("path_open", 9, 0, 512, 4, 0, 0, 0, 0, 600), BADF);
    poke(512, "function", 8);
    assert_int_equal(CALL("path_open", 3, 0, 512, 8, 0, 0, 0, 0, MEMORY_SIZE - 3), FAULT);
    for (uint32_t i = 1; i < OPEN_FILES_MAX; i++) /* fd 4 is open; the failed ones hold nothing */
        assert_int_equal(open_path("function", 0, 0), OK);
    assert_int_equal(open_path("function", 0, 0), MFILE);
    assert_int_equal(CALL("fd_close", 20), OK);
    assert_int_equal(open_path("function", 0, 0), OK);
    assert_int_equal(peek(600, 4), 20);
    tear_down();
}

static void test_rights(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    poke_iovec(0, 1000, 3);
    assert_int_equal(open_path("function/data.txt", 0, 1u << 2), OK); /* seek only */
    assert_int_equal(CALL("fd_read", 4, 0, 1, 604), NOTCAPABLE);
    assert_int_equal(CALL("fd_seek", 4, 0, 0, 608), OK);
    assert_int_equal(open_path("function/data.txt", 0, 1u << 1), OK); /* read only */
    assert_int_equal(CALL("fd_read", 5, 0, 1, 604), OK);
    assert_int_equal(CALL("fd_seek", 5, 0, 0, 608), NOTCAPABLE);
    assert_int_equal(CALL("fd_pread", 5, 0, 1, 0, 604), NOTCAPABLE);
    assert_int_equal(CALL("fd_filestat_get", 5, 700), NOTCAPABLE);
    assert_int_equal(open_path("function", 0, 1u << 14), OK); /* readdir only */
    poke(512, "data.txt", 8);
    assert_int_equal(CALL("path_open", 6, 0, 512, 8, 0, 0, 0, 0, 600), NOTCAPABLE);
    assert_int_equal(CALL("path_filestat_get", 6, 0, 512, 8, 700), NOTCAPABLE);
    tear_down();
}

static void test_stat_layouts(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    memset(fake.memory, 0xff, 2048);
    assert_int_equal(CALL("fd_fdstat_get", 3, 700), OK);
    assert_int_equal(fake.memory[700], 3);
    assert_int_equal(peek(702, 2), 0);
    assert_true(peek(708, 8) & (1u << 13)); /* PATH_OPEN */
    assert_false(peek(708, 8) & (1u << 6));
    assert_true(peek(716, 8) & (1u << 1));
    assert_int_equal(fake.memory[724], 0xff);
    assert_int_equal(CALL("fd_fdstat_get", 0, 700), OK);
    assert_int_equal(fake.memory[700], 0);
    assert_true(peek(708, 8) & (1u << 1));
    assert_int_equal(CALL("fd_fdstat_get", 1, 700), OK);
    assert_true(peek(708, 8) & (1u << 6));
    assert_int_equal(CALL("fd_fdstat_get", 4, 700), BADF);

    poke(512, "var/openfaas/secrets/token", 26);
    assert_int_equal(CALL("path_filestat_get", 3, 1, 512, 26, 800), OK);
    assert_int_equal(fake.memory[816], 4);
    assert_int_equal(peek(824, 8), 1);
    assert_int_equal(peek(832, 8), 7);
    assert_int_equal(peek(856, 8), 0);
    assert_int_equal(fake.memory[864], 0xff);
    uint64_t ino = peek(808, 8);
    assert_int_equal(open_path("var/openfaas/secrets/token", 0, READ_RIGHTS | 1u << 21), OK);
    assert_int_equal(CALL("fd_filestat_get", 4, 900), OK);
    assert_int_equal(peek(908, 8), ino);
    assert_int_equal(CALL("path_filestat_get", 3, 0, 512, 3, 800), OK); /* "var" */
    assert_int_equal(fake.memory[816], 3);
    assert_int_equal(CALL("path_filestat_get", 3, 2, 512, 3, 800), INVAL);
    assert_int_equal(CALL("path_filestat_get", 3, 0, 512, 2, 800), NOENT);
    assert_int_equal(CALL("path_readlink", 3, 512, 3, 800, 10, 900), INVAL);
    assert_int_equal(CALL("path_readlink", 3, 512, 2, 800, 10, 900), NOENT);

    assert_int_equal(CALL("fd_prestat_get", 3, 700), OK);
    assert_int_equal(fake.memory[700], 0);
    assert_int_equal(peek(704, 4), 1);
    assert_int_equal(CALL("fd_prestat_get", 4, 700), BADF);
    assert_int_equal(CALL("fd_prestat_get", 0, 700), BADF);
    assert_int_equal(CALL("fd_prestat_dir_name", 3, 700, 0), NAMETOOLONG);
    assert_int_equal(CALL("fd_prestat_dir_name", 3, 700, 1), OK);
    assert_int_equal(fake.memory[700], '/');
    assert_int_equal(CALL("fd_close", 3), OK);
    assert_int_equal(CALL("fd_prestat_get", 3, 700), BADF);
    assert_int_equal(open_path("function", 0, 0), BADF);
    tear_down();
}

/* Reads a whole directory with a buffer of `capacity` bytes, as a C library would. */
static unsigned read_directory(uint32_t fd, uint32_t capacity, char *names, size_t names_size)
{
    unsigned entries = 0;
    uint64_t cookie = 0;
    names[0] = 0;
    for (;;) {
        assert_int_equal(CALL("fd_readdir", fd, 4096, capacity, cookie, 600), OK);
        uint32_t used = (uint32_t)peek(600, 4), at = 0;
        assert_true(used <= capacity);
        while (used - at >= 24) {
            uint32_t name_size = (uint32_t)peek(4096 + at + 16, 4);
            if (used - at - 24 < name_size)
                break; /* cut: ask again from its cookie */
            cookie = peek(4096 + at, 8);
            size_t had = strlen(names);
            snprintf(names + had, names_size - had, "%.*s%s ", (int)name_size,
                     (char *)fake.memory + 4096 + at + 24,
                     fake.memory[4096 + at + 20] == 3 ? "/" : "");
            at += 24 + name_size;
            entries++;
        }
        if (used < capacity)
            return entries;
        assert_true(at > 0);
    }
}

static void test_readdir(void **state)
{
    (void)state;
    char names[256];
    set_up(FUNCTION_REACTOR);
    for (uint32_t capacity = 40; capacity < 400; capacity++) {
        assert_int_equal(read_directory(3, capacity, names, sizeof(names)), 4);
        assert_string_equal(names, "./ ../ function/ var/ ");
    }
    assert_int_equal(open_path("function", 0, 1u << 14), OK);
    read_directory(4, 4096, names, sizeof(names));
    assert_string_equal(names, "./ ../ data.txt lib/ ");
    assert_int_equal(CALL("fd_readdir", 3, 4096, 100, UINT64_MAX, 600), OK);
    assert_int_equal(peek(600, 4), 0);
    assert_int_equal(CALL("fd_readdir", 3, 4096, 0, 0, 600), OK);
    assert_int_equal(CALL("fd_readdir", 3, MEMORY_SIZE - 10, 11, 0, 600), FAULT);
    assert_int_equal(CALL("fd_readdir", 0, 4096, 100, 0, 600), NOTDIR);
    assert_int_equal(open_path("function/data.txt", 0, READ_RIGHTS), OK);
    assert_int_equal(CALL("fd_readdir", 5, 4096, 100, 0, 600), NOTDIR);
    tear_down();
}

/* --- iovecs a guest may lie in --- */

static void test_iovecs(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    assert_int_equal(open_path("function/data.txt", 0, READ_RIGHTS), OK);
    static const char *const calls[] = {"fd_read", "fd_write"};
    for (int k = 0; k < 2; k++) {
        const char *name = calls[k];
        uint64_t fd = k == 0 ? 4 : 1;
        poke_iovec(0, 1000, 3);
        assert_int_equal(CALL(name, fd, 0, 1025, 604), INVAL);
        assert_int_equal(CALL(name, fd, 0, UINT32_MAX, 604), INVAL);
        assert_int_equal(CALL(name, fd, MEMORY_SIZE - 7, 1, 604), FAULT);
        assert_int_equal(CALL(name, fd, UINT32_MAX, 1, 604), FAULT);
        assert_int_equal(CALL(name, fd, 0, 1, MEMORY_SIZE - 3), FAULT);
        poke_iovec(0, MEMORY_SIZE - 2, 3);
        assert_int_equal(CALL(name, fd, 0, 1, 604), FAULT);
        poke_iovec(0, UINT32_MAX, 1);
        assert_int_equal(CALL(name, fd, 0, 1, 604), FAULT);
        poke_iovec(0, 2, UINT32_MAX);
        assert_int_equal(CALL(name, fd, 0, 1, 604), FAULT);
        poke_iovec(0, 1000, 2);
        poke_iovec(8, MEMORY_SIZE, 1); /* a bad second one: nothing was done */
        assert_int_equal(CALL(name, fd, 0, 2, 604), FAULT);
        poke_iovec(0, MEMORY_SIZE, 0);
        assert_int_equal(CALL(name, fd, 0, 1, 604), OK);
        assert_int_equal(CALL(name, fd, 0, 0, 604), OK);
        assert_int_equal(peek(604, 4), 0);
    }
    assert_int_equal(fake.log_size, 0);
    assert_int_equal(CALL("fd_tell", 4, 608), OK);
    assert_int_equal(peek(608, 8), 0);
    /* the buffer covers the array: the second iovec becomes what was read, and is checked again */
    poke_iovec(0, 8, 8);
    poke_iovec(8, 1000, 2);
    assert_int_equal(CALL("fd_read", 4, 0, 2, 604), FAULT);
    tear_down();
}

/* --- reactor streams --- */

static void test_reactor_streams(void **state)
{
    (void)state;
    uint8_t head[128];
    set_up(FUNCTION_REACTOR);
    set_request("POST", "/x", "", "content", 7);
    fake.pieces = 5;
    size_t done = 0;
    for (;;) { /* blocks, memory moves, then what has arrived is read directly */
        int32_t got = CALL("request_read", 5000 + done, 3);
        assert_true(got >= 0);
        if (got == 0 && run.in.ended)
            break;
        done += (size_t)got;
    }
    assert_int_equal(done, fake.request_size);
    assert_memory_equal(fake.memory + 5000, fake.request, done);
    assert_true(fake.moves > 2);
    assert_int_equal(CALL("request_read", 0, 0), -INVAL);
    assert_int_equal(CALL("request_read", MEMORY_SIZE - 1, 2), -FAULT);

    size_t size = response_head(head, sizeof(head), 201);
    poke(100, head, size);
    poke(100 + (uint32_t)size, "body", 4);
    assert_int_equal(CALL("response_write", MEMORY_SIZE - 1, 2, 0), -FAULT);
    assert_int_equal(CALL("response_write", 100, size, 2), -INVAL);
    assert_int_equal(CALL("response_write", 100, size + 4, 0), size + 4);
    memset(fake.memory + 2000, 'z', 150000); /* several messages, memory moves between */
    assert_int_equal(CALL("response_write", 2000, 150000, 0), 150000);
    assert_int_equal(CALL("response_write", 0, 0, 0), 0);
    assert_int_equal(fake.writes, 1 + 3);
    assert_int_equal(CALL("response_write", 0, 0, 1), 0);
    assert_true(fake.response_last);
    assert_int_equal(CALL("response_write", 100, 1, 0), -PIPE);
    assert_int_equal(fake.response_size, size + 4 + 150000);
    assert_memory_equal(fake.response, head, size);
    assert_memory_equal(fake.response + size, "body", 4);
    assert_int_equal(fake.response[size + 4 + 149999], 'z');

    poke_iovec(0, 3000, 2); /* stdout and stderr are the log, stdin is empty */
    poke(3000, "hi", 2);
    assert_int_equal(CALL("fd_write", 1, 0, 1, 604), OK);
    assert_int_equal(CALL("fd_write", 2, 0, 1, 604), OK);
    assert_string_equal(fake.log, "hihi");
    assert_int_equal(CALL("fd_read", 0, 0, 1, 604), OK);
    assert_int_equal(peek(604, 4), 0);
    tear_down();
}

/* A host call is not pre-empted: 128 MiB for the log, and no more of it is looked at than the log
 * takes. */
static void test_log_beyond_its_limit(void **state)
{
    (void)state;
    set_up(FUNCTION_REACTOR);
    run.log_limit = 5000;
    for (uint32_t i = 0; i < 1024; i++)
        poke_iovec(i * 8, 16384, 131072);
    assert_int_equal(CALL("fd_write", 2, 0, 1024, 12000), OK);
    assert_int_equal(peek(12000, 4), 1024 * 131072);
    assert_int_equal(fake.log_size, 5 * 1024); /* whole pieces; what is over is cut behind this */
    tear_down();
}

/* An answer in one piece is held back by the sender, which picks RESPONSE or BODY for it by
 * response_started: that flag is not ours to set. And after the last piece there is nothing. */
static void test_reactor_single_piece(void **state)
{
    (void)state;
    uint8_t head[128];
    set_up(FUNCTION_REACTOR);
    size_t size = response_head(head, sizeof(head), 200);
    poke(100, head, size);
    assert_int_equal(CALL("response_write", 100, size, 1), size);
    assert_false(run.response_started);
    assert_int_equal(CALL("response_write", 100, size, 1), -PIPE);
    assert_int_equal(run.stop, TFAAS_OK);
    assert_int_equal(fake.writes, 1);
    tear_down();
}

static void test_reactor_bad_response(void **state)
{
    (void)state;
    uint8_t head[128];
    size_t size = response_head(head, sizeof(head), 200);
    for (size_t cut = 0; cut < size; cut++) { /* the first piece must hold the head */
        set_up(FUNCTION_REACTOR);
        poke(100, head, size);
        assert_true(CALL("response_write", 100, cut, 1) < 0);
        assert_int_equal(run.stop, TFAAS_BAD_RESPONSE);
        assert_int_equal(fake.writes, 0);
        assert_non_null(strstr(fake.log, "response refused: "));
        tear_down();
    }
    set_up(FUNCTION_REACTOR);
    set_request("GET", "/", "", "", 0); /* a request is not a response */
    poke(100, fake.request, fake.request_size);
    assert_true(CALL("response_write", 100, fake.request_size, 1) < 0);
    assert_int_equal(run.stop, TFAAS_BAD_RESPONSE);
    tear_down();

    set_up(FUNCTION_REACTOR);
    run.loading = true;
    poke(100, head, size);
    assert_int_equal(CALL("response_write", 100, size, 1), -NOTSUP);
    assert_int_equal(CALL("request_read", 100, size), 0);
    tear_down();
}

static void test_blocked_calls_stop(void **state)
{
    (void)state;
    uint8_t head[128];
    set_up(FUNCTION_REACTOR);
    set_request("GET", "/", "", "", 0);
    fake.refuse = true;
    assert_int_equal(CALL("request_read", 0, 100), -CANCELED);
    run.stop = TFAAS_OK;
    poke(100, head, response_head(head, sizeof(head), 200));
    assert_int_equal(CALL("response_write", 100, 20, 0), -CANCELED);
    run.stop = TFAAS_OK;
    assert_int_equal(CALL("sleep", 5), -CANCELED);
    run.stop = TFAAS_OK;
    assert_int_equal(call_args("sched_yield", NULL, 0), CANCELED);
    assert_int_equal(run.stop, TFAAS_DEADLINE);
    tear_down();
}

/* --- any call with any arguments: no crash under ASan, no write outside of the guest --- */

static uint64_t seed = 88172645463325252u;

static uint64_t random_u64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static uint64_t random_argument(void)
{
    switch (random_u64() % 6) {
    case 0:
        return random_u64() % 8; /* a descriptor, a count */
    case 1:
        return MEMORY_SIZE - random_u64() % 70;
    case 2:
        return random_u64() % 2048;
    case 3:
        return random_u64() & UINT32_MAX;
    case 4:
        return UINT32_MAX - random_u64() % 16;
    default:
        return random_u64();
    }
}

static void test_random_calls(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        set_up(round % 2 ? FUNCTION_COMMAND : FUNCTION_REACTOR);
        set_request("POST", "/p?q", "a: b\n", "some content", 12);
        fake.pieces = round % 5;
        if (round % 2)
            assert_int_equal(wasi_command_begin(&run), TFAAS_OK);
        for (uint32_t i = 0; i < 4096; i += 8)
            poke_iovec(i, (uint32_t)(random_u64() % (MEMORY_SIZE + 9)),
                       (uint32_t)(random_u64() % 4 ? random_u64() % 64 : random_argument()));
        poke(512, "function/data.txt", 17);
        for (unsigned i = 0; i < 200; i++) {
            const struct wasi_import *import = &wasi_imports[random_u64() % wasi_import_count];
            uint64_t args[9] = {0};
            for (unsigned k = 0; k < import->arg_count; k++)
                args[k] = import->arg_types[k] == WASI_I32 ? random_argument() & UINT32_MAX
                                                           : random_argument();
            memory.base = fake.memory;
            import->call(&run, &memory, args);
            run.stop = TFAAS_OK;
            run.exited = false;
            fake.sleeps = 0;
            fake.log_size = 0;
            if (fake.response_last || fake.response_size > 200000)
                break;
            if (random_u64() % 8 == 0)
                open_path("function/data.txt", 0, READ_RIGHTS);
        }
        tear_down();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_every_import_is_counted_and_stops),
        cmocka_unit_test(test_clock_random_exit),
        cmocka_unit_test(test_not_served),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_open_read_seek),
        cmocka_unit_test(test_open_errors),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_stat_layouts),
        cmocka_unit_test(test_readdir),
        cmocka_unit_test(test_iovecs),
        cmocka_unit_test(test_reactor_streams),
        cmocka_unit_test(test_log_beyond_its_limit),
        cmocka_unit_test(test_reactor_single_piece),
        cmocka_unit_test(test_reactor_bad_response),
        cmocka_unit_test(test_blocked_calls_stop),
        cmocka_unit_test(test_random_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
