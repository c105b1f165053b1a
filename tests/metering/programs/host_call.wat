;; Calls of a host function, direct and through a table; it sees the counter each time.
(module
  (type $f (func (param i32) (result i32)))
  (import "env" "host" (func $host (type $f)))
  (table 2 funcref)
  (elem (i32.const 0) $host $twice)
  (func $twice (param i32) (result i32)
    (i32.mul (local.get 0) (i32.const 2)))
  (func (export "run") (param i32) (result i32)
    (local i32)
    (loop
      (local.set 1 (i32.add (call $host (local.get 1)) (local.get 0)))
      (local.set 1 (call_indirect (type $f) (local.get 1) (i32.and (local.get 0) (i32.const 1))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1)))
