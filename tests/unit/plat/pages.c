/*
 * pages.c - reservations, images, write faults: an image is exact and cannot change, copies are
 * private, a write to a read-only page reaches the handler once, and a fault of the core ends it.
 */
/* clang-format off */
/* needs: core/plat/linux/clock.c core/plat/linux/context.c core/plat/linux/host.c core/plat/linux/pages.c core/plat/linux/signals.c core/plat/linux/switch.S core/plat/shim/guest.c core/plat/shim/guest_entry.S core/plat/shim/guest_ports.c libs: sodium flags: nosan /lib64/ld-linux-x86-64.so.2 */
/* clang-format on */
#include "plat/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PAGES 64u
#define SIZE  (PAGES * PLAT_PAGE)

static uint8_t *area; /* a reservation of SIZE bytes */
static volatile uintptr_t faults[PAGES * 2];
static volatile unsigned fault_count;

static bool on_write(uintptr_t address)
{
    if (address < (uintptr_t)area || address >= (uintptr_t)area + SIZE) {
        return false;
    }
    if (fault_count < PAGES * 2) {
        faults[fault_count] = address;
    }
    fault_count++;
    plat_protect((void *)(address & ~(uintptr_t)(PLAT_PAGE - 1)), PLAT_PAGE, PLAT_READ_WRITE);
    return true;
}

/* In the body of each test: cmocka sets handlers of its own before it. */
static void take_handlers(void)
{
    plat_handlers(on_write, NULL);
}

static uint8_t *pattern(size_t size)
{
    uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    uint64_t x = 88172645463325252u;
    for (size_t at = 0; at < size; at++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        /* every third page stays zero */
        bytes[at] = at / PLAT_PAGE % 3 == 1 ? 0 : (uint8_t)x;
    }
    return bytes;
}

static void check_image(size_t size)
{
    uint8_t *from = pattern(size);
    struct plat_image image;
    assert_true(plat_image_create(&image, from, size, size));
    assert_int_equal(image.size, size);
    assert_memory_equal(image.bytes, from, size);
    uint8_t *second = plat_reserve(SIZE);
    assert_non_null(second);
    assert_true(plat_image_map(&image, area, PLAT_READ));
    assert_true(plat_image_map(&image, second, PLAT_READ));
    assert_memory_equal(area, from, size);
    for (size_t at = size; at % PLAT_PAGE != 0; at++) {
        assert_int_equal(area[at], 0);
    }
    /* A write goes to a private copy; the image and its other users do not see it. */
    fault_count = 0;
    for (size_t at = 17 % size; at < size; at += PLAT_PAGE) {
        area[at] = (uint8_t)~from[at];
        area[at] ^= 0x55; /* writable now: no second fault */
    }
    assert_int_equal(fault_count, (size - 1 - 17 % size) / PLAT_PAGE + 1);
    assert_int_equal(faults[0], (uintptr_t)area + 17 % size);
    assert_memory_equal(second, from, size);
    assert_memory_equal(image.bytes, from, size);
    assert_true(plat_image_map(&image, area, PLAT_READ)); /* drops what was written */
    assert_memory_equal(area, from, size);
    plat_image_destroy(&image);
    assert_memory_equal(second, from, size); /* maps outlive the image */
    plat_release(second, SIZE);
    plat_decommit(area, SIZE);
    free(from);
}

static void images_in_memory_are_exact(void **state)
{
    (void)state;
    take_handlers();
    plat_linux_attach(NULL);
    const size_t sizes[] = {1, 4095, 4096, 4097, 3 * PLAT_PAGE, SIZE - 1, SIZE};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_image(sizes[i]);
    }
}

static void images_in_files_are_exact(void **state)
{
    (void)state;
    take_handlers();
    static char window;
    plat_linux_attach(&window);
    const size_t sizes[] = {1, 4095, 4096, 4097, 3 * PLAT_PAGE, SIZE - 1, SIZE};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_image(sizes[i]);
    }
    plat_linux_attach(NULL);
}

static void images_may_end_in_zeros(void **state)
{
    (void)state;
    take_handlers();
    static char window;
    uint8_t *from = pattern(5000);
    for (int attached = 0; attached < 2; attached++) {
        plat_linux_attach(attached ? &window : NULL);
        struct plat_image image;
        assert_true(plat_image_create(&image, from, 5000, SIZE));
        assert_int_equal(image.size, SIZE);
        assert_true(plat_commit(area, SIZE));
        memset(area, 0xff, SIZE);
        assert_true(plat_image_map(&image, area, PLAT_READ));
        assert_memory_equal(area, from, 5000);
        for (size_t at = 5000; at < SIZE; at++) {
            assert_int_equal(area[at], 0);
            assert_int_equal(image.bytes[at], 0);
        }
        plat_image_destroy(&image);
        assert_true(plat_image_create(&image, NULL, 0, PLAT_PAGE));
        assert_int_equal(image.bytes[0], 0);
        plat_image_destroy(&image);
        assert_false(plat_image_create(&image, from, 5000, 4096));
    }
    plat_linux_attach(NULL);
    plat_decommit(area, SIZE);
    free(from);
}

static void an_image_file_cannot_change(void **state)
{
    (void)state;
    take_handlers();
    static char window;
    plat_linux_attach(&window);
    uint8_t *from = pattern(SIZE);
    struct plat_image image;
    assert_true(plat_image_create(&image, from, SIZE, SIZE));
    assert_true(image.fd >= 0);
    assert_int_equal(pwrite(image.fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(image.fd, 0), -1);
    assert_int_equal(ftruncate(image.fd, SIZE * 2), -1);
    assert_ptr_equal(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, image.fd, 0), MAP_FAILED);
    assert_int_equal(fcntl(image.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_memory_equal(image.bytes, from, SIZE);
    plat_image_destroy(&image);
    assert_int_equal(image.fd, -1);
    assert_false(plat_image_create(&image, from, 0, 0));
    assert_false(plat_image_create(&image, from, SIZE_MAX, SIZE_MAX));
    plat_linux_attach(NULL);
    free(from);
}

static void committed_pages_are_zero(void **state)
{
    (void)state;
    take_handlers();
    for (int round = 0; round < 3; round++) {
        assert_true(plat_commit(area, SIZE));
        for (size_t at = 0; at < SIZE; at++) {
            assert_int_equal(area[at], 0);
        }
        memset(area, 0xa5, SIZE);
        if (round != 1) {
            plat_decommit(area, SIZE);
        }
    }
}

/* Runs `act` in a child; returns its exit code, or -1 when a signal killed it. */
static int child_exit(void (*act)(void))
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        act();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int reason_pipe[2];

static void tell_reason(const char *reason)
{
    const ssize_t n = write(reason_pipe[1], reason, strlen(reason));
    (void)n;
}

static void ends_with(void (*act)(void), const char *wanted)
{
    assert_int_equal(pipe2(reason_pipe, O_NONBLOCK), 0);
    plat_on_abort = tell_reason;
    assert_int_equal(child_exit(act), 70);
    char reason[200] = {0};
    assert_true(read(reason_pipe[0], reason, sizeof(reason) - 1) > 0);
    assert_non_null(strstr(reason, wanted));
    close(reason_pipe[0]);
    close(reason_pipe[1]);
}

static volatile uint8_t *elsewhere;

static void write_elsewhere(void)
{
    *elsewhere = 1;
}

static void read_reserved(void)
{
    plat_decommit(area, SIZE);
    (void)*(volatile uint8_t *)area;
}

static void recurse(volatile uint8_t *from)
{
    volatile uint8_t frame[8192];
    frame[0] = from == NULL ? 0 : from[0];
    if (frame[0] != 77) {
        recurse(frame);
    }
    frame[8191] = 1;
}

static void recurse_main(void *argument)
{
    (void)argument;
    recurse(NULL);
}

static void overflow_stack(void)
{
    struct plat_context *context = plat_context_new();
    plat_context_start(context, recurse_main, NULL);
    plat_switch_to(context);
}

static void return_nothing(void *argument)
{
    (void)argument;
}

static void return_from_context(void)
{
    struct plat_context *context = plat_context_new();
    plat_context_start(context, return_nothing, NULL);
    plat_switch_to(context);
}

static void execute_illegal(void)
{
    __builtin_trap();
}

static void faults_of_the_core_end_it_with_a_reason(void **state)
{
    (void)state;
    take_handlers();
    elsewhere = plat_reserve(PLAT_PAGE);
    assert_non_null(elsewhere);
    ends_with(write_elsewhere, "write fault at address 0x");
    ends_with(read_reserved, "read fault at address 0x");
    ends_with(overflow_stack, "write fault at address 0x");
    ends_with(return_from_context, "a context's function returned");
    ends_with(plat_switch_back, "switch back without a context");
    ends_with(execute_illegal, "illegal instruction");
    plat_on_abort = NULL;
}

static int prepare(void **state)
{
    (void)state;
    area = plat_reserve(SIZE);
    if (plat_linux_prepare() != NULL || area == NULL) {
        return -1;
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_in_memory_are_exact),
        cmocka_unit_test(images_in_files_are_exact),
        cmocka_unit_test(images_may_end_in_zeros),
        cmocka_unit_test(an_image_file_cannot_change),
        cmocka_unit_test(committed_pages_are_zero),
        cmocka_unit_test(faults_of_the_core_end_it_with_a_reason),
    };
    return cmocka_run_group_tests_name("plat/pages", tests, prepare, NULL);
}
