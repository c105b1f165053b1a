;; tables.wat - state in tables and segments, which no image of memory holds: the function is
;; initialised in every run. 'f' (last byte of the request) overwrites and grows the table and drops
;; the segments, 'p' answers with what each element returns.
(module
  (import "tfaas" "request_read" (func $read (param i32 i32) (result i32)))
  (import "tfaas" "response_write" (func $write (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (type $number (func (result i32)))
  (table $t 8 1000 funcref)
  (elem (table $t) (i32.const 0) func $one $two $three)
  (elem $more func $two $two)
  (data $text "segment")
  (global $started (mut i32) (i32.const 0))
  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func $three (result i32) (i32.const 3))
  (func $evil (result i32) (i32.const 666))
  (elem declare func $evil)
  (func $start
    (global.set $started (i32.add (global.get $started) (i32.const 1)))
    (table.set $t (i32.const 4) (ref.func $three)))
  (start $start)

  (func $element (param $i i32) (result i32)
    (if (ref.is_null (table.get $t (local.get $i))) (then (return (i32.const 0))))
    (call_indirect $t (type $number) (local.get $i)))

  (func $probe
    (local $i i32)
    (memory.init $text (i32.const 4000) (i32.const 0) (i32.const 7))
    (table.init $t $more (i32.const 6) (i32.const 0) (i32.const 2))
    (loop $next
      (i32.store offset=2052 (i32.mul (local.get $i) (i32.const 4)) (call $element (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (table.size $t))))
    (i32.store (i32.const 2048) (i32.const 0x00c84001))
    (i32.store offset=2052 (i32.mul (local.get $i) (i32.const 4)) (global.get $started))
    (drop (call $write (i32.const 2048)
                       (i32.add (i32.const 8) (i32.mul (local.get $i) (i32.const 4)))
                       (i32.const 1))))

  (func (export "tfaas_handle") (result i32)
    (local $size i32)
    (local.set $size (call $read (i32.const 4096) (i32.const 4096)))
    (if (i32.eq (i32.load8_u offset=4095 (local.get $size)) (i32.const 112))
      (then (call $probe) (return (i32.const 0))))
    (table.fill $t (i32.const 0) (ref.func $evil) (table.size $t))
    (drop (table.grow $t (ref.func $evil) (i32.const 100)))
    (global.set $started (i32.const 99))
    (elem.drop $more)
    (data.drop $text)
    (i32.store (i32.const 2048) (i32.const 0x00c84001))
    (drop (call $write (i32.const 2048) (i32.const 4) (i32.const 1)))
    (i32.const 0)))
