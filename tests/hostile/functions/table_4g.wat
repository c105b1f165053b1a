;; table_4g.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module
  (memory (export "memory") 1)
  (table 4294967295 funcref)
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
