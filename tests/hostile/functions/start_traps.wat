;; start_traps.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module
  (memory (export "memory") 1)
  (func $start (unreachable))
  (start $start)
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
