;; Wants 256 MB from the start.
(module (memory (export "memory") 4096) (func (export "_start") nop))
