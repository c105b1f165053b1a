/*
 * shim.h - what the three parties of a core in a virtual machine agree on: the tender that builds
 * the machine (host/tender/kvm), the shim in ring 0, and the core in ring 3. Memory map, ports,
 * calls. Also read by assembly.
 */
#ifndef TFAAS_CORE_PLAT_SHIM_H
#define TFAAS_CORE_PLAT_SHIM_H

/* --- guest-physical memory, fixed: the launch measurement must not depend on its size --- */
#define SHIM_LAUNCH_GPA     0x1000 /* struct shim_launch: written per machine, not measured */
#define SHIM_SHARED_GPA     0x2000 /* struct shim_shared: ring 0 and ring 3 */
#define SHIM_BOOT_GPA       0x3000 /* struct shim_boot: ring 0, measured */
#define SHIM_TABLES_GPA     0x4000 /* GDT, IDT and TSS, one page each: ring 0, measured */
#define SHIM_STACK_GPA      0x8000 /* of ring 0: two pages, used from their end */
#define SHIM_STACK_GPA_END  0xa000
#define SHIM_COUNT_GPA      0xa000   /* per table of the pool, 2 bytes: entries of a leaf in use */
#define SHIM_IMAGE_GPA      0x100000 /* the shim: ring 0 */
#define SHIM_IMAGE_END      0x200000
#define SHIM_FREE_GPA       0x200000 /* stack of freed frames: 8 bytes per frame of 4 GiB */
#define SHIM_PAGE_TABLE_GPA 0xa00000 /* page tables, the root first */
#define SHIM_PAGE_TABLE_END 0x1a00000
#define SHIM_FRAMES_GPA     0x2000000   /* ELF, stack, heap, arena, then free frames */
#define SHIM_MEMORY_MAX     0x100000000 /* memory ends here at the latest */
#define SHIM_WINDOW_GPA     0x200000000 /* the window: memory of the host */

/* --- virtual memory --- */
/* Ring 0 sees [0, SHIM_PAGE_TABLE_END) at this address and nothing else. */
#define SHIM_BASE         0xffffffff80000000
#define SHIM_ELF_VA       0x400000
#define SHIM_LARGE_PAGE   0x200000
#define SHIM_HEAP_VA      0x100000000 /* brk; all of it has frames from the start, in large pages */
#define SHIM_HEAP_SIZE    0x8000000
#define SHIM_MAPS_VA      0x1000000000 /* mmap, upwards */
#define SHIM_MAPS_READY   0x8000000    /* so much of it has frames from the start, in large pages */
#define SHIM_MAPS_END     0x600000000000
#define SHIM_WINDOW_VA    0x7ffd00000000
#define SHIM_LAUNCH_VA    0x7ffe00000000
#define SHIM_SHARED_VA    0x7ffe00001000
#define SHIM_STACK_END_VA 0x7fff00000000
#define SHIM_STACK_SIZE   0x100000

/* Bits of a page table entry. HELD, FIXED and CODE are the shim's own. */
#define SHIM_PTE_PRESENT  0x1
#define SHIM_PTE_WRITE    0x2
#define SHIM_PTE_USER     0x4
#define SHIM_PTE_ACCESSED 0x20
#define SHIM_PTE_DIRTY    0x40
#define SHIM_PTE_LARGE    0x80
#define SHIM_PTE_HELD     0x200 /* a frame belongs to the page, present or not */
#define SHIM_PTE_FIXED    0x400 /* never unmapped or changed: window, launch and shared pages */
#define SHIM_PTE_CODE     0x800 /* of a large page: executable, unless that was taken away */
#define SHIM_PTE_NX       0x8000000000000000
#define SHIM_PTE_FRAME    0x000ffffffffff000

/* Selectors: Linux's, so that STAR can hold them and so that a software KVM can use its host's. */
#define SHIM_CS0 0x10
#define SHIM_SS0 0x18
#define SHIM_CS3 0x33
#define SHIM_SS3 0x2b
#define SHIM_TSS 0x40

/* One entry of 16 bytes per vector at the start of the image, the system call's behind them. */
#define SHIM_VECTORS      33
#define SHIM_VECTOR_FAULT 14
#define SHIM_VECTOR_TICK  32
#define SHIM_ENTRY_GPA(v) (SHIM_IMAGE_GPA + 16 * (v))
#define SHIM_SYSCALL_GPA  SHIM_ENTRY_GPA(SHIM_VECTORS)

/* --- ports: all that leaves the machine. Open to ring 3 by the TSS; 32 bits wide --- */
#define SHIM_PORT_BELL 0x500 /* wake the host */
#define SHIM_PORT_WAIT                                                                             \
    0x504 /* sleep until the host rings; shared.argument: ns, negative: for ever */
#define SHIM_PORT_TICK 0x508 /* one interrupt in shared.argument ns */
#define SHIM_PORT_READY                                                                            \
    0x50c /* 0: prepared, may be copied. Before: 1: what is written from now on, a copy of the     \
             machine will soon write too; 2: no longer */
#define SHIM_PORT_EXIT 0x510 /* the end, with this code */
#define SHIM_PORT_END  0x514

/* The code of SHIM_PORT_EXIT when ring 0 or a handler faults; shared tells where. */
#define SHIM_EXIT_BROKEN 72

/* Calls beside Linux's. upcall(entry, stack, leave, leave_end, clear): where faults and ticks land
 * in ring 3, on which stack; code in [leave, leave_end) returns from it and must not be entered
 * anew; `clear` is where a system call returns to that gives out used memory: it zeroes r11 bytes
 * at rax and goes on at rcx. */
#define SHIM_CALL_UPCALL 0x5446

#ifndef __ASSEMBLER__

#include <stdint.h>

#define SHIM_LAUNCH_MAGIC UINT64_C(0x314c4d5653414654) /* "TFASVML1" */

/* What differs from machine to machine. The host writes it; before the core is ready only the first
 * three fields are there. Nothing in it is trusted beyond what a host can do anyway. */
struct shim_launch {
    uint64_t magic;
    uint64_t memory_end; /* guest-physical; frames lie below it */
    uint64_t tsc_khz;
    uint64_t memory_max; /* private bytes, as plat_memory_max */
    uint32_t role;       /* enum plat_role */
    uint32_t launched;   /* 1: the fields from memory_max on are there */
    uint8_t measurement[48];
    uint8_t entropy[32];     /* mixed with the processor's own */
    uint8_t report_seed[32]; /* of the simulated root: all cores of one tender */
    uint8_t cache_seed[32];  /* the same for the cache of compiled code */
    char domain[232];        /* NUL-terminated */
};
_Static_assert(sizeof(struct shim_launch) <= 4096, "one page");

/* An interrupted state, and the arguments of ports. Ring 3 can write all of it: the shim believes
 * nothing but `active`, whose lie harms only the liar. */
struct shim_shared {
    uint64_t rip, cs, rflags, rsp, ss; /* as iretq wants it */
    uint64_t error, address, vector;
    uint64_t active; /* an upcall runs */
    uint64_t argument;
    char words[256]; /* why the core ends before it is ready */
};

/* What the builder of the machine tells the shim. */
struct shim_boot {
    uint64_t page_tables_used; /* guest-physical: the first free page of the pool */
    uint64_t frames_used;      /* the same for frames */
};

#endif
#endif
