;; bomb.wat - asks for too much: the last byte of the request says of what.
(module
  (import "tfaas" "request_read" (func $read (param i32 i32) (result i32)))
  (import "tfaas" "response_write" (func $write (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (memory (export "memory") 2)
  (table $t 1 funcref)
  (data (i32.const 0) "\01\40\c8\00refused")
  (data (i32.const 64) "one line of the log bomb, of a length that is forty-nine\n")
  (data (i32.const 128) "\40\00\00\00\39\00\00\00") ;; iovec: 57 bytes at 64

  (func $refused (drop (call $write (i32.const 0) (i32.const 11) (i32.const 1))))

  (func (export "tfaas_handle") (result i32)
    (local $size i32) (local $what i32)
    (local.set $size (call $read (i32.const 4096) (i32.const 4096)))
    (local.set $what (i32.load8_u offset=4095 (local.get $size)))
    ;; m: memory until it is refused, then trap; n: the same, but live with it
    (if (i32.or (i32.eq (local.get $what) (i32.const 109)) (i32.eq (local.get $what) (i32.const 110)))
      (then
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (if (i32.eq (local.get $what) (i32.const 109)) (then (unreachable)))
        (call $refused) (return (i32.const 0))))
    ;; g: all memory at once, more than there is address space
    (if (i32.eq (local.get $what) (i32.const 103))
      (then
        (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then (unreachable)))
        (if (i32.ne (memory.grow (i32.const -1)) (i32.const -1)) (then (unreachable)))
        (call $refused) (return (i32.const 0))))
    ;; t: table elements without end
    (if (i32.eq (local.get $what) (i32.const 116))
      (then
        (loop $more
          (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 100000)) (i32.const -1))))
        (if (i32.gt_u (table.size $t) (i32.const 1000000)) (then (unreachable)))
        (call $refused) (return (i32.const 0))))
    ;; o: output without end
    (if (i32.eq (local.get $what) (i32.const 111))
      (then
        (drop (call $write (i32.const 0) (i32.const 4) (i32.const 0)))
        (loop $more
          (br_if $more (i32.ge_s (call $write (i32.const 4096) (i32.const 65536) (i32.const 0))
                                 (i32.const 0))))
        (return (i32.const 0))))
    ;; l: a million lines of log
    (if (i32.eq (local.get $what) (i32.const 108))
      (then
        (local.set $size (i32.const 20000))
        (loop $more
          (drop (call $fd_write (i32.const 2) (i32.const 128) (i32.const 1) (i32.const 160)))
          (local.set $size (i32.sub (local.get $size) (i32.const 1)))
          (br_if $more (local.get $size)))
        (call $refused) (return (i32.const 0))))
    ;; h: host calls without end
    (if (i32.eq (local.get $what) (i32.const 104))
      (then (loop $more (drop (call $yield)) (br $more))))
    (call $refused)
    (i32.const 0)))
