;; br_table: dense and default targets, also to the function's own label, inside a loop.
(module
  (func $pick (param i32) (result i32)
    (block (block (block
      (br_table 0 1 2 1 (i32.rem_u (local.get 0) (i32.const 6))))
      (return (i32.const 11)))
      (return (i32.const 22)))
    (i32.const 33))
  (func $leave (param i32) (result i32)
    (local i32)
    (i32.const 5)
    (loop (param i32) (result i32)
      (drop)
      (local.set 1 (i32.add (local.get 1) (i32.const 3)))
      (local.get 1)
      (br_table 1 0 (i32.lt_u (local.get 1) (local.get 0)))))
  (func (export "run") (param i32) (result i32)
    (local $i i32) (local $sum i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get 0)))
        (local.set $sum (i32.add (local.get $sum)
          (i32.add (call $pick (local.get $i)) (call $leave (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $sum)))
