;; data_out_of_bounds.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module
  (memory (export "memory") 1)
  (data (i32.const 65530) "longer than the memory")
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
