;; 128-bit vectors: loads, lanes, shuffles, constants, comparisons.
(module
  (memory (export "memory") 1)
  (data (i32.const 0) "\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f\10")
  (func (export "run") (param i32) (result i32)
    (local $sum v128)
    (loop
      (local.set $sum
        (i32x4.add (local.get $sum)
          (i32x4.mul (v128.load (i32.const 0)) (i32x4.splat (local.get 0)))))
      (v128.store (i32.const 16)
        (i8x16.shuffle 3 2 1 0 7 6 5 4 27 26 25 24 31 30 29 28 (local.get $sum) (local.get $sum)))
      (local.set $sum (v128.xor (local.get $sum) (v128.load32_splat (i32.const 16))))
      (local.set $sum (v128.load8_lane 3 (i32.const 5) (local.get $sum)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.add (i32x4.extract_lane 0 (local.get $sum))
      (i32.xor (i32x4.extract_lane 2 (local.get $sum))
        (i8x16.bitmask (i8x16.gt_s (local.get $sum) (v128.const i32x4 1 2 3 4)))))))
