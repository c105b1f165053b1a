;; never_starts.wat - the start function does not end: loading must.
(module
  (memory (export "memory") 1)
  (func $start (loop $again (br $again)))
  (start $start)
  (func (export "tfaas_handle") (result i32) (i32.const 0)))
