/* ring0.h - what rings.c asks of ring0.S: numbers in rax, an address in rdi. */
#ifndef TFAAS_TESTS_EMU_RING0_H
#define TFAAS_TESTS_EMU_RING0_H

#define RING0_LOAD  1
#define RING0_STORE 2 /* a byte */
#define RING0_ENTER 3 /* calls a `ret` */
#define RING0_FLAGS 4 /* rax: the flags ring 0 runs with */

#endif
