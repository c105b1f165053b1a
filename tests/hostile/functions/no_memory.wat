;; no_memory.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module (func (export "tfaas_handle") (result i32) (i32.const 0)))
