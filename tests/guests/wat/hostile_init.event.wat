;; Traps in its init phase.
(func (export "init") (result i32) unreachable)
(func (export "handle") (param $at i32) (result i32)
  (call $answer (i32.const 0) (i32.const 0)))
