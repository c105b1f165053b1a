;; memory.grow and table.grow that succeed, that fail, and by zero; size read back.
(module
  (memory (export "memory") 1 9)
  (table $t 2 20 funcref)
  (func (export "run") (param i32) (result i32)
    (local i32)
    (loop
      (local.set 1 (i32.add (i32.mul (local.get 1) (i32.const 3)) (memory.grow (i32.const 2))))
      (local.set 1 (i32.add (local.get 1) (memory.grow (i32.const 0))))
      (local.set 1 (i32.add (local.get 1) (table.grow $t (ref.null func) (i32.const 5))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (drop (memory.grow (i32.const -1)))
    (i32.add (i32.add (local.get 1) (memory.size)) (table.size $t))))
