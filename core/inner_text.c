/* inner_text.c - see inner_text.h. Everything a compartment gets is picked out of what its owner
 * has. Must never give more than a line asks for. */
#include "inner_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plan {
    struct compartment *compartment;
    struct span module, folders[COMPARTMENT_FOLDERS_MAX];
    size_t folder_count;
    char *why;
    size_t why_size;
};

static bool refuse(struct plan *plan, const char *what, struct span line)
{
    size_t shown = line.size < 80 ? line.size : 80;
    (void)snprintf(plan->why, plan->why_size, "%s: \"%.*s\"", what, (int)shown,
                   (const char *)line.data);
    return false;
}

/* Decimal, from 1. */
static bool read_number(struct span text, uint64_t *number)
{
    uint64_t value = 0;
    if (text.size == 0 || text.size > 18)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *number = value;
    return value > 0;
}

static bool takes(struct span *line, const char *word)
{
    size_t size = strlen(word);
    if (line->size < size || memcmp(line->data, word, size) != 0)
        return false;
    line->data += size;
    line->size -= size;
    return true;
}

/* Copies the pair of that name, if the owner has one. */
static bool give(struct bundle_pair **to, size_t *count, const struct bundle_pair *from,
                 size_t from_count, struct span name)
{
    if (*count == COMPARTMENT_GRANTS_MAX || name.size == 0)
        return false;
    for (size_t i = 0; i < *count; i++) {
        if (span_equal((*to)[i].name, name))
            return true;
    }
    for (size_t i = 0; i < from_count; i++) {
        if (!span_equal(from[i].name, name))
            continue;
        if (!*to && !(*to = calloc(COMPARTMENT_GRANTS_MAX, sizeof **to)))
            return false;
        (*to)[(*count)++] = from[i];
    }
    return true;
}

static bool read_grant(struct plan *plan, struct span name, struct span line)
{
    const struct compartment *owner = plan->compartment->owner->compartment;
    struct bundle *bundle = &plan->compartment->loaded.function.bundle;
    const struct bundle *has = &plan->compartment->owner->function.bundle;
    bool ok = true;
    if (span_is(name, "log"))
        plan->compartment->may_log = !owner || owner->may_log;
    else if (takes(&name, "env "))
        ok = give(&bundle->env, &bundle->env_count, has->env, has->env_count, name);
    else if (takes(&name, "secret "))
        ok = give(&bundle->secrets, &bundle->secret_count, has->secrets, has->secret_count, name);
    else
        return refuse(plan, "no capability has this name (log, env NAME, secret NAME)", line);
    return ok || refuse(plan, "more than can be granted", line);
}

static void set_name(struct compartment *compartment, struct span name)
{
    size_t size = name.size < sizeof compartment->name ? name.size : sizeof compartment->name - 1;
    for (size_t i = 0; i < size; i++) /* it stands in the log */
        compartment->name[i] =
            name.data[i] < 0x20 || name.data[i] == 0x7f ? '?' : (char)name.data[i];
    compartment->name[size] = '\0';
}

static bool read_line(struct plan *plan, struct span line)
{
    struct compartment *compartment = plan->compartment;
    struct span value = line;
    uint64_t memory = 0;
    if (takes(&value, "module ")) {
        if (plan->module.size > 0 || !package_path_ok(value))
            return refuse(plan, "one path of the package is wanted", line);
        plan->module = value;
        return true;
    }
    if (takes(&value, "folder ")) {
        if (plan->folder_count == COMPARTMENT_FOLDERS_MAX || !package_path_ok(value))
            return refuse(plan, "at most 64 paths of the package are wanted", line);
        plan->folders[plan->folder_count++] = value;
        return true;
    }
    if (takes(&value, "grant "))
        return read_grant(plan, value, line);
    if (takes(&value, "name ")) {
        set_name(compartment, value);
        return true;
    }
    if (takes(&value, "memory ") && read_number(value, &memory)) {
        compartment->loaded.function.bundle.memory_limit = memory;
        return true;
    }
    if ((takes(&value, "work ") && read_number(value, &compartment->work)) ||
        (takes(&value, "timeout ") && read_number(value, &compartment->timeout_ns)))
        return true;
    return refuse(plan, "not a line of a compartment's description", line);
}

static bool lies_in(struct span path, struct span folder)
{
    return path.size > folder.size && path.data[folder.size] == '/' &&
           memcmp(path.data, folder.data, folder.size) == 0;
}

static bool is_seen(const struct plan *plan, struct span path)
{
    if (span_equal(path, plan->module))
        return true;
    for (size_t i = 0; i < plan->folder_count; i++) {
        if (lies_in(path, plan->folders[i]))
            return true;
    }
    return false;
}

/* Its package: the files it sees, under the paths they have. */
static bool pick_files(struct plan *plan)
{
    struct function *function = &plan->compartment->loaded.function;
    const struct package *from = &plan->compartment->owner->function.package;
    struct package *package = &function->package;
    struct span module = plan->module;
    static const char wasm[] = ".wasm";
    bool is_wasm = module.size > 5 && memcmp(module.data + module.size - 5, wasm, 5) == 0;
    const char *reason = "";
    package->entry = module;
    package->runtime = is_wasm ? (struct span){(const uint8_t *)wasm + 1, 4} : from->runtime;
    package->files = calloc(from->file_count + 1, sizeof *package->files);
    if (!package->files)
        return refuse(plan, "no memory", module);
    bool found = false;
    for (size_t i = 0; i < from->file_count; i++) {
        struct span path = from->files[i].path;
        found |= span_equal(path, module) || lies_in(path, module);
        if (is_seen(plan, path))
            package->files[package->file_count++] = from->files[i];
    }
    if (!found || (is_wasm && !package_find(package, module).data))
        return refuse(plan, "the package has no such module", module);
    if (!is_wasm && span_is(from->runtime, "wasm"))
        return refuse(plan, "the module is no WebAssembly", module);
    if (vfs_build(&function->vfs, package, &function->bundle, &reason) != TFAAS_OK)
        return refuse(plan, reason, module);
    return true;
}

/* Limits that have no line of their own are the owner's. */
static bool settle_limits(struct plan *plan)
{
    struct compartment *compartment = plan->compartment;
    struct bundle *bundle = &compartment->loaded.function.bundle;
    const struct bundle *has = &compartment->owner->function.bundle;
    if (bundle->memory_limit > has->memory_limit)
        return refuse(plan, "more memory than whoever opens it may have", plan->module);
    bundle->deadline_ns = has->deadline_ns;
    bundle->response_limit = COMPARTMENT_MESSAGE_MAX;
    bundle->log_limit = has->log_limit;
    bundle->hostcall_limit = has->hostcall_limit;
    bundle->name = has->name;
    return true;
}

bool inner_text_read(struct compartment *compartment, const uint8_t *text, size_t size, char *why,
                     size_t why_size)
{
    struct plan plan = {.compartment = compartment, .why = why, .why_size = why_size};
    struct function *function = &compartment->loaded.function;
    compartment->text = malloc(size + 1);
    if (!compartment->text)
        return refuse(&plan, "no memory", (struct span){text, 0});
    memcpy(compartment->text, text, size);
    compartment->text_size = size;
    compartment->work = COMPARTMENT_WORK_DEFAULT;
    function->bundle.memory_limit =
        COMPARTMENT_MEMORY_DEFAULT < compartment->owner->function.bundle.memory_limit
            ? COMPARTMENT_MEMORY_DEFAULT
            : compartment->owner->function.bundle.memory_limit;
    const uint8_t *at = (const uint8_t *)compartment->text, *end = at + size;
    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        struct span line = {at, (size_t)((stop ? stop : end) - at)};
        if (line.size > 0 && !read_line(&plan, line))
            return false;
        at = stop ? stop + 1 : end;
    }
    if (plan.module.size == 0)
        return refuse(&plan, "no line names the module", (struct span){text, 0});
    if (!compartment->name[0])
        set_name(compartment, plan.module);
    return settle_limits(&plan) && pick_files(&plan);
}
