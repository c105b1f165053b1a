/* traitor.h - what traitor.c asks of ring 0 by a system call (traitor_shim.c). */
#ifndef TFAAS_TESTS_HOSTILE_TRAITOR_H
#define TFAAS_TESTS_HOSTILE_TRAITOR_H

#define TRAITOR_CALL UINT64_C(0x7261746f72) /* rdi: which of these */

enum traitor_ring0 {
    RING0_LOOP, /* interrupts off */
    RING0_HALT,
    RING0_TRIPLE_FAULT,
    RING0_PORTS, /* all from 0 on */
    RING0_MSRS,
    RING0_TABLES, /* rewrites page tables */
    RING0_NO_MEMORY,
    RING0_HYPERCALL,
    RING0_ATTACKS
};

#endif
