/* kernel.c - one of bench/kernels as a function the core can call: KERNEL names the source, ROUNDS
 * is its argument. */
#include KERNEL

__attribute__((export_name("tfaas_handle"))) int tfaas_handle(void)
{
    return run(ROUNDS);
}
