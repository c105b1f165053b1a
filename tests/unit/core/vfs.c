/* needs: core/vfs.c */
/* vfs.c - tests of core/vfs.c: every file is found, nothing else is, the tree's shape is sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "vfs.h"

static struct span text(const char *s)
{
    return (struct span){(const uint8_t *)s, strlen(s)};
}

static struct package_file files[] = {
    {{(const uint8_t *)"a-b/x", 5}, {(const uint8_t *)"1", 1}},
    {{(const uint8_t *)"a.js", 4}, {(const uint8_t *)"22", 2}},
    {{(const uint8_t *)"a/x/y", 5}, {(const uint8_t *)"333", 3}},
    {{(const uint8_t *)"a/z", 3}, {(const uint8_t *)"", 0}},
    {{(const uint8_t *)"b", 1}, {(const uint8_t *)"55555", 5}},
};
static struct bundle_pair secrets[] = {
    {{(const uint8_t *)"token", 5}, {(const uint8_t *)"s", 1}},
    {{(const uint8_t *)"api-key", 7}, {(const uint8_t *)"k", 1}},
};

static struct vfs build(void)
{
    struct package package = {.files = files, .file_count = 5};
    struct bundle bundle = {.secrets = secrets, .secret_count = 2};
    struct vfs vfs;
    const char *why = "";
    assert_int_equal(vfs_build(&vfs, &package, &bundle, &why), TFAAS_OK);
    return vfs;
}

static bool has(const struct vfs *vfs, const char *path, const char *content)
{
    uint32_t node;
    if (!vfs_lookup(vfs, 0, text(path), &node))
        return false;
    if (!content)
        return vfs->nodes[node].is_directory;
    return !vfs->nodes[node].is_directory && span_is(vfs->nodes[node].content, content);
}

static void test_lookup(void **state)
{
    (void)state;
    struct vfs vfs = build();
    assert_true(has(&vfs, "", NULL));
    assert_true(has(&vfs, "/", NULL));
    assert_true(has(&vfs, "function", NULL));
    assert_true(has(&vfs, "/function/a", NULL));
    assert_true(has(&vfs, "function/a/", NULL));
    assert_true(has(&vfs, "function/a/x/y", "333"));
    assert_true(has(&vfs, "function//a/./x/../x/y", "333"));
    assert_true(has(&vfs, "function/a/z", ""));
    assert_true(has(&vfs, "function/a-b/x", "1"));
    assert_true(has(&vfs, "function/a.js", "22"));
    assert_true(has(&vfs, "function/b", "55555"));
    assert_true(has(&vfs, "var/openfaas/secrets/token", "s"));
    assert_true(has(&vfs, "/var/openfaas/secrets/api-key", "k"));
    assert_true(has(&vfs, "../../..", NULL)); /* above the root is the root */
    assert_true(has(&vfs, "../../function/b", "55555"));
    static const char *const absent[] = {"a",
                                         "function/c",
                                         "function/a/x/y/z",
                                         "function/b/",
                                         "function/b/.",
                                         "function/b/..",
                                         "function/A",
                                         "function/a.j",
                                         "function/a.jss",
                                         "var/openfaas/secrets/tok",
                                         "etc/passwd",
                                         "function/a\\z"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        uint32_t node;
        assert_false(vfs_lookup(&vfs, 0, text(absent[i]), &node));
    }
    uint32_t base, node;
    assert_true(vfs_lookup(&vfs, 0, text("function/a"), &base));
    assert_true(vfs_lookup(&vfs, base, text("x/y"), &node));
    assert_true(vfs_lookup(&vfs, base, text("../b"), &node));
    assert_false(vfs_lookup(&vfs, base, text("b"), &node));
    assert_false(vfs_lookup(&vfs, base, (struct span){(const uint8_t *)"z\0", 2}, &node));
    vfs_free(&vfs);
}

static void test_shape(void **state)
{
    (void)state;
    struct vfs vfs = build();
    uint32_t reached = 1; /* the root */
    for (uint32_t i = 0; i < vfs.count; i++) {
        const struct vfs_node *node = &vfs.nodes[i];
        assert_true(node->parent < vfs.count);
        if (!node->is_directory)
            assert_int_equal(node->child_count, 0);
        for (uint32_t k = 0; k < node->child_count; k++) {
            const struct vfs_node *child = &vfs.nodes[node->first_child + k];
            assert_int_equal(child->parent, i);
            assert_true(child->name.size > 0);
            if (k > 0) {
                size_t least =
                    child[-1].name.size < child->name.size ? child[-1].name.size : child->name.size;
                int order = memcmp(child[-1].name.data, child->name.data, least);
                assert_true(order < 0 || (order == 0 && child[-1].name.size < child->name.size));
            }
            reached++;
        }
    }
    assert_int_equal(reached, vfs.count); /* a tree: every node once */
    vfs_free(&vfs);
}

static void test_file_and_directory(void **state)
{
    (void)state;
    struct package_file clash[] = {
        {text("a"), text("1")}, {text("a-b"), text("1")}, {text("a/b"), text("2")}};
    struct package package = {.files = clash, .file_count = 3};
    struct bundle none = {.env_count = 0};
    struct vfs vfs;
    const char *why = NULL;
    assert_int_equal(vfs_build(&vfs, &package, &none, &why), TFAAS_BAD_PACKAGE);
    assert_non_null(strstr(why, "both a file and a directory"));
    assert_null(vfs.nodes);
}

static void test_empty_and_large(void **state)
{
    (void)state;
    struct package package = {.files = NULL, .file_count = 0};
    struct bundle none = {.env_count = 0};
    struct vfs vfs;
    const char *why = NULL;
    assert_int_equal(vfs_build(&vfs, &package, &none, &why), TFAAS_OK);
    assert_true(has(&vfs, "var/openfaas/secrets", NULL));
    assert_true(has(&vfs, "function", NULL));
    vfs_free(&vfs);

    enum { COUNT = 20000, DEPTH = 250 };
    struct package_file *many = calloc(COUNT, sizeof(*many));
    char *names = malloc((size_t)COUNT * 512);
    for (int i = 0; i < COUNT; i++) {
        char *name = names + (size_t)i * 512;
        snprintf(name, 512, "d%d/f%d", i % 100, i);
        many[i] = (struct package_file){text(name), text("x")};
    }
    package = (struct package){.files = many, .file_count = COUNT};
    assert_int_equal(vfs_build(&vfs, &package, &none, &why), TFAAS_OK);
    assert_int_equal(vfs.count, 5 + 100 + COUNT);
    assert_true(has(&vfs, "function/d42/f19942", "x"));
    vfs_free(&vfs);

    for (int i = 0; i < 1000; i++) { /* deep and all different: bounded */
        char *name = names + (size_t)i * 512;
        int at = snprintf(name, 512, "%04d", i);
        for (int k = 0; k < DEPTH; k++, at += 2)
            memcpy(name + at, "/d", 3);
        many[i] = (struct package_file){text(name), text("x")};
    }
    package.file_count = 1000;
    assert_int_equal(vfs_build(&vfs, &package, &none, &why), TFAAS_TOO_LARGE);
    free(many);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_file_and_directory),
        cmocka_unit_test(test_empty_and_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
