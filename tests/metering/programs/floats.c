/* floats.c - Mandelbrot escape counts and Newton roots: data-dependent loop exits. */
static int escape(double re, double im)
{
    double x = 0, y = 0;
    for (int i = 0; i < 50; i++) {
        double t = x * x - y * y + re;
        y = 2 * x * y + im;
        x = t;
        if (x * x + y * y > 4)
            return i;
    }
    return 50;
}

static float root(float x)
{
    float r = x > 1 ? x : 1, last;
    do {
        last = r;
        r = 0.5f * (r + x / r);
    } while (__builtin_fabsf(r - last) > 1e-5f * r);
    return r;
}

__attribute__((export_name("run"))) int run(int size)
{
    int total = 0;
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++)
            total += escape(-2 + 3.0 * i / size, -1.5 + 3.0 * j / size);
    for (int i = 0; i < size; i++)
        total += (int)(root((float)i) * 100);
    return total;
}
