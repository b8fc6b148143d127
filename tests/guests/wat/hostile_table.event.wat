;; Grows a table until that is refused, then traps.
(table $grown 1 externref)
(func (export "handle") (param $at i32) (result i32)
  (loop $more
    (if (i32.eq (table.grow $grown (ref.null extern) (i32.const 65536)) (i32.const -1)) (then unreachable))
    (br $more))
  unreachable)
