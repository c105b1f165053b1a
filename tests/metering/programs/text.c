/* text.c - number parsing, comparing, reversing: short loops, many returns, nested conditions. */
static char buffer[64];

static int write_number(int n)
{
    int size = 0;
    unsigned u = n < 0 ? 0u - (unsigned)n : (unsigned)n;
    do
        buffer[size++] = (char)('0' + u % 10);
    while ((u /= 10) != 0);
    if (n < 0)
        buffer[size++] = '-';
    for (int i = 0; i < size / 2; i++) {
        char c = buffer[i];
        buffer[i] = buffer[size - 1 - i];
        buffer[size - 1 - i] = c;
    }
    buffer[size] = 0;
    return size;
}

static int read_number(const char *s, int *ok)
{
    int sign = 1, value = 0;
    *ok = 0;
    if (*s == '-') {
        sign = -1;
        s++;
    } else if (*s == '+') {
        s++;
    }
    if (*s == 0)
        return 0;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -1;
        value = value * 10 + (*s - '0');
    }
    *ok = 1;
    return sign * value;
}

__attribute__((export_name("run"))) int run(int rounds)
{
    int total = 0, ok;
    for (int i = 0; i < rounds; i++) {
        int number = (i * 7919) ^ (i << 9);
        int size = write_number(i & 1 ? -number : number);
        if (i % 7 == 3)
            buffer[size / 2] = 'x';
        int back = read_number(buffer, &ok);
        total += ok ? back : -1000;
    }
    return total;
}
