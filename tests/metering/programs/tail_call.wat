;; Tail calls, direct and indirect, last in their functions (a twin with plain calls is counted).
(module
  (type $f (func (param i32 i32) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $down)
  (func $sum (param i32 i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
    (return_call $sum (i32.sub (local.get 0) (i32.const 1))
                      (i32.add (local.get 0) (local.get 1))))
  (func $down (param i32 i32) (result i32)
    (local i32)
    (loop
      (local.set 2 (i32.add (local.get 2) (i32.const 2)))
      (br_if 0 (i32.lt_u (local.get 2) (local.get 0))))
    (return_call $sum (local.get 0) (local.get 2)))
  (func (export "run") (param i32) (result i32)
    (return_call_indirect (type $f) (local.get 0) (i32.const 1) (i32.const 0))))
