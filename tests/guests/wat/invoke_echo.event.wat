;; Answers the event it gets.
(func (export "handle") (param $at i32) (result i32)
  (call $answer (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))
