/* spin.c - never ends: what bench-core pre-empts. */
static volatile unsigned count;

__attribute__((export_name("tfaas_handle"))) int tfaas_handle(void)
{
    for (;;)
        count++;
}
