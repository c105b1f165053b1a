;; An explicit trap below loops: the count is exact.
(module
  (func $fail (param i32)
    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (unreachable))
  (func (export "run") (param i32) (result i32)
    (local i32)
    (local.set 1 (local.get 0))
    (loop (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (if (local.get 0) (then (call $fail (local.get 0))))
    (i32.const 0)))
