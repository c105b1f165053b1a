/* python_image.S - see runtime_image.h. The build gives PYTHON_CODE and PYTHON_IMAGE. */
    .section .rodata
    .globl runtime_python_code, runtime_python_code_end, runtime_python_image
    .balign 4096
runtime_python_code:
    .incbin PYTHON_CODE
runtime_python_code_end:
    .balign 4096
runtime_python_image:
    .incbin PYTHON_IMAGE
    .byte 0
    .section .note.GNU-stack, "", @progbits
