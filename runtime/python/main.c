/*
 * main.c - the three entry points the core calls: tfaas_init (once, when the core is built: the
 * memory after it is part of the core), tfaas_load (once per function; memory is then its image),
 * tfaas_handle (once per instance). Must never finalize anything: the instance is thrown away.
 */
#include "alloc.h"
#include "guest.h"
#include "host.h"
#include "request.h"
#include "response.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

#define EXPORT(name) __attribute__((export_name(#name)))

/* Calls of C within C. They use the linear stack (build.mk) and the engine's, of 1 MiB: measured in
 * tests/runtime/python. */
const int tfaas_c_recursion_limit = 200;
const int tfaas_parser_depth = 400;

/* The image is made once and is public, and with it what str hashes begin with: the work limit
 * bounds what colliding keys can cost (docs/runtime-python.md). */
#define HASH_SEED 20250611u

static PyObject *entry_load, *entry_handle;
static bool has_entropy; /* not while the core is built */

/* What Python draws entropy with. The image of the build holds none. */
int __wrap_getentropy(void *to, size_t size)
{
    if (!has_entropy) {
        memset(to, 0, size);
        return 0;
    }
    host_random(to, size);
    return 0;
}

static const char no_memory_text[] = "MemoryError: the function's memory limit\n";

/* An error that the runtime's own Python code did not handle: the log learns what it can. */
static void report(void)
{
    PyObject *error = PyErr_GetRaisedException();
    if (!error)
        return;
    if (PyErr_GivenExceptionMatches(error, PyExc_MemoryError)) {
        host_log(no_memory_text, sizeof no_memory_text - 1);
        return;
    }
    PyObject *traceback = PyImport_ImportModule("traceback");
    PyObject *lines =
        traceback ? PyObject_CallMethod(traceback, "format_exception", "O", error) : NULL;
    PyObject *nothing = lines ? PyUnicode_FromString("") : NULL,
             *text = nothing ? PyUnicode_Join(nothing, lines) : NULL;
    PyErr_Clear();
    if (!text)
        text = PyUnicode_FromFormat("%s: %S\n", Py_TYPE(error)->tp_name, error);
    const char *bytes = text ? PyUnicode_AsUTF8(text) : NULL;
    if (bytes)
        host_log(bytes, strlen(bytes));
    PyErr_Clear();
}

static bool set(PyConfig *config, wchar_t **field, const wchar_t *text)
{
    return !PyStatus_Exception(PyConfig_SetString(config, field, text));
}

static bool start_python(void)
{
    PyPreConfig before;
    PyConfig config;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    before.configure_locale = 0;
    if (PyStatus_Exception(Py_PreInitialize(&before)))
        return false;
    alloc_install();
    PyImport_FrozenModules = stdlib_modules;
    if (PyImport_AppendInittab("_tfaas", host_module_init) != 0)
        return false;
    PyConfig_InitIsolatedConfig(&config);
    config.site_import = 0;
    config.use_hash_seed = 1;
    config.hash_seed = HASH_SEED;
    config.write_bytecode = 0;
    config.install_signal_handlers = 0;
    config.pathconfig_warnings = 0;
    config.buffered_stdio = 0;
    config.use_frozen_modules = 1;
    config.module_search_paths_set = 1;
    bool good =
        set(&config, &config.program_name, L"python") &&
        set(&config, &config.executable, L"/python") && set(&config, &config.prefix, L"/python") &&
        set(&config, &config.base_prefix, L"/python") &&
        set(&config, &config.exec_prefix, L"/python") &&
        set(&config, &config.base_exec_prefix, L"/python") &&
        set(&config, &config.platlibdir, L"lib") &&
        set(&config, &config.stdlib_dir, L"/python/lib") &&
        !PyStatus_Exception(
            PyWideStringList_Append(&config.module_search_paths, L"/function/python")) &&
        !PyStatus_Exception(PyWideStringList_Append(&config.module_search_paths, L"/function"));
    PyStatus status = good ? Py_InitializeFromConfig(&config) : PyStatus_Error("no memory");
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status) && status.err_msg) {
        host_log(status.err_msg, strlen(status.err_msg));
        host_log("\n", 1);
    }
    return good && !PyStatus_Exception(status);
}

EXPORT(tfaas_init) int32_t tfaas_init(void)
{
    if (entry_handle || !start_python())
        return 1;
    PyObject *runtime = PyImport_ImportModule("_tfaas_runtime");
    if (runtime) {
        entry_load = PyObject_GetAttrString(runtime, "load");
        entry_handle = PyObject_GetAttrString(runtime, "handle");
    }
    if (!entry_load || !entry_handle || !image_freeze()) {
        report();
        return 1;
    }
    return 0;
}

EXPORT(tfaas_load) int32_t tfaas_load(void)
{
    if (!entry_load)
        return 1;
    has_entropy = true;
    PyObject *loaded = PyObject_CallNoArgs(entry_load);
    bool good = loaded == Py_True && image_freeze();
    if (!good)
        report();
    return good ? 0 : 1;
}

static int32_t outcome(void)
{
    return response_sent() ? 0 : 1;
}

static int32_t refuse(uint16_t status, const char *text)
{
    response_start(status);
    (void)response_send("text/plain; charset=utf-8", (const uint8_t *)text, strlen(text));
    return outcome();
}

EXPORT(tfaas_handle) int32_t tfaas_handle(void)
{
    if (!entry_handle)
        return 1;
    switch (request_start()) {
    case REQUEST_OK:
        break;
    case REQUEST_MALFORMED:
        return refuse(400, "The request head is malformed.\n");
    case REQUEST_HEAD_TOO_LARGE:
        return refuse(431, "The request head is too large.\n");
    default:
        return 1;
    }
    PyObject *done = PyObject_CallNoArgs(entry_handle);
    if (done && response_sent())
        return 0;
    report();
    if (response_sent())
        return 0;
    return refuse(500, "Internal Server Error\n");
}
