;; Data offsets by extended constant expressions.
(module
  (memory (export "memory") 1)
  (data (offset (i32.add (i32.mul (i32.const 40) (i32.const 3)) (i32.const 8))) "ABCD")
  (data (offset (i32.sub (i32.const 140) (i32.const 40))) "wxyz")
  (func (export "run") (param i32) (result i32)
    (i32.add (i32.load (i32.const 128)) (i32.mul (local.get 0) (i32.load (i32.const 100))))))
