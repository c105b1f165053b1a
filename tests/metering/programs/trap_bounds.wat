;; An access outside the memory after a call; the memory holds what was written before.
(module
  (memory (export "memory") 1)
  (func $store (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "run") (param i32) (result i32)
    (loop
      (call $store (local.get 0) (i32.const 7))
      (local.set 0 (i32.mul (local.get 0) (i32.const 3)))
      (br 0))
    (unreachable)))
