;; elements_out_of_bounds.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module
  (memory (export "memory") 1)
  (table 1 funcref)
  (func $f)
  (elem (i32.const 1) $f $f)
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
