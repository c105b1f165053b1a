;; globals.wat - state in memory and globals. The request's last 17 bytes are a canary (16) and a
;; command: 'f' fills every byte of memory (all it can grow to) and every mutable global with the
;; canary, 'r' only the pages whose bit in the canary's first half is set, 'p' answers with what
;; the function sees of its own state.
(module
  (import "tfaas" "request_read" (func $read (param i32 i32) (result i32)))
  (import "tfaas" "response_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 40 80)
  (global $a (mut i32) (i32.const 7))
  (global $b (mut i64) (i64.const 8))
  (global $c (mut f32) (f32.const 9))
  (global $d (mut f64) (f64.const 10))
  (global $e (mut v128) (v128.const i64x2 11 12))
  (global $loads (mut i32) (i32.const 0))
  (data (i32.const 70000) "initial bytes of the image")

  ;; Runs before the image is taken: what it leaves in globals and memory belongs to every run.
  (func (export "tfaas_load") (result i32)
    (global.set $loads (i32.add (global.get $loads) (i32.const 41)))
    (global.set $e (v128.const i64x2 21 22))
    (i32.store (i32.const 80000) (i32.const 0x12345678))
    (i32.const 0))

  (func $fill (param $at i32) (param $end i32) (param $lo i64) (param $hi i64)
    (loop $next
      (i64.store (local.get $at) (local.get $lo))
      (i64.store offset=8 (local.get $at) (local.get $hi))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Sum of all bytes of memory from 64 KiB on, in 8-byte words: what the guest itself sees.
  (func $sum (result i64)
    (local $at i32) (local $end i32) (local $sum i64)
    (local.set $at (i32.const 65536))
    (local.set $end (i32.mul (memory.size) (i32.const 65536)))
    (loop $next
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
                               (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (local.get $sum))

  (func $probe
    (local $sum i64)
    (local.set $sum (call $sum))
    (i32.store (i32.const 2048) (i32.const 0x00c84001)) ;; response head: 1, status 200, no fields
    (i32.store (i32.const 2052) (global.get $a))
    (i64.store (i32.const 2056) (global.get $b))
    (f32.store (i32.const 2064) (global.get $c))
    (f64.store (i32.const 2068) (global.get $d))
    (v128.store (i32.const 2076) (global.get $e))
    (i32.store (i32.const 2092) (global.get $loads))
    (i32.store (i32.const 2096) (memory.size))
    (i64.store (i32.const 2100) (local.get $sum))
    (drop (call $write (i32.const 2048) (i32.const 60) (i32.const 1))))

  (func (export "tfaas_handle") (result i32)
    (local $size i32) (local $lo i64) (local $hi i64) (local $command i32) (local $page i32)
    (local.set $size (call $read (i32.const 4096) (i32.const 4096)))
    (if (i32.lt_s (local.get $size) (i32.const 17)) (then (return (i32.const 1))))
    (local.set $lo (i64.load offset=4079 (local.get $size)))
    (local.set $hi (i64.load offset=4087 (local.get $size)))
    (local.set $command (i32.load8_u offset=4095 (local.get $size)))
    (if (i32.eq (local.get $command) (i32.const 112))
      (then (call $probe) (return (i32.const 0))))
    (global.set $a (i32.wrap_i64 (local.get $lo)))
    (global.set $b (local.get $hi))
    (global.set $c (f32.reinterpret_i32 (i32.wrap_i64 (local.get $hi))))
    (global.set $d (f64.reinterpret_i64 (local.get $lo)))
    (global.set $e (i64x2.replace_lane 1 (i64x2.splat (local.get $lo)) (local.get $hi)))
    (global.set $loads (i32.const -1))
    (if (i32.eq (local.get $command) (i32.const 102))
      (then
        (drop (memory.grow (i32.sub (i32.const 80) (memory.size))))
        (call $fill (i32.const 0) (i32.mul (memory.size) (i32.const 65536))
                    (local.get $lo) (local.get $hi)))
      (else
        (drop (memory.grow (i32.wrap_i64 (i64.and (local.get $hi) (i64.const 15)))))
        (loop $next
          (if (i32.wrap_i64 (i64.and (i64.shr_u (local.get $lo) (i64.extend_i32_u (local.get $page)))
                                     (i64.const 1)))
            (then (call $fill (i32.mul (local.get $page) (i32.const 4096))
                              (i32.add (i32.mul (local.get $page) (i32.const 4096)) (i32.const 4096))
                              (local.get $lo) (local.get $hi))))
          (local.set $page (i32.add (local.get $page) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $page)
                                 (i32.mul (memory.size) (i32.const 16)))))))
    (i32.store (i32.const 2048) (i32.const 0x00c84001))
    (drop (call $write (i32.const 2048) (i32.const 4) (i32.const 1)))
    (i32.const 0)))
