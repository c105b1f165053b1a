;; never_loads.wat - tfaas_load does not end; it spends its time in one bulk operation after another.
(module
  (memory (export "memory") 64)
  (func (export "tfaas_load") (result i32)
    (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 4194304)) (br $again))
    (i32.const 0))
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
