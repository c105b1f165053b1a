/* sort.c - kernel: quicksort through a comparison function pointer; indirect calls, recursion. */
#ifndef COUNT
#define COUNT 4096
#endif

typedef int (*compare_t)(const int *, const int *);

static int values[COUNT];

static int ascending(const int *a, const int *b)
{
    return *a < *b ? -1 : *a > *b;
}

static int descending(const int *a, const int *b)
{
    return *a > *b ? -1 : *a < *b;
}

static compare_t volatile compare;

static void sort(int low, int high)
{
    while (low < high) {
        int pivot = values[(low + high) / 2], i = low - 1, j = high + 1;
        for (;;) {
            do
                i++;
            while (compare(&values[i], &pivot) < 0);
            do
                j--;
            while (compare(&values[j], &pivot) > 0);
            if (i >= j)
                break;
            int swapped = values[i];
            values[i] = values[j];
            values[j] = swapped;
        }
        sort(low, j);
        low = j + 1;
    }
}

__attribute__((export_name("run"))) int run(int rounds)
{
    unsigned seed = 1, check = 0;
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < COUNT; i++)
            values[i] = (int)((seed = seed * 1664525u + 1013904223u) >> 4);
        compare = r & 1 ? ascending : descending;
        sort(0, COUNT - 1);
        for (int i = 0; i < COUNT; i++)
            check = check * 31 + (unsigned)values[i];
    }
    return (int)check;
}
