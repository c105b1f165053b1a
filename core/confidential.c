/* confidential.c - see confidential.h. Opens in place, inside the bundle's own bytes, so that there
 * is one place to wipe. */
#include "confidential.h"

#include "identity.h"
#include "plat/plat.h"
#include "sealed.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static tfaas_status_t not_granted(const char *kind, struct span name, const char *reason,
                                  const char **why)
{
    static char text[400];
    (void)snprintf(text, sizeof text, "%s \"%.*s\": %s", kind, (int)name.size,
                   (const char *)name.data, reason);
    *why = text;
    return TFAAS_NOT_GRANTED;
}

/* The next grant of the bundle; they come in the order of the sealed items. */
static struct span next_grant(const struct bundle *bundle, size_t *used)
{
    if (*used == bundle->grant_count)
        return (struct span){NULL, 0};
    return bundle->grants[(*used)++];
}

/* Opens one object in place; *item is the clear content afterwards. `package`: of a secret, the
 * digest of the package that wants it. */
static tfaas_status_t open_item(struct function *function, const char *kind, struct span name,
                                const uint8_t *package, size_t *used, struct span *item,
                                struct sealed *sealed, const char **why)
{
    tfaas_status_t status = sealed_read(*item, sealed, why);
    if (status != TFAAS_OK)
        return status;
    struct span grant = next_grant(&function->bundle, used);
    if (!span_is(sealed->kind, kind) || !span_equal(sealed->name, name))
        return not_granted(kind, name, "what is there is sealed as something else", why);
    if (!span_is(sealed->domain, plat_domain()))
        return not_granted(kind, name, "it is sealed to another namespace", why);
    if (package && !sealed_allows(sealed, package))
        return not_granted(kind, name, "its policy does not name this package", why);
    if (grant.size == 0)
        return not_granted(kind, name, "there is no grant for it", why);
    uint8_t *at = function->bundle_bytes + (sealed->ciphertext.data - function->bundle_bytes);
    if (sealed_open(sealed, grant, identity_kem_secret(), identity_kem_key(), at) != TFAAS_OK)
        return not_granted(kind, name, "the grant is not for this core, or it was altered", why);
    *item = (struct span){at, sealed->ciphertext.size - crypto_aead_chacha20poly1305_IETF_ABYTES};
    return TFAAS_OK;
}

static tfaas_status_t open_package(struct function *function, size_t *used, const char **why)
{
    struct bundle *bundle = &function->bundle;
    struct sealed sealed;
    function->encapsulated_only = bundle->encapsulated;
    if (!sealed_is(bundle->package))
        return TFAAS_OK;
    tfaas_status_t status =
        open_item(function, "package", bundle->name, NULL, used, &bundle->package, &sealed, why);
    if (status != TFAAS_OK)
        return status;
    function->encapsulated_only = function->confidential = true;
    function->has_log_key = sealed.log_key.size > 0;
    if (function->has_log_key)
        memcpy(function->log_key, sealed.log_key.data, sizeof function->log_key);
    bundle->cache = (struct span){NULL, 0}; /* its code never leaves the core: none came from one */
    return TFAAS_OK;
}

static bool holds_sealed_secret(const struct bundle *bundle)
{
    bool sealed = false;
    for (size_t i = 0; i < bundle->secret_count; i++)
        sealed |= sealed_is(bundle->secrets[i].value);
    return sealed;
}

/* The bundle made anew of what is clear now; the old bytes are wiped. */
static tfaas_status_t replace_bundle(struct function *function, const char **why)
{
    struct bundle *bundle = &function->bundle, clear = *bundle;
    uint8_t *bytes;
    size_t size;
    clear.grants = NULL;
    clear.grant_count = 0;
    tfaas_status_t status = bundle_write(&clear, &bytes, &size);
    if (status != TFAAS_OK) {
        *why = "load bundle: no memory for what was opened";
        return status;
    }
    bundle_free(bundle);
    sodium_memzero(function->bundle_bytes, function->bundle_size);
    free(function->bundle_bytes);
    function->bundle_bytes = bytes;
    function->bundle_size = size;
    return bundle_read(bytes, size, bundle, why);
}

tfaas_status_t confidential_open(struct function *function, const char **why)
{
    struct bundle *bundle = &function->bundle;
    size_t used = 0;
    tfaas_status_t status = open_package(function, &used, why);
    bool more = function->confidential || holds_sealed_secret(bundle);
    if (status != TFAAS_OK || (!more && bundle->grant_count == 0))
        return status;
    crypto_hash_sha256(function->digest, bundle->package.data, bundle->package.size);
    for (size_t i = 0; i < bundle->secret_count && status == TFAAS_OK; i++) {
        struct bundle_pair *secret = &bundle->secrets[i];
        struct sealed sealed;
        if (sealed_is(secret->value))
            status = open_item(function, "secret", secret->name, function->digest, &used,
                               &secret->value, &sealed, why);
    }
    if (status == TFAAS_OK && used != bundle->grant_count) {
        *why = "load bundle: there are more grants than sealed items";
        status = TFAAS_BAD_REQUEST;
    }
    return status == TFAAS_OK ? replace_bundle(function, why) : status;
}

struct span confidential_text(const struct function *function, struct span text, char **sealed)
{
    size_t size = 0;
    *sealed = NULL;
    if (!function->confidential)
        return text;
    if (text.size == 0 || !function->has_log_key ||
        sealed_log_make(function->log_key, function->digest, text, sealed, &size) != TFAAS_OK)
        return (struct span){NULL, 0};
    return (struct span){(const uint8_t *)*sealed, size};
}
