;; The host ends the run (as proc_exit does) from three frames deep, loops pending in each. Nothing
;; follows a call in its block, so the count must be exact.
(module
  (import "env" "exit" (func $exit))
  (func $inner (param i32)
    (loop
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (call $exit))
  (func $middle (param i32)
    (local i32)
    (local.set 1 (local.get 0))
    (loop
      (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (if (local.get 0) (then (call $inner (local.get 0))))
    (drop (i32.const 1)))
  (func (export "run") (param i32) (result i32)
    (local i32)
    (loop
      (if (i32.eq (local.get 1) (local.get 0)) (then (call $middle (local.get 0))))
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br 0))
    (unreachable)))
