;; never_initialises.wat - _initialize sleeps for ever: loading must end.
(module
  (import "tfaas" "sleep" (func $sleep (param i64) (result i32)))
  (memory (export "memory") 1)
  (func (export "_initialize") (drop (call $sleep (i64.const -1))))
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
