;; Sign extension, saturating conversions, selects, 64-bit arithmetic, floats with NaN.
(module
  (func (export "run") (param i32) (result i32)
    (local $a i64) (local $x f64)
    (local.set $x (f64.const 1e9))
    (loop
      (local.set $x (f64.mul (local.get $x) (f64.const -3.5)))
      (local.set $a (i64.add (local.get $a) (i64.trunc_sat_f64_s (local.get $x))))
      (local.set $a (i64.rotl (i64.extend16_s (local.get $a)) (i64.const 3)))
      (local.set $a (select (local.get $a) (i64.const 77) (i32.and (local.get 0) (i32.const 1))))
      (local.set $a (i64.add (local.get $a)
        (i64.extend_i32_s (i32.trunc_sat_f32_u (f32.demote_f64 (local.get $x))))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.add (i32.wrap_i64 (local.get $a))
      (i32.trunc_sat_f64_s (f64.sqrt (f64.const -1))))))
