;; A command module by hand: WASI preview 1, no compiler, no libc.
;;
;; Reads {"name": "..."} from stdin and writes {"message":"Hello, ...!"} to stdout. The name is the text between
;; the quotes that follow the first `"name"`, passed on as it stands, so escapes in it stay valid JSON. Without
;; one it greets the world. An event that is cut off within the name, or is larger than 60 kB, ends the
;; process with status 1 and a line on stderr.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 1)

  ;; 0: one iovec (address, length); 8: how much was moved; 64: texts; 4096 to the end of the page: the event.
  (data (i32.const 64) "{\"message\":\"Hello, ")
  (data (i32.const 96) "!\"}")
  (data (i32.const 112) "world")
  (data (i32.const 128) "\"name\"")
  (data (i32.const 144) "the event is not {\"name\": \"...\"}\n")
  (data (i32.const 192) "the event is larger than 60 kB\n")

  ;; Writes all of `length` bytes at `address`, or exits with 1.
  (func $write (param $fd i32) (param $address i32) (param $length i32)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (local.get $length)))
        (i32.store (i32.const 0) (local.get $address))
        (i32.store (i32.const 4) (local.get $length))
        (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))
          (then (call $proc_exit (i32.const 1)) (unreachable)))
        (local.set $address (i32.add (local.get $address) (i32.load (i32.const 8))))
        (local.set $length (i32.sub (local.get $length) (i32.load (i32.const 8))))
        (br $more))))

  ;; Says why on stderr and exits with 1.
  (func $fail (param $address i32) (param $length i32)
    (call $write (i32.const 2) (local.get $address) (local.get $length))
    (call $proc_exit (i32.const 1))
    (unreachable))

  ;; Reads stdin to its end; the end of the event's bytes.
  (func $read (result i32) (local $end i32)
    (local.set $end (i32.const 4096))
    (loop $more
      (if (i32.eq (local.get $end) (i32.const 65536))
        (then (call $fail (i32.const 192) (i32.const 31))))
      (i32.store (i32.const 0) (local.get $end))
      (i32.store (i32.const 4) (i32.sub (i32.const 65536) (local.get $end)))
      (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
        (then (call $proc_exit (i32.const 1)) (unreachable)))
      (local.set $end (i32.add (local.get $end) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 8))))
    (local.get $end))

  ;; Where the first `"name"` ends, or 0.
  (func $after_key (param $end i32) (result i32) (local $at i32) (local $i i32)
    (local.set $at (i32.const 4096))
    (block $absent
      (loop $next
        (br_if $absent (i32.gt_u (i32.add (local.get $at) (i32.const 6)) (local.get $end)))
        (local.set $i (i32.const 0))
        (block $differs
          (loop $same
            (br_if $differs
              (i32.ne
                (i32.load8_u (i32.add (local.get $at) (local.get $i)))
                (i32.load8_u offset=128 (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $same (i32.lt_u (local.get $i) (i32.const 6))))
          (return (i32.add (local.get $at) (i32.const 6))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; The next `"` that no backslash escapes, from `at` on; fails if there is none.
  (func $quote (param $at i32) (param $end i32) (result i32) (local $byte i32)
    (block $missing
      (loop $next
        (br_if $missing (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (if (i32.eq (local.get $byte) (i32.const 0x22))
          (then (return (local.get $at))))
        (local.set $at
          (i32.add (local.get $at)
            (select (i32.const 2) (i32.const 1) (i32.eq (local.get $byte) (i32.const 0x5c)))))
        (br $next)))
    (call $fail (i32.const 144) (i32.const 33))
    (unreachable))

  (func (export "_start") (local $end i32) (local $from i32) (local $to i32)
    (local.set $end (call $read))
    (local.set $from (call $after_key (local.get $end)))
    (if (local.get $from)
      (then
        (local.set $from (i32.add (call $quote (local.get $from) (local.get $end)) (i32.const 1)))
        (local.set $to (call $quote (local.get $from) (local.get $end))))
      (else
        (local.set $from (i32.const 112))
        (local.set $to (i32.const 117))))
    (call $write (i32.const 1) (i32.const 64) (i32.const 19))
    (call $write (i32.const 1) (local.get $from) (i32.sub (local.get $to) (local.get $from)))
    (call $write (i32.const 1) (i32.const 96) (i32.const 3))))
