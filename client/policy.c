/*
 * policy.c - what a client accepts: one JSON document (docs/client.md), read strictly. An unknown
 * member is an error with its place and the nearest name. There is no way to accept debug launches.
 */
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>

/* One document being read. */
struct reading {
    const char *text;
    struct policy *to;
    struct tfaas_failure *failure;
};

static const char default_policy[] = "{\n"
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
                                     "}\n";

const char *tfaas_policy_default(void)
{
    return default_policy;
}

/* --- where something stands in the text (already known to be JSON) --- */

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static const char *skip_string(const char *at)
{
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\' && at[1])
            at++;
    return *at ? at + 1 : at;
}

/* Looks for `"name" :` in objects that are `depth` deep (0: any), strings skipped whole. */
static const char *find_member(const char *text, const char *name, unsigned depth)
{
    size_t size = strlen(name);
    unsigned in = 0;
    for (const char *at = text; *at;) {
        if (*at != '"') {
            in += (*at == '{') - (unsigned)(*at == '}');
            at++;
            continue;
        }
        const char *end = skip_string(at);
        if ((size_t)(end - at) == size + 2 && memcmp(at + 1, name, size) == 0 &&
            *skip_space(end) == ':' && (depth == 0 || depth == in))
            return at;
        at = end;
    }
    return NULL;
}

static client_error_t fail_in(const struct reading *r, unsigned depth, const char *name,
                              const char *what)
{
    const char *at = find_member(r->text, name, depth);
    unsigned line = 1, column = 1;
    for (const char *c = r->text; at && c < at; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
    }
    return client_fail(r->failure, TFAAS_CLIENT_POLICY_INVALID, "%u:%u: \"%s\" %s", line, column,
                       name, what);
}

static client_error_t fail_at(const struct reading *r, const char *name, const char *what)
{
    return fail_in(r, 0, name, what);
}

/* --- names --- */

/* Levenshtein distance, for names of less than 40 characters. */
static size_t distance(const char *a, const char *b)
{
    size_t row[40], width = strlen(b);
    if (width >= 40 || strlen(a) >= 40)
        return 99;
    for (size_t k = 0; k <= width; k++)
        row[k] = k;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < width; k++) {
            size_t best = diagonal + (a[i] != b[k]);
            diagonal = row[k + 1];
            if (row[k] + 1 < best)
                best = row[k] + 1;
            if (diagonal + 1 < best)
                best = diagonal + 1;
            row[k + 1] = best;
        }
    }
    return row[width];
}

static client_error_t known_members(const struct reading *r, unsigned depth, json_t *object,
                                    const char *const *known)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const char *nearest = known[0];
        bool found = false;
        for (size_t i = 0; known[i] && !found; i++) {
            found = strcmp(known[i], name) == 0;
            if (distance(name, known[i]) < distance(name, nearest))
                nearest = known[i];
        }
        char what[96];
        snprintf(what, sizeof(what), "is no member here; the nearest is \"%s\"",
                 nearest ? nearest : "");
        if (!found)
            return fail_in(r, depth, name, what);
    }
    return TFAAS_CLIENT_OK;
}

/* --- values --- */

/* `count` strings of `size` bytes in hex, one after the other at `to`. */
static client_error_t read_hex_list(const struct reading *r, json_t *object, const char *name,
                                    size_t size, uint8_t *to, size_t *count)
{
    json_t *list = json_object_get(object, name);
    if (list && !json_is_array(list))
        return fail_at(r, name, "is not an array");
    if (json_array_size(list) > POLICY_LIST_MAX)
        return fail_at(r, name, "has more than 64 entries");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        char what[64];
        snprintf(what, sizeof(what), "wants strings of %zu lower-case hex digits", 2 * size);
        if (!text || !hex_read(text, to + i * size, size))
            return fail_at(r, name, what);
    }
    *count = json_array_size(list);
    return TFAAS_CLIENT_OK;
}

static client_error_t read_platforms(const struct reading *r, json_t *root)
{
    json_t *list = json_object_get(root, "platforms");
    if (list && !json_is_array(list))
        return fail_at(r, "platforms", "is not an array");
    if (json_array_size(list) > POLICY_LIST_MAX)
        return fail_at(r, "platforms", "has more than 64 entries");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        struct policy_platform *platform = &r->to->platforms[i];
        platform->size = text ? strlen(text) / 2 : 0;
        if (platform->size < 8 || platform->size > sizeof(platform->id) ||
            !hex_read(text, platform->id, platform->size))
            return fail_at(r, "platforms", "wants platform ids in lower-case hex, 8 to 64 bytes");
    }
    r->to->platform_count = json_array_size(list);
    return TFAAS_CLIENT_OK;
}

static client_error_t read_statuses(const struct reading *r, json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        bool found = false;
        for (unsigned s = TFAAS_TCB_UP_TO_DATE; text && s < 16 && !found; s++) {
            const char *name = tfaas_tcb_status_name((enum tfaas_tcb_status)s);
            found = name && s != TFAAS_TCB_REVOKED && strcmp(name, text) == 0;
            r->to->tcb_accepted[s] |= found;
        }
        if (!found)
            return fail_at(r, "statuses",
                           "wants TCB statuses that can be accepted, as Intel "
                           "spells them: UpToDate, SWHardeningNeeded, ...");
    }
    return TFAAS_CLIENT_OK;
}

static client_error_t read_intel_tcb(const struct reading *r, json_t *root)
{
    static const char *const known[] = {"statuses", "advisories", NULL};
    json_t *object = json_object_get(root, "intel_tcb");
    if (!object) {
        r->to->tcb_accepted[TFAAS_TCB_UP_TO_DATE] = true;
        return TFAAS_CLIENT_OK;
    }
    if (!json_is_object(object))
        return fail_at(r, "intel_tcb", "is not an object");
    client_error_t error = known_members(r, 2, object, known);
    if (error)
        return error;
    json_t *statuses = json_object_get(object, "statuses");
    json_t *advisories = json_object_get(object, "advisories");
    if (!json_is_array(statuses) || json_array_size(statuses) > POLICY_LIST_MAX)
        return fail_at(r, statuses ? "statuses" : "intel_tcb",
                       "needs an array of statuses, at most 64");
    if (advisories && !json_is_array(advisories))
        return fail_at(r, "advisories", "is not an array");
    if (json_array_size(advisories) > POLICY_LIST_MAX)
        return fail_at(r, "advisories", "has more than 64 entries");
    for (size_t i = 0; i < json_array_size(advisories); i++) {
        const char *text = json_string_value(json_array_get(advisories, i));
        if (!text || !*text || strlen(text) >= TFAAS_ADVISORY_SIZE)
            return fail_at(r, "advisories", "wants names such as \"INTEL-SA-00615\"");
        memcpy(r->to->advisories[i], text, strlen(text) + 1);
    }
    r->to->advisory_count = json_array_size(advisories);
    return read_statuses(r, statuses);
}

static client_error_t read_td(const struct reading *r, json_t *object, struct policy_td *td)
{
    static const char *const known[] = {"mrtd", "rtmrs", NULL};
    if (!json_is_object(object))
        return fail_at(r, "domains", "wants objects {\"mrtd\": ..., \"rtmrs\": [...]}");
    client_error_t error = known_members(r, 3, object, known);
    if (error)
        return error;
    const char *mr_td = json_string_value(json_object_get(object, "mrtd"));
    json_t *rt_mrs = json_object_get(object, "rtmrs");
    if (!mr_td || !hex_read(mr_td, td->mr_td, 48))
        return fail_at(r, "domains", "needs an \"mrtd\" of 96 lower-case hex digits");
    if (json_array_size(rt_mrs) != 4)
        return fail_at(r, "domains", "needs four \"rtmrs\" (null: any, so say it)");
    for (size_t i = 0; i < 4; i++) {
        json_t *value = json_array_get(rt_mrs, i);
        td->rt_mr_any[i] = json_is_null(value);
        const char *text = json_string_value(value);
        if (!td->rt_mr_any[i] && (!text || !hex_read(text, td->rt_mr[i], 48)))
            return fail_at(r, "rtmrs", "wants 96 lower-case hex digits each, or null");
    }
    return TFAAS_CLIENT_OK;
}

static client_error_t read_tdx(const struct reading *r, json_t *object)
{
    json_t *list = json_object_get(object, "domains");
    if (!json_is_array(list) || json_array_size(list) > POLICY_LIST_MAX)
        return fail_at(r, list ? "domains" : "tdx", "needs an array \"domains\" of at most 64");
    client_error_t error = TFAAS_CLIENT_OK;
    for (size_t i = 0; i < json_array_size(list) && !error; i++)
        error = read_td(r, json_array_get(list, i), &r->to->tds[i]);
    r->to->td_count = json_array_size(list);
    return error;
}

static client_error_t read_svn(const struct reading *r, json_t *object, const char *name,
                               uint8_t *to)
{
    json_t *value = json_object_get(object, name);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > 255)
        return fail_at(r, value ? name : "minimum_tcb",
                       "needs boot_loader, tee, snp, microcode (and fmc on Turin), 0..255 each");
    *to = (uint8_t)number;
    return TFAAS_CLIENT_OK;
}

static client_error_t read_snp_tcb(const struct reading *r, json_t *all)
{
    static const char *const generations[] = {"Milan", "Genoa", "Turin", NULL};
    static const char *const known[] = {"fmc", "boot_loader", "tee", "snp", "microcode", NULL};
    if (!json_is_object(all))
        return fail_at(r, "snp", "needs an object \"minimum_tcb\"");
    client_error_t error = known_members(r, 3, all, generations);
    for (unsigned g = 0; generations[g] && !error; g++) {
        json_t *object = json_object_get(all, generations[g]);
        struct policy_snp_tcb *tcb = &r->to->snp_tcb[TFAAS_SNP_MILAN + g];
        if (!object)
            continue;
        if (!json_is_object(object))
            return fail_at(r, generations[g], "is not an object");
        tcb->named = true;
        error = known_members(r, 4, object, known);
        if (!error)
            error = read_svn(r, object, "boot_loader", &tcb->boot_loader);
        if (!error)
            error = read_svn(r, object, "tee", &tcb->tee);
        if (!error)
            error = read_svn(r, object, "snp", &tcb->snp);
        if (!error)
            error = read_svn(r, object, "microcode", &tcb->microcode);
        if (!error && (g + TFAAS_SNP_MILAN == TFAAS_SNP_TURIN || json_object_get(object, "fmc")))
            error = read_svn(r, object, "fmc", &tcb->fmc);
    }
    return error;
}

static client_error_t read_tees(const struct reading *r, json_t *root)
{
    static const char *const sgx[] = {"enclaves", NULL}, *const tdx[] = {"domains", NULL},
                             *const snp[] = {"launches", "minimum_tcb", NULL};
    const struct {
        const char *name;
        const char *const *known;
        bool *present;
    } tees[] = {{"sgx", sgx, &r->to->sgx}, {"tdx", tdx, &r->to->tdx}, {"snp", snp, &r->to->snp}};
    client_error_t error = TFAAS_CLIENT_OK;
    for (size_t i = 0; i < 3 && !error; i++) {
        json_t *object = json_object_get(root, tees[i].name);
        *tees[i].present = object != NULL;
        if (object && !json_is_object(object))
            return fail_at(r, tees[i].name, "is not an object");
        if (object)
            error = known_members(r, 2, object, tees[i].known);
    }
    if (!error)
        error = read_hex_list(r, json_object_get(root, "sgx"), "enclaves", 32, r->to->enclaves[0],
                              &r->to->enclave_count);
    if (!error && r->to->tdx)
        error = read_tdx(r, json_object_get(root, "tdx"));
    json_t *snp_object = json_object_get(root, "snp");
    if (!error)
        error =
            read_hex_list(r, snp_object, "launches", 48, r->to->launches[0], &r->to->launch_count);
    if (!error && snp_object)
        error = read_snp_tcb(r, json_object_get(snp_object, "minimum_tcb"));
    return error;
}

static client_error_t read_root(const struct reading *r, json_t *root)
{
    static const char *const known[] = {"version",   "cores",         "allow_simulated",
                                        "platforms", "maximum_age_s", "intel_tcb",
                                        "sgx",       "tdx",           "snp",
                                        NULL};
    client_error_t error = known_members(r, 1, root, known);
    if (error)
        return error;
    json_t *version = json_object_get(root, "version");
    json_t *simulated = json_object_get(root, "allow_simulated");
    json_t *age = json_object_get(root, "maximum_age_s");
    if (json_integer_value(version) != 1)
        return version ? fail_at(r, "version", "is not 1")
                       : client_fail(r->failure, TFAAS_CLIENT_POLICY_INVALID,
                                     "1:1: \"version\": 1 is missing");
    if (simulated && !json_is_boolean(simulated))
        return fail_at(r, "allow_simulated", "is neither true nor false");
    if (age && (!json_is_integer(age) || json_integer_value(age) < 1 ||
                json_integer_value(age) > 10 * 366 * 86400))
        return fail_at(r, "maximum_age_s", "is not a number of seconds up to ten years");
    r->to->allow_simulated = json_is_true(simulated);
    r->to->maximum_age_s = age ? json_integer_value(age) : 4200;
    error = read_hex_list(r, root, "cores", 48, r->to->cores[0], &r->to->core_count);
    if (!error)
        error = read_platforms(r, root);
    if (!error)
        error = read_intel_tcb(r, root);
    return error ? error : read_tees(r, root);
}

client_error_t policy_read(const char *text, struct policy *to, struct tfaas_failure *failure)
{
    const struct reading r = {text, to, failure};
    *to = (struct policy){.maximum_age_s = 0};
    if (strlen(text) > POLICY_SIZE_MAX)
        return client_fail(failure, TFAAS_CLIENT_POLICY_INVALID, "1:1: larger than 256 KiB");
    json_error_t where;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    client_error_t error;
    if (!root)
        error = client_fail(failure, TFAAS_CLIENT_POLICY_INVALID, "%d:%d: %s", where.line,
                            where.column, where.text);
    else if (!json_is_object(root))
        error = client_fail(failure, TFAAS_CLIENT_POLICY_INVALID, "1:1: not an object");
    else
        error = read_root(&r, root);
    json_decref(root);
    return error;
}
