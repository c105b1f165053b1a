;; A search loop that leaves by br_if to the function's label, by return, and by falling out.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "\05\09\02\07\ff\01\03\08")
  (func $find (param $what i32) (result i32)
    (local $at i32)
    (loop $next
      (br_if 1 (local.get $at) (i32.eq (i32.load8_u (local.get $at)) (local.get $what)))
      (drop)
      (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 255)) (then (return (i32.const -1))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 8))))
    (i32.const -2))
  (func (export "run") (param i32) (result i32)
    (local i32)
    (block
      (loop
        (br_if 1 (i32.eqz (local.get 0)))
        (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 7))
                              (call $find (i32.rem_u (local.get 0) (i32.const 11)))))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br 0)))
    (local.get 1)))
