;; A language runtime that interprets nothing: what it does is told by the first character of the handler, and of the event (a JSON string).
;; It keeps the contract of docs/runtimes.md, or breaks it where it is told to.
(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "lamina" "log" (func $log (param i32 i32)))
    (import "lamina" "stream_begin" (func $begin (param i32 i32) (result i32)))
    (import "lamina" "stream_write" (func $stream (param i32 i32) (result i32)))
    (import "lamina" "http_start" (func $start (param i32 i32) (result i32)))
    (import "lamina" "http_wait" (func $wait (param i32 i32 i32) (result i32)))
    (import "lamina" "http_head" (func $head (param i32 i32 i32) (result i32)))
    (memory (export "memory") 200)
    (global (export "__stack_pointer") (mut i32) (i32.const 65536))
    ;; 16: whether rt_alloc lies; 32: invocations so far; 48: 1 once it was started; 64: an iovec; 1024: documents.
    (data (i32.const 1024) "\01{\"errorMessage\":\"told\",\"errorType\":\"Probe.Error\",\"stackTrace\":[\"a\"],\"own\":1.0}")
    (data (i32.const 1280) "\01no document")
    (data (i32.const 1296) "text/plain")
    (data (i32.const 1312) "two\0alines")
    (data (i32.const 1328) "a line\0a")
    (data (i32.const 1344) "\00{}")
    (data (i32.const 1360) "\03")
    (data (i32.const 1376) "\09?")
    (data (i32.const 1392) "\00\"0\"")
    (func (export "_initialize"))
    (func (export "rt_init") (i32.store (i32.const 48) (i32.const 1)))
    (func (export "rt_alloc") (param $len i32) (result i32)
        (if (i32.load (i32.const 16)) (then (return (i32.load (i32.const 16)))))
        (if (i32.gt_u (local.get $len) (i32.const 8000000)) (then (return (i32.const 0))))
        (i32.const 0x100000))
    (func $frame (param $ptr i32) (param $len i32) (result i64)
        (i64.or (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))
    (func $spin (loop $again (br $again)))
    (func (export "rt_load") (param $ptr i32) (param $len i32) (result i64)
        (local $what i32)
        (if (i32.ne (i32.load (i32.const 48)) (i32.const 1)) (then (unreachable)))
        ;; {"handler":"X
        (local.set $what (i32.load8_u (i32.add (local.get $ptr) (i32.const 12))))
        (if (i32.eq (local.get $what) (i32.const 0x65)) (then (return (call $frame (i32.const 1024) (i32.const 79))))) ;; e: an error
        (if (i32.eq (local.get $what) (i32.const 0x75)) (then (unreachable))) ;; u
        (if (i32.eq (local.get $what) (i32.const 0x6c)) (then (call $spin))) ;; l: a loop
        (if (i32.eq (local.get $what) (i32.const 0x71)) (then (call $exit (i32.const 3)))) ;; q: quits
        (if (i32.eq (local.get $what) (i32.const 0x7a)) (then (return (i64.const 0)))) ;; z: zero
        (if (i32.eq (local.get $what) (i32.const 0x70)) (then (call $log (i32.const 1312) (i32.const 9)))) ;; p: prints
        (call $frame (i32.const 1344) (i32.const 1)))
    (func (export "rt_invoke") (param $ptr i32) (param $len i32) (result i64)
        (local $event i32) (local $size i32) (local $what i32)
        (local.set $event (i32.add (i32.add (local.get $ptr) (i32.const 4)) (i32.load (local.get $ptr))))
        (local.set $size (i32.sub (local.get $len) (i32.sub (local.get $event) (local.get $ptr))))
        (local.set $what (i32.load8_u (i32.add (local.get $event) (i32.const 1))))
        (i32.store (i32.const 32) (i32.add (i32.load (i32.const 32)) (i32.const 1)))
        (if (i32.eq (local.get $what) (i32.const 0x61)) (then (i32.store (i32.const 16) (i32.const 0xFFFFFFF0)))) ;; a: lies of its buffer
        (if (i32.eq (local.get $what) (i32.const 0x41)) (then (i32.store (i32.const 16) (i32.const 13107190)))) ;; A: the same, at the end
        (if (i32.eq (local.get $what) (i32.const 0x62)) (then (return (call $frame (i32.const 13107190) (i32.const 100))))) ;; b: past the end
        (if (i32.eq (local.get $what) (i32.const 0x63)) (then (return (call $frame (i32.const 0x100000) (i32.const 7000000))))) ;; c: too large
        (if (i32.eq (local.get $what) (i32.const 0x65)) (then (return (call $frame (i32.const 1024) (i32.const 79))))) ;; e: an error
        (if (i32.eq (local.get $what) (i32.const 0x66)) (then ;; f: a fatal error
            (i32.store8 (i32.const 1024) (i32.const 2))
            (return (call $frame (i32.const 1024) (i32.const 79)))))
        (if (i32.eq (local.get $what) (i32.const 0x67)) (then (call $log (i32.const 0xFFFFFFFF) (i32.const 9)))) ;; g: logs from nowhere
        (if (i32.eq (local.get $what) (i32.const 0x47)) (then (call $log (i32.const 8) (i32.const 0xFFFFFFFF)))) ;; G: logs everything
        (if (i32.eq (local.get $what) (i32.const 0x68)) (then (drop (call $start (i32.const 0xFFFFFFF0) (i32.const 64))))) ;; h
        (if (i32.eq (local.get $what) (i32.const 0x48)) (then (drop (call $wait (i32.const 64) (i32.const 0x7FFFFFFF) (i32.const 0))))) ;; H
        (if (i32.eq (local.get $what) (i32.const 0x69)) (then (drop (call $head (i32.const 7) (i32.const -4) (i32.const 64))))) ;; i: no such handle
        (if (i32.eq (local.get $what) (i32.const 0x6a)) (then (return (call $frame (i32.const 1280) (i32.const 12))))) ;; j: no document
        (if (i32.eq (local.get $what) (i32.const 0x6b)) (then ;; k: writes from nowhere
            (i32.store (i32.const 64) (i32.const 0xFFFFFFF0))
            (i32.store (i32.const 68) (i32.const 64))
            (if (i32.eqz (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 72))) (then (unreachable)))))
        (if (i32.eq (local.get $what) (i32.const 0x6c)) (then (call $spin))) ;; l: a loop
        (if (i32.eq (local.get $what) (i32.const 0x6d)) (then ;; m: all memory
            (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))))
        (if (i32.eq (local.get $what) (i32.const 0x4d)) (then ;; M: the same, and dies of it
            (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
            (unreachable)))
        (if (i32.eq (local.get $what) (i32.const 0x6f)) (then ;; o: how often
            (i32.store8 (i32.const 1394) (i32.add (i32.const 0x30) (i32.load (i32.const 32))))
            (return (call $frame (i32.const 1392) (i32.const 4)))))
        (if (i32.eq (local.get $what) (i32.const 0x70)) (then ;; p: prints
            (call $log (i32.const 1312) (i32.const 9))
            (i32.store (i32.const 64) (i32.const 1328))
            (i32.store (i32.const 68) (i32.const 7))
            (drop (call $write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 72)))))
        (if (i32.eq (local.get $what) (i32.const 0x71)) (then (call $exit (i32.const 3)))) ;; q: quits
        (if (i32.eq (local.get $what) (i32.const 0x51)) (then (call $exit (i32.const 0)))) ;; Q: the same without a reason
        (if (i32.eq (local.get $what) (i32.const 0x73)) (then ;; s: streams
            (drop (call $begin (i32.const 1296) (i32.const 10)))
            (drop (call $stream (i32.const 1312) (i32.const 3)))
            (return (call $frame (i32.const 1360) (i32.const 1)))))
        (if (i32.eq (local.get $what) (i32.const 0x53)) (then ;; S: streams, and fails
            (drop (call $stream (i32.const 1312) (i32.const 3)))
            (i32.store8 (i32.const 1024) (i32.const 3))
            (return (call $frame (i32.const 1024) (i32.const 79)))))
        (if (i32.eq (local.get $what) (i32.const 0x74)) (then (return (call $frame (i32.const 1376) (i32.const 2))))) ;; t: no such tag
        (if (i32.eq (local.get $what) (i32.const 0x75)) (then (unreachable))) ;; u
        (if (i32.eq (local.get $what) (i32.const 0x79)) (then (return (i64.const -1)))) ;; y: everything
        (if (i32.eq (local.get $what) (i32.const 0x7a)) (then (return (i64.const 0)))) ;; z: zero
        (if (i32.eq (local.get $what) (i32.const 0x78)) (then ;; x: the context
            (i32.store8 (i32.add (local.get $ptr) (i32.const 3)) (i32.const 0))
            (return (call $frame (i32.add (local.get $ptr) (i32.const 3)) (i32.sub (i32.sub (local.get $event) (local.get $ptr)) (i32.const 3))))))
        ;; Anything else comes back: the tag takes the place of the context's last character.
        (i32.store8 (i32.sub (local.get $event) (i32.const 1)) (i32.const 0))
        (call $frame (i32.sub (local.get $event) (i32.const 1)) (i32.add (local.get $size) (i32.const 1))))
    (func (export "rt_snapshot") (result i64) (call $frame (i32.const 1344) (i32.const 1)))
    (func (export "rt_restore") (param i32 i32) (result i64) (call $frame (i32.const 1344) (i32.const 1))))
