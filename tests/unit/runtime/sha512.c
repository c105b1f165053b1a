/* needs: runtime/sample/sha512.c */
/*
 * sha512.c - tests of runtime/sample/sha512.c: FIPS 180-4's example, and lengths around every
 * padding boundary with digests from an independent implementation (CPython's hashlib).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../../../runtime/sample/sha512.h"

/* content byte i of the case with n bytes is i * 7 + n */
static const struct {
    size_t size;
    const char *hex;
} cases[] = {
    {0, "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d287"
        "7eec2f63b931bd47417a81a538327af927da3e"},
    {1, "7b54b66836c1fbdd13d2441d9e1434dc62ca677fb68f5fe66a464baadecdbd00576f8d6b5ac3bcc80844b7d50b"
        "1cc6603444bbe7cfcf8fc0aa1ee3c636d9e339"},
    {55, "19910fbb344bf57448fff9ee9a58106f31e23a8a339aa91f8c31e8efd180595f6aea94cf4abb7262b5d93e3d7"
         "0efc38703ccc204e3a3b95faa54c503aceb3f62"},
    {63, "a2df1363c3caa5f2744cb66cd03885632cd6fe8e8c9272976761c7eb2b0f438247a201902914ec616b3b38352"
         "efe6c3457a0e90b8e62ebf8ab99f9d92b8fb4db"},
    {64, "afba2b1a4441b2333a7f48688f7a6e3839312024bad590da5237c383821c3a9ea75ffba852ccf5b85d8772612"
         "8501dbd6b8073cbc85c091f293f683542c3ed9d"},
    {111, "df79e18538ec82120d0eb59f92ade93fc786e47b5c622121a065503708882f7801fa4b115197504b74feb420"
          "ee58fb85718ab98a5bf461bf7f8897472c26be4d"},
    {112, "d7377bc7047400daa33483946a6e2ec47609bc5f64b8309effd8d38b764b6ef250086511cc4cc9b4e5806613"
          "ecdf2a7b86ffcf0b9c88a571b869b32dfeca4b0a"},
    {113, "69a127d193a5bd3239535d093dc71c32c34df13d2b1982a7f46035a1f8a984308cd559257dbde17c8ddd8299"
          "bee7018b832e45c47ec7135055176579797c40bd"},
    {119, "1efae71e30c3bdc6cde724788736a10053fe52f4ae1841dc25003aa000a35c1be915429404dc73719cee9945"
          "f55b816cc3390936885bd78ce11ec56721f12957"},
    {120, "ad2a8e4e76a1d9eeca549852ed03e8bda1590120cd1fabe7f7d6f0b211be0b1d58b833091ead363c5c956493"
          "8efd45ec95830411e4a5c19de4d613dd10aad2e5"},
    {127, "82b7fc0e1e5d1bb8e56e25cef83ba1205d3b3b44c9efacb33b11b13ffc47d1502beb4b9cc885239d9a03a255"
          "757c582ee9aaa270c742f8bfd959228443704bf5"},
    {128, "eb5119a4c3e176a3e0cb2bf8a6237bdc1e474f9f501f27c84284d2289b1ade3a5a1913236a2b771e0f435f2a"
          "9b17792eb23eb92248a199f991228ff65de55d09"},
    {129, "06e68bf71185b1fda1d64bc8dc221aeaa9040b40d202d6030f840940ff2e530056550e68bd5d7a68d6fcf910"
          "077cd5b6c0befa877a436ddae766dd278592d2b6"},
    {239, "511f3b02317c383e27eb7064cc6e1d721d2c0ffd7efb5cb70647f0655ea93288052d566892f4a1b14342adf1"
          "4f96740e7433346b58d521d84fa8bcfae11ca9f8"},
    {240, "774d6a1206485a1c2342cfddc586d2b0af9e78f4ed95b69ff18bf6fa3ecbe59fd7ae11bdc5afd460f44fd84b"
          "5af08016e8986b0474d1515148ef9d8068e8dede"},
    {241, "be84277233b2c782409e01cd113d190bf8481831855e9a70d73846b1fdb5cbaa5162e4f4a098356619406bda"
          "e6e19abeb835ff3e8d3669395ff0937134ca98d7"},
    {255, "eeca349bbe7fea8643043b6beedfe770fc596b69ab3c8ee5a4ef8e6fc9b96c50acaa19db9a1d3608c6e1e98c"
          "a3069fb8228fb0ed600934d1d9319aa9cfbee30b"},
    {256, "ca6e7d0c2e4ae8774b65b1353a44154f9858ff2c6eb8c50c645eb37b39e37ad98184883dddacf1557a791307"
          "ad592e31e9d824c2c3e2da33b0f5e5a90d779316"},
    {257, "7fedbc29ce3eb21ecb0fabbf9bf5c934ed4c6674b7411844f12902e5ad71afe3cc2260f3018f750325d65371"
          "e94db8bb42ba58f1b40010a0e5b3d9262d8635a7"},
    {1000, "5c9833a6b6d14cabd5256ae50e9217163760d44bafa40d2e0e64ee13a2b74ec3f10d965a04c7381d12383c5"
           "9ee449c75241303eb3806dcf1d8ca0c566fe1ed6a"},
    {100000, "6e77fa2e73339d67075690a11ae1d3ad244ff398a4e28108ecbfab814767f920885ed59391c0854751f4d"
             "44874c43f3b4218962e8c148e1aa5026fb75b121615"},
};

static void digest_of(const uint8_t *data, size_t size, size_t step, char hex[129])
{
    struct sha512 hash;
    uint8_t digest[SHA512_SIZE];
    sha512_begin(&hash);
    for (size_t at = 0; at < size; at += step)
        sha512_add(&hash, data + at, size - at < step ? size - at : step);
    sha512_end(&hash, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void test_example(void **state)
{
    (void)state;
    char hex[129];
    digest_of((const uint8_t *)"abc", 3, 3, hex);
    assert_string_equal(hex, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                             "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

static void test_lengths_in_pieces(void **state)
{
    (void)state;
    const size_t steps[] = {1, 3, 64, 127, 128, 129, 1000000};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = cases[i].size;
        uint8_t *data = malloc(size + 1);
        assert_non_null(data);
        for (size_t k = 0; k < size; k++)
            data[k] = (uint8_t)(k * 7 + size);
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            char hex[129];
            digest_of(data, size, steps[k], hex);
            assert_string_equal(hex, cases[i].hex);
        }
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_lengths_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
