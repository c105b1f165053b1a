/* A function: the request's content on stdin, the response's on stdout, the log on stderr.
 * Http_Method, Http_Path, Http_Query and Http_<Header_Name> are in the environment. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const char *method = getenv("Http_Method");
    char bytes[4096];
    size_t size;
    printf("%s\n", method ? method : "");
    while ((size = fread(bytes, 1, sizeof bytes, stdin)) > 0)
        fwrite(bytes, 1, size, stdout);
    return 0;
}
