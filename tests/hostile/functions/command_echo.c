/* command_echo.c - a WASI command: standard input to standard output. */
#include <unistd.h>

int main(void)
{
    static char buffer[4096];
    ssize_t size;
    while ((size = read(0, buffer, sizeof buffer)) > 0)
        if (write(1, buffer, (size_t)size) != size)
            return 1;
    return size < 0;
}
