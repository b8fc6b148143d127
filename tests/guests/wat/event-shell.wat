;; The component around the `*.event.wat` guests: the harness puts a guest's text where GUEST stands, in the core module.
;; A guest defines the core function `handle`: the address of its parameters in, the address of its result out.
;;   parameters: event (address, length) at 0 and 4, then the context record from 8: request-id, function-name,
;;               function-version (address, length each), qualifier …
;;   result:     at 0 one byte, 0 for ok; at 4 and 8 the response's address and length
;; The lines marked INIT stay only where the guest exports `init`.
(component
  (import "lamina:function/types@0.1.0" (instance $types
    (type $context' (record
      (field "request-id" string)
      (field "function-name" string)
      (field "function-version" string)
      (field "qualifier" (option string))
      (field "invoked-function-arn" string)
      (field "memory-limit-mb" u32)
      (field "deadline-ms" u64)
      (field "log-group" string)
      (field "log-stream" string)
      (field "trace-id" (option string))
      (field "client-context" (option string))))
    (export "context" (type (eq $context')))
    (type $error' (record
      (field "error-type" string)
      (field "error-message" string)
      (field "stack-trace" (list string))))
    (export "function-error" (type (eq $error')))))
  (alias export $types "context" (type $context))
  (alias export $types "function-error" (type $error))
  (core module $guest
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 65536))
    (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local $end i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (local.set $end (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (local.get $end) (i32.mul (memory.size) (i32.const 65536)))
        (then
          (if (i32.eq (memory.grow (i32.add (i32.const 1) (i32.div_u
                (i32.sub (local.get $end) (i32.mul (memory.size) (i32.const 65536))) (i32.const 65536))))
                (i32.const -1))
            (then unreachable))))
      (memory.copy (local.get $at) (local.get $old) (local.get $old_size))
      (global.set $free (local.get $end))
      (local.get $at))
    ;; Gives all memory back: what was allocated for one call is not needed by the next.
    (func $reset (global.set $free (i32.const 65536)))
    ;; Answers ok with the bytes at an address.
    (func $answer (param $at i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (local.get $at))
      (i32.store (i32.const 8) (local.get $length))
      (call $reset)
      (i32.const 0))
    GUEST
  )
  (core instance $instance (instantiate $guest))
  (alias core export $instance "memory" (core memory $memory))
  (alias core export $instance "cabi_realloc" (core func $realloc))
  (alias core export $instance "handle" (core func $handle))
  (func (export "handle") (param "event" (list u8)) (param "context" $context)
    (result (result (list u8) (error $error)))
    (canon lift (core func $handle) (memory $memory) (realloc $realloc)))
  (alias core export $instance "init" (core func $init)) ;; INIT
  (func (export "init") (result (result (error $error))) (canon lift (core func $init) (memory $memory))) ;; INIT
)
