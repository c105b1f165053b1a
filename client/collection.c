/*
 * collection.c - two JSON documents: the answer with evidence (a collection of conceptual messages,
 * draft-ietf-rats-msg-wrap), and the bundle that keeps it with its domain statement. Both are from
 * outside: only their form is checked here.
 */
#include "base64url.h"
#include "internal.h"
#include <stdio.h>
#include <stdlib.h>

#define COLLECTION_TYPE        "tag:tfaas,2026:evidence"
#define STATEMENT_TYPE         "application/vnd.tfaas.key-statement+cbor"
#define BUNDLE_TYPE            "tag:tfaas,2026:bundle"
#define INDICATOR_EVIDENCE     4 /* draft-ietf-rats-msg-wrap: cm-type bits */
#define INDICATOR_ENDORSEMENTS 2

static client_error_t bad(struct tfaas_failure *failure, const char *name, const char *what)
{
    return client_fail(failure, TFAAS_CLIENT_EVIDENCE_FORM, "\"%s\" %s", name, what);
}

/* [ type, base64url, indicator ]; bytes go to *storage, which moves on. */
static client_error_t read_message(json_t *root, const char *name, int indicator, char *type,
                                   size_t type_size, uint8_t **storage, struct span *to,
                                   struct tfaas_failure *failure)
{
    json_t *array = json_object_get(root, name);
    const char *text = json_string_value(json_array_get(array, 0));
    json_t *value = json_array_get(array, 1);
    if (json_array_size(array) != 3 || !text || !json_is_string(value) ||
        json_integer_value(json_array_get(array, 2)) != indicator)
        return bad(failure, name, "is not [type, base64url, indicator]");
    if (strlen(text) >= type_size)
        return bad(failure, name, "has a type of more than 63 characters");
    memcpy(type, text, strlen(text) + 1);
    struct span encoded = {(const uint8_t *)json_string_value(value), json_string_length(value)};
    size_t size;
    if (base64url_decode(encoded, *storage, encoded.size, &size) != TFAAS_OK || size == 0)
        return bad(failure, name, "is not base64url of at least one byte");
    *to = (struct span){*storage, size};
    *storage += size;
    return TFAAS_CLIENT_OK;
}

static client_error_t read_collection(json_t *root, struct collection *to,
                                      struct tfaas_failure *failure)
{
    const char *type = json_string_value(json_object_get(root, "__cmwc_t"));
    char statement_type[64];
    uint8_t *storage = to->storage;
    if (!type || strcmp(type, COLLECTION_TYPE) != 0)
        return bad(failure, "__cmwc_t", "is not " COLLECTION_TYPE);
    client_error_t error =
        read_message(root, "evidence", INDICATOR_EVIDENCE, to->evidence_type,
                     sizeof(to->evidence_type), &storage, &to->evidence, failure);
    if (!error)
        error = read_message(root, "key-statement", INDICATOR_EVIDENCE, statement_type,
                             sizeof(statement_type), &storage, &to->statement, failure);
    if (!error && strcmp(statement_type, STATEMENT_TYPE) != 0)
        error = bad(failure, "key-statement", "is not of the type " STATEMENT_TYPE);
    if (!error && json_object_get(root, "endorsements"))
        error = read_message(root, "endorsements", INDICATOR_ENDORSEMENTS, to->endorsements_type,
                             sizeof(to->endorsements_type), &storage, &to->endorsements, failure);
    return error;
}

client_error_t collection_read(const char *text, size_t size, struct collection *to,
                               struct tfaas_failure *failure)
{
    json_error_t where;
    *to = (struct collection){.storage = NULL};
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(root)) {
        json_decref(root);
        return client_fail(failure, TFAAS_CLIENT_EVIDENCE_FORM, "not a JSON object: %s",
                           root ? "another value" : where.text);
    }
    to->storage = malloc(size + 1); /* decoded is shorter than encoded */
    client_error_t error = to->storage ? read_collection(root, to, failure)
                                       : client_fail(failure, TFAAS_CLIENT_NO_MEMORY, "evidence");
    json_decref(root);
    return error;
}

void collection_free(struct collection *collection)
{
    free(collection->storage);
    *collection = (struct collection){.storage = NULL};
}

/* --- bundles: { "type", "fetched_at", "nonce"?, "evidence": the collection, "domain": base64url }
 */

static uint8_t *decode(json_t *value, size_t *size)
{
    struct span text = {(const uint8_t *)json_string_value(value), json_string_length(value)};
    uint8_t *to = text.data ? malloc(text.size + 1) : NULL;
    if (to && base64url_decode(text, to, text.size, size) == TFAAS_OK)
        return to;
    free(to);
    return NULL;
}

client_error_t bundle_file_read(const char *text, size_t size, struct bundle_file *to,
                                struct tfaas_failure *failure)
{
    *to = (struct bundle_file){.evidence = NULL};
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    json_t *nonce = json_object_get(root, "nonce"), *at = json_object_get(root, "fetched_at");
    bool good = type && strcmp(type, BUNDLE_TYPE) == 0 && json_is_integer(at);
    to->fetched_at = json_integer_value(at);
    to->evidence = json_dumps(json_object_get(root, "evidence"), JSON_COMPACT);
    to->domain_statement = decode(json_object_get(root, "domain"), &to->domain_statement_size);
    if (nonce) {
        uint8_t *bytes = decode(nonce, &to->nonce_size);
        good = good && bytes && to->nonce_size <= sizeof(to->nonce);
        if (good)
            memcpy(to->nonce, bytes, to->nonce_size);
        free(bytes);
    }
    good = good && to->evidence && to->domain_statement;
    json_decref(root);
    if (good)
        return TFAAS_CLIENT_OK;
    bundle_file_free(to);
    return client_fail(failure, TFAAS_CLIENT_EVIDENCE_FORM, "not a bundle that tfaas saved");
}

static json_t *encoded(const uint8_t *data, size_t size)
{
    char *text = malloc(BASE64URL_SIZE(size) + 1);
    json_t *value = NULL;
    if (text &&
        base64url_encode((struct span){data, size}, text, BASE64URL_SIZE(size) + 1) == TFAAS_OK)
        value = json_string(text);
    free(text);
    return value;
}

char *bundle_file_write(const struct bundle_file *from)
{
    json_t *root = json_pack("{s:s, s:I, s:o, s:o}", "type", BUNDLE_TYPE, "fetched_at",
                             (json_int_t)from->fetched_at, "evidence",
                             json_loads(from->evidence, JSON_REJECT_DUPLICATES, NULL), "domain",
                             encoded(from->domain_statement, from->domain_statement_size));
    if (root && from->nonce_size)
        json_object_set_new(root, "nonce", encoded(from->nonce, from->nonce_size));
    char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
    json_decref(root);
    return text;
}

void bundle_file_free(struct bundle_file *file)
{
    free(file->evidence);
    free(file->domain_statement);
    *file = (struct bundle_file){.evidence = NULL};
}
