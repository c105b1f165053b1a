/* calls.c - kernel: binary trees built and summed by recursion, small helpers in loops. */
#ifndef DEPTH
#define DEPTH 14
#endif
#define NODES (4 << DEPTH)

struct node {
    struct node *left, *right;
    int value;
};

static struct node pool[NODES];
static int used;

__attribute__((noinline)) static struct node *node_new(int value)
{
    struct node *n = &pool[used++];
    n->value = value;
    n->left = n->right = 0;
    return n;
}

__attribute__((noinline)) static struct node *build(int depth, int value)
{
    struct node *n = node_new(value);
    if (depth > 0) {
        n->left = build(depth - 1, 2 * value);
        n->right = build(depth - 1, 2 * value + 1);
    }
    return n;
}

__attribute__((noinline)) static int sum(const struct node *n)
{
    if (n == 0)
        return 0;
    return n->value + sum(n->left) - sum(n->right);
}

__attribute__((noinline)) static int clamp(int x)
{
    if (x < 0)
        return -x;
    return x > 1000 ? 1000 : x;
}

__attribute__((export_name("run"))) int run(int rounds)
{
    int total = 0;
    for (int r = 0; r < rounds; r++) {
        used = 0;
        struct node *root = build(DEPTH, r + 1);
        total += clamp(sum(root));
        for (int i = 0; i < NODES / 2; i++)
            total += clamp(pool[i % used].value - i);
    }
    return total;
}
