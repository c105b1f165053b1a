/* matmul.c - kernel: product of two N x N double matrices per round; one tight inner loop. */
#ifndef N
#define N 96
#endif

static double a[N][N], b[N][N], c[N][N];

__attribute__((export_name("run"))) int run(int rounds)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (i * 3 + j * 5) % 17;
            b[i][j] = (i * 7 + j * 2) % 13;
        }
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum + r;
            }
    double total = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            total += c[i][j];
    return (int)((long long)total & 0x7fffffff);
}
