;; Answers the text that stands for MARK: a function as small as can be, a version for each text.
(data (i32.const 64) "\"MARK\"")
(func (export "handle") (param $at i32) (result i32)
  (call $answer (i32.const 64) (i32.const LENGTH)))
