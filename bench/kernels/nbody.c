/* nbody.c - kernel: STEPS leapfrog steps of five bodies per round; floating point, short loops. */
#ifndef STEPS
#define STEPS 2000
#endif
#define BODIES 5

struct body {
    double p[3], v[3], mass;
};

static struct body bodies[BODIES];

static void start(void)
{
    for (int i = 0; i < BODIES; i++) {
        for (int d = 0; d < 3; d++) {
            bodies[i].p[d] = (i + 1) * (d + 2) * (i % 2 ? -1.25 : 1.5);
            bodies[i].v[d] = 0.01 * (i - d);
        }
        bodies[i].mass = i == 0 ? 39.5 : 0.04 * i;
    }
}

static void advance(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        struct body *x = &bodies[i];
        for (int j = i + 1; j < BODIES; j++) {
            struct body *y = &bodies[j];
            double d[3], square = 0;
            for (int k = 0; k < 3; k++) {
                d[k] = x->p[k] - y->p[k];
                square += d[k] * d[k];
            }
            double scale = dt / (square * __builtin_sqrt(square));
            for (int k = 0; k < 3; k++) {
                x->v[k] -= d[k] * y->mass * scale;
                y->v[k] += d[k] * x->mass * scale;
            }
        }
    }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            bodies[i].p[k] += dt * bodies[i].v[k];
}

__attribute__((export_name("run"))) int run(int rounds)
{
    start();
    for (int r = 0; r < rounds * STEPS; r++)
        advance(0.001);
    return (int)(bodies[0].p[0] * 1e6);
}
