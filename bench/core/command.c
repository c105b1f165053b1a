/* command.c - one of bench/kernels as a function anybody could deploy, a WASI command that prints
 * the kernel's result in decimal. KERNEL names the source, ROUNDS is its argument. */
#include KERNEL

#include <unistd.h>

int main(void)
{
    char text[12];
    unsigned at = sizeof text, left = (unsigned)run(ROUNDS);
    do
        text[--at] = (char)('0' + left % 10);
    while ((left /= 10) != 0);
    const ssize_t size = (ssize_t)(sizeof text - at);
    return write(1, text + at, sizeof text - at) == size ? 0 : 1;
}
