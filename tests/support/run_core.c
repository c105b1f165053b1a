/*
 * run_core.c - developer's tool: loads one package file into an uncaged core and calls it N times.
 * usage: run_core js|wasm FILE [COUNT [BODY]]
 */
#include "core.h"
#include "core_child.h"
#include "plat/linux/linux.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc < 3)
        return 64;
    const char *why = plat_linux_prepare();
    if (why || !core_prepare(&why)) {
        (void)fprintf(stderr, "prepare: %s\n", why);
        return 1;
    }
    FILE *in = fopen(argv[2], "rb");
    if (!in)
        return 66;
    static uint8_t content[32u << 20];
    size_t size = fread(content, 1, sizeof content, in);
    (void)fclose(in);
    struct core_child core;
    core_child_start(&core);
    const char *name = argv[1][0] == 'j' ? "handler.js" : "function.wasm";
    struct core_config config = {
        .runtime = argv[1], .entry = name, .files = {{name, content, size}}};
    struct core_answer answer;
    core_load(&core, 1, &config, &answer);
    (void)printf("load: %s %s %s\n", tfaas_status_name(answer.status), answer.fault, answer.log);
    int count = argc > 3 ? atoi(argv[3]) : 1;
    const char *body = argc > 4 ? argv[4] : "{\"name\":\"world\"}";
    uint64_t sum = 0, least = UINT64_MAX;
    for (int i = 0; i < count; i++) {
        if (!core_invoke(&core, 1, body, strlen(body), &answer)) {
            (void)printf("core gone\n");
            return 1;
        }
        sum += answer.cpu_ns;
        least = answer.cpu_ns < least ? answer.cpu_ns : least;
        if (i + 1 < count)
            core_answer_free(&answer);
    }
    struct span text = core_content(&answer);
    (void)printf("%s http %u work %lu peak %lu cpu %lu ns (mean %lu, min %lu) pages %lu\n%.*s\n%s",
                 tfaas_status_name(answer.status), core_http_status(&answer), answer.work,
                 answer.peak, answer.cpu_ns, sum / (uint64_t)count, least, answer.pages,
                 (int)text.size, (const char *)text.data, answer.log);
    core_child_stop(&core);
    return answer.status == TFAAS_OK ? 0 : 1;
}
