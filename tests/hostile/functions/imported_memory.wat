;; imported_memory.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module
  (import "env" "memory" (memory 1))
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
