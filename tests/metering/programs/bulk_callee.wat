;; Bulk operations in the first block of a function whose callers pay that block's weight: nothing
;; else of it is pending, and still the sizes must be counted.
(module
  (memory (export "memory") 1)
  (func $fill (param $n i32)
    (local $i i32)
    (memory.fill (i32.const 0) (i32.const 7) (local.get $n))
    (loop $next
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (call $leaf)
      (br_if $next (i32.lt_u (local.get $i) (i32.const 3)))))
  (func $leaf)
  (func (export "run") (param i32) (result i32)
    (call $fill (local.get 0))
    (call $fill (i32.const 4096))
    (i32.load (i32.const 16))))
