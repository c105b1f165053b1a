/* needs: client/evidence.c client/evidence_roots.S client/evidence_x509.c client/evidence_pem.c client/evidence_dcap.c client/evidence_collateral.c client/evidence_tcb.c client/evidence_sgx.c client/evidence_tdx.c client/evidence_snp.c client/evidence_hcl.c client/evidence_json.c libs: crypto jansson */
/*
 * evidence_synthetic.c - every case of tests/vectors/synthetic.json: evidence of invented platforms
 * under invented roots, one change in each. The verdict, the status, the advisories and the reason
 * must be the ones that the case names; and under the real roots none of them holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include "client/evidence_internal.h"

static json_t *all;

static struct tfaas_bytes blob(const json_t *name)
{
    const json_t *text = json_object_get(json_object_get(all, "blobs"), json_string_value(name));
    size_t size = json_string_length(text);
    assert_non_null(text);
    uint8_t *data = malloc(size / 4 * 3 + 1);
    int got = EVP_DecodeBlock(data, (const uint8_t *)json_string_value(text), (int)size);
    assert_true(got >= 0);
    const char *end = json_string_value(text) + size;
    got -= size && end[-1] == '=' ? 1 : 0;
    got -= size > 1 && end[-2] == '=' ? 1 : 0;
    return (struct tfaas_bytes){data, (size_t)got};
}

static struct tfaas_bytes part(const json_t *one, const char *key)
{
    const json_t *value = json_object_get(one, key), *name;
    if (!json_is_object(value))
        return value ? blob(value) : (struct tfaas_bytes){NULL, 0};
    json_t *collateral = json_object();
    const char *member;
    json_object_foreach((json_t *)value, member, name)
    {
        struct tfaas_bytes b = blob(name);
        json_object_set_new(collateral, member, json_stringn((const char *)b.data, b.size));
        free((void *)b.data);
    }
    char *text = json_dumps(collateral, 0);
    json_decref(collateral);
    return (struct tfaas_bytes){(uint8_t *)text, strlen(text)};
}

static struct span root(const char *name)
{
    struct tfaas_bytes b = blob(json_object_get(json_object_get(all, "roots"), name));
    return (struct span){b.data, b.size};
}

static bool as_expected(const json_t *one, const struct tfaas_appraisal *a)
{
    const char *status = json_string_value(json_object_get(one, "tcb_status"));
    const char *said = tfaas_tcb_status_name(a->tcb_status);
    const char *error = json_string_value(json_object_get(one, "error"));
    const json_t *ids = json_object_get(one, "advisory_ids");
    bool good = strcmp(tfaas_verdict_name(a->verdict),
                       json_string_value(json_object_get(one, "verdict"))) == 0;
    good = good && (status ? said && strcmp(status, said) == 0 : !said);
    good = good && json_array_size(ids) == a->advisory_count;
    for (size_t i = 0; good && i < a->advisory_count; i++)
        good = strcmp(json_string_value(json_array_get(ids, i)), a->advisory_ids[i]) == 0;
    good = good && (a->error[0] != 0) == (a->verdict == TFAAS_VERDICT_REJECT);
    good = good && (a->expires_unix > 0) == (a->verdict != TFAAS_VERDICT_REJECT);
    if (a->verdict != TFAAS_VERDICT_REJECT)
        good = good && a->debug == json_is_true(json_object_get(one, "debug"));
    return good && strstr(a->error, error) != NULL;
}

static int judge(const json_t *one, const struct evidence_roots *roots)
{
    struct tfaas_appraisal *a = malloc(sizeof *a), *under_real_roots = malloc(sizeof *a);
    struct tfaas_evidence e = {
        .at_unix = json_integer_value(json_object_get(one, "at")),
        .quote = part(one, "quote"),
        .collateral = part(one, "collateral"),
        .vek = part(one, "vek"),
        .ca = part(one, "ca"),
        .hcl = part(one, "hcl"),
    };
    for (int tee = TFAAS_TEE_SGX; tee <= TFAAS_TEE_SNP; tee++)
        if (strcmp(tfaas_tee_name(tee), json_string_value(json_object_get(one, "tee"))) == 0)
            e.tee = tee;
    int wrong = 0;
    assert_int_equal(evidence_appraise_under(roots, &e, a), TFAAS_OK);
    if (!as_expected(one, a)) {
        char *text = tfaas_evidence_json(a);
        print_error("%s\n  expected %s %s\n", json_string_value(json_object_get(one, "name")),
                    json_string_value(json_object_get(one, "verdict")),
                    json_string_value(json_object_get(one, "error")));
        print_error("  got %.200s\n", text);
        free(text);
        wrong = 1;
    }
    assert_int_equal(tfaas_evidence_appraise(&e, under_real_roots), TFAAS_OK);
    assert_int_equal(under_real_roots->verdict, TFAAS_VERDICT_REJECT);
    free((void *)e.quote.data);
    free((void *)e.collateral.data);
    free((void *)e.vek.data);
    free((void *)e.ca.data);
    free((void *)e.hcl.data);
    free(a);
    free(under_real_roots);
    return wrong;
}

static void every_case_has_its_verdict(void **state)
{
    (void)state;
    all = json_load_file("tests/vectors/synthetic.json", 0, NULL);
    assert_non_null(all);
    struct evidence_roots roots = {.intel = root("intel")};
    roots.ark[TFAAS_SNP_MILAN] = root("milan");
    roots.ark[TFAAS_SNP_GENOA] = root("genoa");
    roots.ark[TFAAS_SNP_TURIN] = root("turin");
    int wrong = 0;
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(all, "cases"), i, one) wrong += judge(one, &roots);
    assert_true(i > 200);
    free((void *)roots.intel.data);
    for (int g = TFAAS_SNP_MILAN; g <= TFAAS_SNP_TURIN; g++)
        free((void *)roots.ark[g].data);
    json_decref(all);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_has_its_verdict)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
