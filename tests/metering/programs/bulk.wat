;; memory.copy, fill and init (passive and active segments), sizes 0 and up, in all kinds of block.
(module
  (memory (export "memory") 1)
  (data $active (i32.const 64) "abcdef")
  (data $passive "0123456789")
  (func $leaf (param i32) (memory.fill (i32.const 1000) (i32.const 42) (local.get 0)))
  (func (export "run") (param i32) (result i32)
    (memory.init $active (i32.const 0) (i32.const 0) (i32.const 0))
    (memory.init $passive (i32.const 2000) (i32.const 3) (i32.const 5))
    (loop
      (call $leaf (i32.mul (local.get 0) (i32.const 63)))
      (memory.copy (i32.const 3000) (i32.const 990) (i32.mul (local.get 0) (i32.const 97)))
      (if (i32.and (local.get 0) (i32.const 1))
        (then (memory.fill (i32.const 20000) (local.get 0) (i32.const 128))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (data.drop $passive)
    (i32.add (i32.load (i32.const 3010))
             (i32.add (i32.load (i32.const 2000)) (i32.load (i32.const 64))))))
