;; Eight tables of a million elements: 64 MB outside the linear memory in every run.
(module
  (table 1000000 funcref) (table 1000000 funcref) (table 1000000 funcref) (table 1000000 funcref)
  (table 1000000 funcref) (table 1000000 funcref) (table 1000000 funcref) (table 1000000 funcref)
  (memory (export "memory") 1)
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
