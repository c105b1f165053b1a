/* needs: $(CLIENT_TEST_SRC) libs: crypto jansson curl sodium */
/*
 * policy.c - tests of client/policy.c: the default policy and its words byte for byte (whoever
 * changes what is accepted without a policy changes them here), and every way to be malformed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "client/internal.h"
#include <stdio.h>
#include <stdlib.h>

#define HEX96                                                                                      \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"             \
    "0123456789abcdef"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_default_is_what_it_was(void **state)
{
    (void)state;
    assert_string_equal(tfaas_policy_default(),
                        "{\n"
                        "  \"version\": 1,\n"
                        "  \"cores\": [],\n"
                        "  \"allow_simulated\": false,\n"
                        "  \"platforms\": [],\n"
                        "  \"maximum_age_s\": 4200,\n"
                        "  \"intel_tcb\": {\n"
                        "    \"statuses\": [\"UpToDate\"],\n"
                        "    \"advisories\": []\n"
                        "  },\n"
                        "  \"sgx\": {\"enclaves\": []},\n"
                        "  \"tdx\": {\"domains\": []},\n"
                        "  \"snp\": {\"launches\": [], \"minimum_tcb\": {}}\n"
                        "}\n");
    struct policy p;
    assert_int_equal(policy_read(tfaas_policy_default(), &p, NULL), TFAAS_CLIENT_OK);
    assert_int_equal(p.core_count, 0);
    assert_false(p.allow_simulated);
    assert_int_equal(p.enclave_count + p.td_count + p.launch_count, 0);
    for (unsigned g = 0; g < 4; g++)
        assert_false(p.snp_tcb[g].named);
    for (unsigned s = 0; s < 16; s++)
        assert_int_equal(p.tcb_accepted[s], s == TFAAS_TCB_UP_TO_DATE);
}

static void explained(const char *policy, const char *wanted)
{
    struct tfaas_failure failure = {.text = ""};
    char *text = NULL;
    enum tfaas_client_error error = tfaas_policy_explain(policy, &text, &failure);
    if (error)
        print_error("%s\n", failure.text);
    assert_int_equal(error, TFAAS_CLIENT_OK);
    assert_string_equal(text, wanted);
    free(text);
}

static void test_default_in_words(void **state)
{
    (void)state;
    explained(tfaas_policy_default(),
              "No core is accepted: \"cores\" is empty, so every verification fails.\n"
              "  (`tfaas core measure FILE` tells the measurement of a core.)\n"
              "Intel SGX is accepted, for no enclave (\"enclaves\" is empty):\n"
              "Intel TDX is accepted, for no trust domain (\"domains\" is empty):\n"
              "Intel platforms must have a TCB status of: UpToDate\n"
              "  with no open advisory.\n"
              "AMD SEV-SNP is accepted, for no launch (\"launches\" is empty):\n"
              "  on no processor: \"minimum_tcb\" names no generation.\n"
              "Simulated evidence is refused.\n"
              "Debug launches are refused, always.\n"
              "Any machine is accepted, also one that its owner has taken apart.\n"
              "A key statement may be 4200 seconds old.\n");
}

static void test_dangerous_things_are_said_loudly(void **state)
{
    (void)state;
    explained("{\"version\":1,\"cores\":[\"" HEX96 "\"],\"allow_simulated\":true,"
              "\"platforms\":[\"0011223344556677\"],\"maximum_age_s\":60,"
              "\"intel_tcb\":{\"statuses\":[\"UpToDate\",\"SWHardeningNeeded\"],"
              "\"advisories\":[\"INTEL-SA-00615\",\"INTEL-SA-00828\"]},"
              "\"tdx\":{\"domains\":[{\"mrtd\":\"" HEX96 "\",\"rtmrs\":[\"" HEX96
              "\",null,null,null]}]},"
              "\"snp\":{\"launches\":[],\"minimum_tcb\":{\"Milan\":{\"boot_loader\":4,\"tee\":0,"
              "\"snp\":24,\"microcode\":219}}}}",
              "Cores with this measurement (SHA-384) are accepted:\n"
              "    core " HEX96 "\n"
              "Intel TDX is accepted, for these trust domains:\n"
              "    MRTD " HEX96 "\n"
              "      RTMR0 " HEX96 "\n"
              "      RTMR1 ANY: what it measures (kernel, disk) is not checked\n"
              "      RTMR2 ANY: what it measures (kernel, disk) is not checked\n"
              "      RTMR3 ANY: what it measures (kernel, disk) is not checked\n"
              "Intel platforms must have a TCB status of: UpToDate SWHardeningNeeded\n"
              "  with no open advisory but INTEL-SA-00615, INTEL-SA-00828.\n"
              "AMD SEV-SNP is accepted, for no launch (\"launches\" is empty):\n"
              "  on Milan from boot loader 4, TEE 0, SNP 24, microcode 219 - WARNING: Milan's keys "
              "have been extracted\n"
              "SIMULATED evidence is ACCEPTED: whoever runs the host can read and change "
              "everything. For development only.\n"
              "Debug launches are refused, always.\n"
              "Only these machines are accepted:\n"
              "    platform 0011223344556677\n"
              "A key statement may be 60 seconds old.\n");
}

/* Each with the place that is told. */
static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"", "1:0: "},
        {"[]", "1:1: not an object"},
        {"{}", "1:1: \"version\": 1 is missing"},
        {"{\n  \"version\": 2}", "2:3: \"version\" is not 1"},
        {"{\"version\":1,\"version\":1}", "1:"},
        {"{\"version\":1,\n \"core\":[]}",
         "2:2: \"core\" is no member here; the nearest is \"cores\""},
        {"{\"version\":1,\n\n \"allow_debug\":true}", "3:2: \"allow_debug\" is no member here"},
        {"{\"version\":1,\"allow_simulated\":\"yes\"}",
         "1:14: \"allow_simulated\" is neither true nor false"},
        {"{\"version\":1,\"cores\":[\"00\"]}",
         "1:14: \"cores\" wants strings of 96 lower-case hex digits"},
        {"{\"version\":1,\"cores\":\"" HEX96 "\"}", "1:14: \"cores\" is not an array"},
        {"{\"version\":1,\"platforms\":[\"00\"]}", "1:14: \"platforms\" wants platform ids"},
        {"{\"version\":1,\"maximum_age_s\":0}", "1:14: \"maximum_age_s\" is not a number"},
        {"{\"version\":1,\"maximum_age_s\":1.5}", "1:14: \"maximum_age_s\" is not a number"},
        {"{\"version\":1,\"intel_tcb\":{}}", "1:14: \"intel_tcb\" needs an array of statuses"},
        {"{\"version\":1,\"intel_tcb\":{\"statuses\":[\"Revoked\"]}}", "1:27: \"statuses\" wants"},
        {"{\"version\":1,\"intel_tcb\":{\"statuses\":[\"fine\"]}}", "1:27: \"statuses\" wants"},
        {"{\"version\":1,\"intel_tcb\":{\"statuses\":[],\"advisories\":[1]}}",
         "1:41: \"advisories\" wants names"},
        {"{\"version\":1,\"sgx\":[]}", "1:14: \"sgx\" is not an object"},
        {"{\"version\":1,\"sgx\":{\"enclave\":[]}}",
         "1:21: \"enclave\" is no member here; the nearest is \"enclaves\""},
        {"{\"version\":1,\"sgx\":{\"enclaves\":[\"" HEX96 "\"]}}",
         "1:21: \"enclaves\" wants strings of 64 lower-case hex digits"},
        {"{\"version\":1,\"tdx\":{}}", "1:14: \"tdx\" needs an array"},
        {"{\"version\":1,\"tdx\":{\"domains\":[{\"mrtd\":\"" HEX96 "\"}]}}",
         "1:21: \"domains\" needs four \"rtmrs\""},
        {"{\"version\":1,\"tdx\":{\"domains\":[{\"mrtd\":\"" HEX96
         "\",\"rtmrs\":[null,null,null,1]}]}}",
         "1:139: \"rtmrs\" wants 96"},
        {"{\"version\":1,\"snp\":{\"launches\":[]}}", "1:14: \"snp\" needs an object"},
        {"{\"version\":1,\"snp\":{\"minimum_tcb\":{\"Rome\":{}}}}",
         "1:36: \"Rome\" is no member here; the nearest is"},
        {"{\"version\":1,\"snp\":{\"minimum_tcb\":{\"Genoa\":{\"tee\":0}}}}",
         "1:21: \"minimum_tcb\" needs boot_loader"},
        {"{\"version\":1,\"snp\":{\"minimum_tcb\":{\"Genoa\":{\"boot_loader\":256,\"tee\":0,"
         "\"snp\":0,\"microcode\":0}}}}",
         "1:45: \"boot_loader\" needs boot_loader"},
        /* Turin has one more number, and a policy must say it. */
        {"{\"version\":1,\"snp\":{\"minimum_tcb\":{\"Turin\":{\"boot_loader\":1,\"tee\":0,"
         "\"snp\":0,\"microcode\":0}}}}",
         "1:21: \"minimum_tcb\" needs"},
        /* The same name elsewhere is not the one that is told. */
        {"{\"version\":1,\"snp\":{\"minimum_tcb\":{\"Genoa\":{\"boot_loader\":1,\"tee\":0,\n"
         "\"snp\":0,\"microcode\":0}}},\n\"tee\":1}",
         "3:1: \"tee\" is no member here"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct policy p;
        struct tfaas_failure failure = {.text = ""};
        assert_int_equal(policy_read(cases[i].text, &p, &failure), TFAAS_CLIENT_POLICY_INVALID);
        if (strncmp(failure.text, cases[i].wanted, strlen(cases[i].wanted)) != 0)
            print_error("%zu: %s\n  wanted %s\n", i, failure.text, cases[i].wanted);
        assert_int_equal(strncmp(failure.text, cases[i].wanted, strlen(cases[i].wanted)), 0);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    char *text = calloc(1, 300000), *at = text;
    struct policy p;
    struct tfaas_failure failure;
    at += sprintf(at, "{\"version\":1,\"cores\":[");
    for (unsigned i = 0; i < 65; i++)
        at += sprintf(at, "%s\"" HEX96 "\"", i ? "," : "");
    sprintf(at, "]}");
    assert_int_equal(policy_read(text, &p, &failure), TFAAS_CLIENT_POLICY_INVALID);
    assert_non_null(strstr(failure.text, "more than 64"));
    memset(text, ' ', POLICY_SIZE_MAX + 1);
    assert_int_equal(policy_read(text, &p, &failure), TFAAS_CLIENT_POLICY_INVALID);
    assert_non_null(strstr(failure.text, "larger than 256 KiB"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_is_what_it_was),
        cmocka_unit_test(test_default_in_words),
        cmocka_unit_test(test_dangerous_things_are_said_loudly),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
