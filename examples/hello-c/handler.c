/* Says hello to whoever the request's content names. */
#include <stdio.h>
#include <string.h>

int main(void)
{
    char name[100];
    if (!fgets(name, sizeof name, stdin))
        name[0] = 0;
    name[strcspn(name, "\r\n")] = 0;
    printf("Hello %s from C\n", name[0] ? name : "world");
    return 0;
}
