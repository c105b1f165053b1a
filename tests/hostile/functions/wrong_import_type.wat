;; wrong_import_type.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module
  (import "tfaas" "sleep" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
