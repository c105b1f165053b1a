/* fib.c - kernel: doubly recursive Fibonacci; nothing but calls, the worst case for metering. */
__attribute__((noinline)) static int fib(int n)
{
    if (n < 2)
        return n;
    return fib(n - 1) + fib(n - 2);
}

__attribute__((export_name("run"))) int run(int n)
{
    return fib(n);
}
