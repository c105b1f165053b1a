/*
 * cli_templates.S - the folder template/ as it is in the tree, for `tfaas new`: a table of path,
 * begin and end (struct cli_template_file), closed by zeros.
 */
.macro file path
.section .rodata
1: .asciz "\path"
2: .incbin "template/\path"
3: .byte 0
.section .data.rel.ro, "aw", @progbits
.quad 1b, 2b, 3b
.endm
.section .data.rel.ro, "aw", @progbits
.balign 8
.global cli_template_files
.hidden cli_template_files
.type cli_template_files, @object
cli_template_files:
file tfaas-js/Dockerfile
file tfaas-js/template.yml
file tfaas-js/function/handler.js
file tfaas-js/function/package.json
file tfaas-c/Dockerfile
file tfaas-c/template.yml
file tfaas-c/function/handler.c
file tfaas-rust/Dockerfile
file tfaas-rust/template.yml
file tfaas-rust/function/Cargo.toml
file tfaas-rust/function/src/main.rs
file tfaas-go/Dockerfile
file tfaas-go/template.yml
file tfaas-go/function/go.mod
file tfaas-go/function/main.go
file tfaas-python/Dockerfile
file tfaas-python/function/handler.py
file tfaas-python/function/requirements.txt
file tfaas-python/function/vendor.sh
file tfaas-python/template.yml
.quad 0, 0, 0
.section .note.GNU-stack, "", @progbits
