/* machine.c - a small stack machine: a dense switch (br_table) in a loop, early returns. */
enum { PUSH, ADD, SUB, MUL, DUP, SWAP, JUMP_IF, DROP, PRINT, STOP };

static const signed char program[] = {PUSH, 1,    PUSH,    50,  SWAP, PUSH,  3,
                                      MUL,  PUSH, 7,       ADD, SWAP, PUSH,  1,
                                      SUB,  DUP,  JUMP_IF, -13, DROP, PRINT, STOP};
static int out;

static int execute(const signed char *code, int size)
{
    unsigned stack[16];
    int depth = 0, at = 0;
    while (at < size) {
        unsigned x;
        switch (code[at++]) {
        case PUSH:
            if (depth == 16)
                return -1;
            stack[depth++] = (unsigned)code[at++];
            break;
        case ADD:
            depth--;
            stack[depth - 1] += stack[depth];
            break;
        case SUB:
            depth--;
            stack[depth - 1] -= stack[depth];
            break;
        case MUL:
            depth--;
            stack[depth - 1] *= stack[depth];
            break;
        case DUP:
            stack[depth] = stack[depth - 1];
            depth++;
            break;
        case SWAP:
            x = stack[depth - 1];
            stack[depth - 1] = stack[depth - 2];
            stack[depth - 2] = x;
            break;
        case JUMP_IF:
            if (stack[--depth] != 0)
                at += code[at];
            else
                at++;
            break;
        case DROP:
            depth--;
            break;
        case PRINT:
            out = (int)stack[depth - 1];
            break;
        case STOP:
            return depth;
        default:
            return -2;
        }
    }
    return -3;
}

__attribute__((export_name("run"))) int run(int rounds)
{
    int total = 0;
    for (int i = 0; i < rounds; i++)
        total += execute(program, i % 5 == 4 ? 7 : (int)sizeof program) * 1000 + (out & 0xff);
    return total;
}
