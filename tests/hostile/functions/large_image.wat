;; Fills 64 MiB while it is loaded: its image is as large.
(module
  (memory (export "memory") 1025)
  (func (export "tfaas_load") (result i32)
    (memory.fill (i32.const 65536) (i32.const 1) (i32.const 67108864))
    (i32.const 0))
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
