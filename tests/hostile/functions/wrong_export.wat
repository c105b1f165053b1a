;; wrong_export.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module
  (memory (export "memory") 1)
  (func (export "tfaas_handle") (param i32) (result i32) (i32.const 0)))
