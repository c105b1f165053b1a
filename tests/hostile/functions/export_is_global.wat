;; export_is_global.wat - must be refused when it is loaded (tests/hostile/limits.c).
(module
  (memory (export "memory") 1)
  (global (export "tfaas_handle") i32 (i32.const 0)))
