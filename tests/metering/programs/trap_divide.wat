;; An implicit trap in a small function: what its callers did is counted.
(module
  (func $divide (param i32 i32) (result i32)
    (if (i32.gt_s (local.get 0) (i32.const 1000)) (then (return (i32.const 0))))
    (i32.div_s (local.get 0) (local.get 1)))
  (func (export "run") (param i32) (result i32)
    (local i32)
    (loop
      (local.set 1 (i32.add (local.get 1) (call $divide (i32.const 500) (local.get 0))))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br 0))
    (unreachable)))
