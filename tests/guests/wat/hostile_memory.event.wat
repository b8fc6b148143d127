;; Grows and touches its memory until that is refused, then traps, as an allocator would.
(func (export "handle") (param $at i32) (result i32)
  (local $old i32)
  (loop $more
    (local.set $old (memory.grow (i32.const 16)))
    (if (i32.eq (local.get $old) (i32.const -1)) (then unreachable))
    (memory.fill (i32.mul (local.get $old) (i32.const 65536)) (i32.const 1) (i32.const 1048576))
    (br $more))
  unreachable)
