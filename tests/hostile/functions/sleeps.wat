;; sleeps.wat - reads nothing and sleeps.
(module
  (import "tfaas" "sleep" (func $sleep (param i64) (result i32)))
  (memory (export "memory") 1)
  (func (export "tfaas_handle") (result i32) (call $sleep (i64.const -1))))
