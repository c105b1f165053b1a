;; Nested blocks and ifs with results, branches that skip several levels, code nobody reaches.
(module
  (func $classify (param i32) (result i32)
    (block $out (result i32)
      (block $odd
        (br_if $odd (i32.and (local.get 0) (i32.const 1)))
        (if (result i32) (i32.gt_s (local.get 0) (i32.const 10))
          (then
            (if (result i32) (i32.gt_s (local.get 0) (i32.const 20))
              (then (br $out (i32.const 3)))
              (else (i32.const 2))))
          (else
            (block $inner (result i32)
              (br_if $inner (i32.const 7) (i32.eqz (local.get 0)))
              (drop)
              (i32.const 1))))
        (br $out)
        (drop (i32.const 99))
        (loop (br 0)))
      (nop)
      (if (i32.gt_s (local.get 0) (i32.const 15)) (then (nop) (br $out (i32.const 5))))
      (if (i32.eq (local.get 0) (i32.const 3)) (then) (else (nop)))
      (i32.const 4)))
  (func (export "run") (param i32) (result i32)
    (local i32)
    (loop
      (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 3)) (call $classify (local.get 0))))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if 0 (i32.ge_s (local.get 0) (i32.const 0))))
    (local.get 1)))
