;; Answers with a length that its memory does not have.
(func (export "handle") (param $at i32) (result i32)
  (call $answer (i32.const 64) (i32.const 0x7fffffff)))
