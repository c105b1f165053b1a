/* What freeze.py wrote; the build gives the folder by -I. */
    .section .rodata.stdlib,"",@
    .globl stdlib_code
    .p2align 4
    .type stdlib_code,@object
stdlib_code:
    .incbin "stdlib.bin"
.Lend:
    .size stdlib_code, .Lend - stdlib_code
