;; A start function, mutable globals, overlapping segments.
(module
  (global $base i32 (i32.const 128))
  (global $count (mut i32) (i32.const 3))
  (global $wide (mut i64) (i64.const -5))
  (memory (export "memory") 1)
  (data (i32.const 128) "hello world")
  (data (i32.const 134) "W")
  (func $begin
    (global.set $count (i32.add (global.get $count) (i32.load8_u (i32.const 134))))
    (global.set $wide (i64.mul (global.get $wide) (i64.const 7))))
  (start $begin)
  (func (export "run") (param i32) (result i32)
    (loop
      (global.set $count (i32.add (global.get $count) (i32.load8_u offset=128 (local.get 0))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.add (global.get $count) (i32.wrap_i64 (global.get $wide)))))
