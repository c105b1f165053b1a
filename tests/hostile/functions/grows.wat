;; grows.wat - grows its memory by 4 MiB in every run.
(module
  (import "tfaas" "response_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\01\40\c8\00")
  (func (export "tfaas_handle") (result i32)
    (drop (memory.grow (i32.const 64)))
    (i32.store (i32.const 4000000) (i32.const 1))
    (drop (call $write (i32.const 0) (i32.const 4) (i32.const 1)))
    (i32.const 0)))
