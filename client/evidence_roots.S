/*
 * evidence_roots.S - the pinned roots of trust, byte for byte from client/roots. docs/evidence.md
 * has their fingerprints.
 */
.section .rodata
.macro root name, file
.global \name
.global \name\()_end
.hidden \name
.hidden \name\()_end
.type \name, @object
\name:
.incbin "\file"
\name\()_end:
.byte 0
.endm
root evidence_root_intel, "client/roots/intel_sgx_root.der"
root evidence_root_milan, "client/roots/amd_ark_milan.der"
root evidence_root_genoa, "client/roots/amd_ark_genoa.der"
root evidence_root_turin, "client/roots/amd_ark_turin.der"
.section .note.GNU-stack, "", @progbits
