/* needs: host/evidence/evidence.c host/evidence/tsm.c host/evidence/sev.c host/evidence/tdx.c host/evidence/simulated.c host/error.c common/simulated.c common/cbor.c common/fields.c libs: sodium pthread */
/*
 * evidence.c - sources of evidence against kernels that are replayed: a folder that behaves like
 * configfs-tsm, and devices that answer with what real ones said.
 */
#include "scratch.h"

#include "evidence/evidence.h"
#include "evidence/kernel.h"

#include "simulated.h"

#include <dirent.h>
#include <poll.h>
#include <sodium.h>
#include <stdatomic.h>

#define SNP_FILE "tests/vectors/evidence/snp-milan-v2-gce.bin"
#define TDX_FILE "tests/vectors/evidence/tdx-v4-uptodate.bin"

static struct evidence_env env;
static uint8_t snp_report[SNP_REPORT_SIZE], tdx_quote[8192], data[64];
static size_t tdx_quote_size;

/* How the fake folder behaves. */
static struct {
    const char *provider;
    const uint8_t *outblob, *auxblob;
    size_t outblob_size, auxblob_size;
    unsigned races, blocks; /* attempts that are disturbed, that would block */
    size_t piece;           /* bytes a read gives at most; 0: all */
    bool no_inblob, odd_generation, short_write;
    int inblob_fd, outblob_fd;
    char folder[300], removed[300];
} tsm;

static size_t load(const char *path, uint8_t *to, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(to, 1, capacity, file);
    (void)fclose(file);
    assert_true(size > 0 && size < capacity + 1);
    return size;
}

static void put_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    (void)fclose(file);
}

static unsigned generation(int change)
{
    char path[400], text[32] = "";
    unsigned value = 0;
    snprintf(path, sizeof path, "%s/generation", tsm.folder);
    FILE *file = fopen(path, "rb");
    if (file) {
        if (!fgets(text, sizeof text, file))
            text[0] = 0;
        (void)fclose(file);
        value = (unsigned)strtoul(text, NULL, 10);
    }
    value += (unsigned)change;
    snprintf(text, sizeof text, tsm.odd_generation ? "soon\n" : "%u\n", value);
    put_file(tsm.folder, "generation", text, strlen(text));
    return value;
}

static int fake_mkdir(const char *path, mode_t mode)
{
    if (mkdir(path, mode) != 0)
        return -1;
    snprintf(tsm.folder, sizeof tsm.folder, "%s", path);
    char line[64];
    snprintf(line, sizeof line, "%s\n", tsm.provider);
    put_file(path, "provider", line, strlen(line));
    put_file(path, "outblob", tsm.outblob, tsm.outblob_size);
    if (tsm.auxblob)
        put_file(path, "auxblob", tsm.auxblob, tsm.auxblob_size);
    if (!tsm.no_inblob)
        put_file(path, "inblob", "", 0);
    generation(0);
    return 0;
}

static int fake_rmdir(const char *path)
{
    snprintf(tsm.removed, sizeof tsm.removed, "%s", path);
    scratch_remove(path);
    return 0;
}

static int fake_open(const char *path, int flags)
{
    const char *name = strrchr(path, '/');
    int fd = open(path, flags | O_CLOEXEC);
    if (strcmp(name, "/inblob") == 0)
        tsm.inblob_fd = fd;
    if (strcmp(name, "/outblob") == 0)
        tsm.outblob_fd = fd;
    else if (fd == tsm.outblob_fd) /* the number of one that was closed */
        tsm.outblob_fd = -1;
    return fd;
}

static ssize_t fake_read(int fd, void *to, size_t size)
{
    if (fd == tsm.outblob_fd && tsm.blocks) {
        tsm.blocks--;
        tsm.outblob_fd = -1;
        errno = EWOULDBLOCK;
        return -1;
    }
    if (fd == tsm.outblob_fd && tsm.races) { /* somebody writes to the report meanwhile */
        tsm.races--;
        generation(1);
        tsm.outblob_fd = -1;
    }
    return read(fd, to, tsm.piece && size > tsm.piece ? tsm.piece : size);
}

static ssize_t fake_write(int fd, const void *from, size_t size)
{
    if (fd == tsm.inblob_fd) {
        assert_int_equal(size, 64);
        generation(1);
        if (tsm.short_write)
            return 32;
    }
    return write(fd, from, size);
}

static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    memset(&tsm, 0, sizeof tsm);
    tsm.inblob_fd = tsm.outblob_fd = -1;
    evidence_env_init(&env);
    env.make_folder = fake_mkdir;
    env.remove_folder = fake_rmdir;
    env.open_file = fake_open;
    env.read_file = fake_read;
    env.write_file = fake_write;
    env.tsm_path = strdup(scratch_path("report"));
    env.sev_path = strdup(scratch_path("sev-guest"));
    env.tdx_path = strdup(scratch_path("tdx_guest"));
    assert_int_equal(mkdir(env.tsm_path, 0700), 0);
    put_file(scratch, "sev-guest", "", 0);
    put_file(scratch, "tdx_guest", "", 0);
    assert_int_equal(load(SNP_FILE, snp_report, sizeof snp_report), SNP_REPORT_SIZE);
    tdx_quote_size = load(TDX_FILE, tdx_quote, sizeof tdx_quote);
    memcpy(data, snp_report + SNP_REPORT_DATA_AT, sizeof data);
    tsm.provider = TSM_PROVIDER_SEV;
    tsm.outblob = snp_report;
    tsm.outblob_size = sizeof snp_report;
    return 0;
}

static int teardown(void **state)
{
    free((void *)(uintptr_t)env.tsm_path);
    free((void *)(uintptr_t)env.sev_path);
    free((void *)(uintptr_t)env.tdx_path);
    return scratch_teardown(state);
}

/* --- configfs-tsm --- */

static void tsm_good(const char *type, const uint8_t *bytes, size_t size)
{
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error = {.text = ""};
    if (evidence_tsm.get(&env, data, &evidence, &error) != TFAAS_OK)
        fail_msg("%s", error.text);
    assert_string_equal(evidence.type, type);
    assert_int_equal(evidence.size, size);
    assert_memory_equal(evidence.bytes, bytes, size);
    assert_string_equal(tsm.removed, tsm.folder);
    assert_int_not_equal(access(tsm.folder, F_OK), 0);
    evidence_free(&evidence);
}

static void tsm_bad(tfaas_status_t status, const char *text)
{
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error = {.text = ""};
    assert_int_equal(evidence_tsm.get(&env, data, &evidence, &error), status);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, error.text);
    assert_null(evidence.bytes);
    assert_null(evidence.endorsements);
    assert_string_equal(tsm.removed, tsm.folder);
}

static void test_tsm_snp(void **state)
{
    (void)state;
    tsm_good(EVIDENCE_SNP_REPORT, snp_report, sizeof snp_report);
    static const uint8_t certs[] = "a table of certificates";
    tsm.auxblob = certs;
    tsm.auxblob_size = sizeof certs;
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error;
    assert_int_equal(evidence_tsm.get(&env, data, &evidence, &error), TFAAS_OK);
    assert_string_equal(evidence.endorsements_type, EVIDENCE_SNP_CERTS);
    assert_int_equal(evidence.endorsements_size, sizeof certs);
    assert_memory_equal(evidence.endorsements, certs, sizeof certs);
    evidence_free(&evidence);
}

static void test_tsm_tdx(void **state)
{
    (void)state;
    tsm.provider = TSM_PROVIDER_TDX;
    tsm.outblob = tdx_quote;
    tsm.outblob_size = tdx_quote_size;
    memcpy(data, tdx_quote + TDX_QUOTE4_DATA_AT, sizeof data);
    tsm_good(EVIDENCE_TDX_QUOTE, tdx_quote, tdx_quote_size);
    tdx_quote[0] = 3; /* an SGX quote's version */
    tsm_bad(TFAAS_BAD_RESPONSE, "no TD quote over our data");
}

static void test_tsm_pieces(void **state)
{
    (void)state;
    tsm.piece = 7;
    tsm_good(EVIDENCE_SNP_REPORT, snp_report, sizeof snp_report);
}

static void test_tsm_disturbed(void **state)
{
    (void)state;
    tsm.races = 2;
    tsm_good(EVIDENCE_SNP_REPORT, snp_report, sizeof snp_report);
    assert_int_equal(tsm.races, 0);
    tsm.blocks = 2;
    tsm_good(EVIDENCE_SNP_REPORT, snp_report, sizeof snp_report);
    assert_int_equal(tsm.blocks, 0);
    tsm.races = EVIDENCE_TRIES;
    tsm_bad(TFAAS_BUSY, "was changed while it was made");
    tsm.races = 0;
    tsm.blocks = EVIDENCE_TRIES;
    tsm_bad(TFAAS_UNAVAILABLE, "cannot read outblob");
}

static void test_tsm_refusals(void **state)
{
    (void)state;
    static uint8_t large[EVIDENCE_BYTES_MAX + 1];
    tsm.provider = "arm_cca_guest";
    tsm_bad(TFAAS_UNSUPPORTED, "provider \"arm_cca_guest\"");
    tsm.provider = TSM_PROVIDER_SEV;
    tsm.outblob = large;
    tsm.outblob_size = sizeof large;
    tsm_bad(TFAAS_TOO_LARGE, "outblob is larger than 65536");
    tsm.outblob_size = 0;
    tsm_bad(TFAAS_BAD_RESPONSE, "outblob of a report in");
    tsm.outblob = snp_report;
    tsm.outblob_size = sizeof snp_report - 1;
    tsm_bad(TFAAS_BAD_RESPONSE, "no SNP report over our data");
    tsm.outblob_size++;
    snp_report[SNP_REPORT_DATA_AT + 63] ^= 1;
    tsm_bad(TFAAS_BAD_RESPONSE, "no SNP report over our data");
    snp_report[SNP_REPORT_DATA_AT + 63] ^= 1;
    tsm.auxblob = large;
    tsm.auxblob_size = sizeof large;
    tsm_bad(TFAAS_TOO_LARGE, "auxblob is larger than 65536");
    tsm.auxblob = NULL;
    tsm.no_inblob = true;
    tsm_bad(TFAAS_UNAVAILABLE, "cannot write inblob");
    tsm.no_inblob = false;
    tsm.short_write = true;
    tsm_bad(TFAAS_UNAVAILABLE, "took 32 of 64 bytes");
    tsm.short_write = false;
    tsm.odd_generation = true;
    tsm_bad(TFAAS_BAD_RESPONSE, "generation");
}

static void test_tsm_absent(void **state)
{
    (void)state;
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error;
    char why[300];
    assert_true(evidence_tsm.probe(&env, why, sizeof why));
    assert_int_equal(rmdir(env.tsm_path), 0);
    assert_false(evidence_tsm.probe(&env, why, sizeof why));
    assert_non_null(strstr(why, env.tsm_path));
    assert_int_equal(evidence_tsm.get(&env, data, &evidence, &error), TFAAS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "cannot make a report"));
}

/* --- /dev/sev-guest, /dev/tdx_guest --- */

static struct {
    uint32_t certs_size; /* what the hypervisor needs; 0: it has none */
    unsigned busy, calls;
    bool no_ext, no_report, no_key, wrong_status, wrong_size;
    uint64_t key_fields;
} device;

static void answer_report(uint64_t request_at, uint64_t response_at)
{
    const struct snp_report_request *request = (const void *)(uintptr_t)request_at;
    struct snp_report_response *response = (void *)(uintptr_t)response_at;
    assert_memory_equal(request->data, data, 64);
    assert_int_equal(request->vmpl, 0);
    assert_true(sodium_is_zero(request->reserved, sizeof request->reserved));
    response->status = device.wrong_status ? 0x16 : 0;
    response->size = device.wrong_size ? 1000 : SNP_REPORT_SIZE;
    memcpy(response->report, snp_report, SNP_REPORT_SIZE);
}

static int refuse(struct snp_request *r, int errno_value, uint32_t firmware, uint32_t vmm)
{
    r->firmware_error = firmware;
    r->vmm_error = vmm;
    errno = errno_value;
    return -1;
}

static int snp_ioctl(int fd, unsigned long number, void *argument)
{
    struct snp_request *r = argument;
    (void)fd;
    device.calls++;
    assert_int_equal(r->version, 1);
    if (number == SNP_IOCTL_EXT_REPORT) {
        struct snp_ext_report_request *ext = (void *)(uintptr_t)r->request;
        if (device.no_ext)
            return refuse(r, ENOTTY, 0, 0);
        if (device.busy) {
            device.busy--;
            return refuse(r, EIO, 0, SNP_VMM_BUSY);
        }
        if (ext->certs_size < device.certs_size) {
            ext->certs_size = device.certs_size;
            return refuse(r, ENOSPC, 0, SNP_VMM_INVALID_LEN);
        }
        if (device.certs_size)
            memset((void *)(uintptr_t)ext->certs, 'c', device.certs_size);
        answer_report(r->request, r->response);
        return 0;
    }
    if (number == SNP_IOCTL_REPORT) {
        if (device.no_report)
            return refuse(r, EIO, 0x1f, 0);
        answer_report(r->request, r->response);
        return 0;
    }
    assert_int_equal(number, SNP_IOCTL_DERIVED_KEY);
    const struct snp_key_request *key = (const void *)(uintptr_t)r->request;
    struct snp_key_response *response = (void *)(uintptr_t)r->response;
    device.key_fields = key->guest_field_select;
    if (device.no_key)
        return refuse(r, EIO, 7, 0);
    memset(response->key, device.wrong_size ? 0 : 'k', sizeof response->key);
    response->status = device.wrong_status;
    return 0;
}

static int sev_setup(void **state)
{
    memset(&device, 0, sizeof device);
    int result = setup(state);
    env.control = snp_ioctl;
    return result;
}

static void sev_good(size_t certs_size, unsigned calls)
{
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error = {.text = ""};
    device.calls = 0;
    if (evidence_sev.get(&env, data, &evidence, &error) != TFAAS_OK)
        fail_msg("%s", error.text);
    assert_string_equal(evidence.type, EVIDENCE_SNP_REPORT);
    assert_int_equal(evidence.size, SNP_REPORT_SIZE);
    assert_memory_equal(evidence.bytes, snp_report, SNP_REPORT_SIZE);
    assert_int_equal(evidence.endorsements_size, certs_size);
    assert_int_equal(evidence.endorsements_type != NULL, certs_size != 0);
    for (size_t i = 0; i < certs_size; i++)
        assert_int_equal(evidence.endorsements[i], 'c');
    assert_int_equal(device.calls, calls);
    evidence_free(&evidence);
}

static void sev_bad(tfaas_status_t status, const char *text)
{
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error = {.text = ""};
    assert_int_equal(evidence_sev.get(&env, data, &evidence, &error), status);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, error.text);
    assert_null(evidence.bytes);
    assert_null(evidence.endorsements);
}

static void test_sev_reports(void **state)
{
    (void)state;
    sev_good(0, 1);
    device.certs_size = 5000;
    sev_good(5000, 2);
    device.busy = 2;
    sev_good(5000, 4);
    device.no_ext = true;
    sev_good(0, 2);
}

static void test_sev_refusals(void **state)
{
    (void)state;
    device.certs_size = SNP_CERTS_SIZE_MAX + 1;
    sev_bad(TFAAS_TOO_LARGE, "certificates of 65537 bytes");
    device.certs_size = 0;
    device.busy = 100;
    sev_bad(TFAAS_BUSY, "stays busy");
    device.busy = 0;
    device.no_ext = device.no_report = true;
    sev_bad(TFAAS_UNAVAILABLE, "firmware 0x1f");
    device.no_ext = false;
    device.wrong_status = true;
    sev_bad(TFAAS_BAD_RESPONSE, "status 0x16");
    device.wrong_status = false;
    device.wrong_size = true;
    sev_bad(TFAAS_BAD_RESPONSE, "a report of 1000 bytes");
    device.wrong_size = false;
    snp_report[SNP_REPORT_DATA_AT] ^= 1;
    sev_bad(TFAAS_BAD_RESPONSE, "not over our data");
    snp_report[SNP_REPORT_DATA_AT] ^= 1;
    snp_report[0] = 1;
    sev_bad(TFAAS_BAD_RESPONSE, "a report of version 1");
    assert_int_equal(unlink(env.sev_path), 0);
    sev_bad(TFAAS_UNAVAILABLE, "cannot open");
}

static void test_sev_seal_key(void **state)
{
    (void)state;
    uint8_t key[32];
    struct tfaas_error error;
    assert_int_equal(evidence_tsm.seal_key(&env, key, &error), TFAAS_OK);
    assert_int_equal(key[31], 'k');
    assert_int_equal(device.key_fields, SNP_KEY_MIX_POLICY | SNP_KEY_MIX_MEASURED);
    device.no_key = true;
    assert_int_equal(evidence_sev.seal_key(&env, key, &error), TFAAS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "firmware 0x7"));
    device.no_key = false;
    device.wrong_size = true; /* zeros */
    assert_int_equal(evidence_sev.seal_key(&env, key, &error), TFAAS_BAD_RESPONSE);
    device.wrong_size = false;
    device.wrong_status = true;
    assert_int_equal(evidence_sev.seal_key(&env, key, &error), TFAAS_BAD_RESPONSE);
    assert_int_equal(unlink(env.sev_path), 0);
    assert_int_equal(evidence_tsm.seal_key(&env, key, &error), TFAAS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "no key to seal with"));
}

static bool tdx_refuses, tdx_lies;

static int tdx_ioctl(int fd, unsigned long number, void *argument)
{
    struct tdx_report_request *r = argument;
    (void)fd;
    assert_int_equal(number, TDX_IOCTL_REPORT0);
    if (tdx_refuses) {
        errno = EIO;
        return -1;
    }
    r->report[0] = TDX_REPORT_TYPE;
    memcpy(r->report + TDX_REPORT_DATA_AT, r->data, 64);
    r->report[TDX_REPORT_DATA_AT] ^= tdx_lies;
    return 0;
}

static void test_tdx_is_honest(void **state)
{
    (void)state;
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error;
    const struct evidence_source *source;
    uint8_t key[32];
    env.control = tdx_ioctl;
    assert_int_equal(evidence_choose("tdx-guest", &env, &source, &error), TFAAS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "comes from configfs-tsm"));
    assert_int_equal(evidence_tdx.get(&env, data, &evidence, &error), TFAAS_UNSUPPORTED);
    assert_non_null(strstr(error.text, "TDREPORT"));
    tdx_lies = true;
    assert_int_equal(evidence_tdx.get(&env, data, &evidence, &error), TFAAS_BAD_RESPONSE);
    tdx_refuses = true;
    assert_int_equal(evidence_tdx.get(&env, data, &evidence, &error), TFAAS_UNAVAILABLE);
    assert_int_equal(evidence_tdx.seal_key(&env, key, &error), TFAAS_UNAVAILABLE);
    assert_null(evidence.bytes);
}

/* --- simulated, the table, jobs --- */

static void test_simulated(void **state)
{
    (void)state;
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error;
    struct simulated read;
    const char *why;
    uint8_t key[32], again[32], public_key[32], secret[64];
    assert_false(evidence_simulated.probe(&env, (char[80]){0}, 80));
    memset(env.root_seed, 7, sizeof env.root_seed);
    memset(env.measurement, 9, sizeof env.measurement);
    assert_int_equal(evidence_simulated.get(&env, data, &evidence, &error), TFAAS_OK);
    assert_string_equal(evidence.type, EVIDENCE_SIMULATED);
    assert_int_equal(simulated_read((struct span){evidence.bytes, evidence.size}, &read, &why),
                     TFAAS_OK);
    assert_memory_equal(read.report_data.data, data, 64);
    assert_memory_equal(read.measurement.data, env.measurement, 48);
    (void)crypto_sign_seed_keypair(public_key, secret, env.root_seed);
    assert_memory_equal(read.root_key.data, public_key, 32);
    evidence_free(&evidence);
    assert_int_equal(evidence_simulated.seal_key(&env, key, &error), TFAAS_OK);
    assert_int_equal(evidence_simulated.seal_key(&env, again, &error), TFAAS_OK);
    assert_memory_equal(key, again, 32);
    env.measurement[0] ^= 1; /* another core */
    assert_int_equal(evidence_simulated.seal_key(&env, again, &error), TFAAS_OK);
    assert_memory_not_equal(key, again, 32);
}

static void test_choice(void **state)
{
    (void)state;
    const struct evidence_source *source = NULL;
    struct tfaas_error error;
    assert_int_equal(evidence_choose("auto", &env, &source, &error), TFAAS_OK);
    assert_ptr_equal(source, &evidence_tsm);
    assert_int_equal(rmdir(env.tsm_path), 0);
    assert_int_equal(evidence_choose("auto", &env, &source, &error), TFAAS_OK);
    assert_ptr_equal(source, &evidence_sev);
    assert_int_equal(unlink(env.sev_path), 0);
    memset(env.root_seed, 7, sizeof env.root_seed);
    assert_int_equal(evidence_choose("auto", &env, &source, &error), TFAAS_OK);
    assert_ptr_equal(source, &evidence_simulated);
    assert_int_equal(evidence_choose("sev-guest", &env, &source, &error), TFAAS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "No such file"));
    assert_int_equal(evidence_choose("abacus", &env, &source, &error), TFAAS_NOT_FOUND);
    assert_true(evidence_name_ok("none") && evidence_name_ok("configfs-tsm"));
    assert_false(evidence_name_ok("abacus"));
}

static _Atomic bool held; /* the device does not answer */

static int slow_ioctl(int fd, unsigned long number, void *argument)
{
    while (atomic_load(&held))
        usleep(1000);
    return snp_ioctl(fd, number, argument);
}

static unsigned thread_count(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static void test_jobs(void **state)
{
    (void)state;
    struct evidence_job *job;
    struct evidence evidence = {.type = NULL};
    struct tfaas_error error;
    uint8_t key[32];
    const unsigned threads = thread_count();
    env.control = slow_ioctl;
    atomic_store(&held, true);
    assert_int_equal(evidence_start(&evidence_sev, &env, EVIDENCE_REPORT, data, &job, &error),
                     TFAAS_OK);
    assert_int_equal(evidence_take(job, &evidence, NULL, &error), TFAAS_BUSY);
    atomic_store(&held, false);
    struct pollfd p = {.fd = evidence_fd(job), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60000), 1);
    assert_int_equal(evidence_take(job, &evidence, NULL, &error), TFAAS_OK);
    assert_int_equal(evidence.size, SNP_REPORT_SIZE);
    evidence_free(&evidence);
    assert_int_equal(evidence_start(&evidence_sev, &env, EVIDENCE_SEAL_KEY, NULL, &job, &error),
                     TFAAS_OK);
    p.fd = evidence_fd(job);
    assert_int_equal(poll(&p, 1, 60000), 1);
    assert_int_equal(evidence_take(job, NULL, key, &error), TFAAS_OK);
    assert_int_equal(key[0], 'k');
    atomic_store(&held, true);
    assert_int_equal(evidence_start(&evidence_sev, &env, EVIDENCE_REPORT, data, &job, &error),
                     TFAAS_OK);
    evidence_abandon(job); /* the thread frees it, and what it got */
    atomic_store(&held, false);
    for (unsigned i = 0; i < 60000 && thread_count() != threads; i++)
        usleep(1000);
    assert_int_equal(thread_count(), threads);
    device.no_ext = device.no_report = true;
    assert_int_equal(evidence_start(&evidence_sev, &env, EVIDENCE_REPORT, data, &job, &error),
                     TFAAS_OK);
    p.fd = evidence_fd(job);
    assert_int_equal(poll(&p, 1, 60000), 1);
    assert_int_equal(evidence_take(job, &evidence, NULL, &error), TFAAS_UNAVAILABLE);
    assert_non_null(strstr(error.text, "was refused"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tsm_snp, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tsm_tdx, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tsm_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tsm_disturbed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tsm_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tsm_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sev_reports, sev_setup, teardown),
        cmocka_unit_test_setup_teardown(test_sev_refusals, sev_setup, teardown),
        cmocka_unit_test_setup_teardown(test_sev_seal_key, sev_setup, teardown),
        cmocka_unit_test_setup_teardown(test_tdx_is_honest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_simulated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs, sev_setup, teardown),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
