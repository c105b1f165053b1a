/* sample_blob.S - the bytes of the sample module (SAMPLE_WASM: its path, quoted, given with -D). */
    .section .rodata
    .balign 16
    .globl tfaas_sample_start
    .globl tfaas_sample_end
tfaas_sample_start:
    .incbin SAMPLE_WASM
tfaas_sample_end:
    .section .note.GNU-stack,"",@progbits
