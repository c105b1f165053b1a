;; memory_4g.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module (memory (export "memory") 65536) (func (export "tfaas_handle") (result i32) (i32.const 0)))
