/* runtime_image.S - see runtime_image.h. The build gives JS_WASM, JS_CODE and JS_HEAT. */
    .section .rodata
    .globl runtime_js_wasm, runtime_js_wasm_end, runtime_js_code, runtime_js_code_end
    .balign 64
runtime_js_wasm:
    .incbin JS_WASM
runtime_js_wasm_end:
    .balign 64
runtime_js_code:
    .incbin JS_CODE
runtime_js_code_end:
    .globl runtime_js_heat, runtime_js_heat_end
runtime_js_heat:
    .incbin JS_HEAT
runtime_js_heat_end:
    .byte 0
    .section .note.GNU-stack, "", @progbits
