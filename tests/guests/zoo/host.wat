;; A function with lowered host calls: the log, the context, a database and an HTTP API.
(component
  (import "airlock:guest/types@1.0.0" (instance $types
    (type $record (record (field "code" string) (field "message" string) (field "details" string)))
    (export "function-error" (type (eq $record)))
    (type $denied' (record (field "reason" string) (field "rule" string) (field "hint" string)))
    (export "denied" (type $denied (eq $denied')))
    (type $limit' (record (field "limit" string) (field "configured" f64) (field "used" f64) (field "hint" string)))
    (export "limit-exceeded" (type $limit (eq $limit')))
    (type $backend' (record (field "code" string) (field "message" string)))
    (export "backend-error" (type $backend (eq $backend')))
    (type $host-error (variant (case "denied" $denied) (case "limit" $limit) (case "timeout" string)
      (case "unavailable" string) (case "bad-request" string) (case "backend" $backend)))
    (export "host-error" (type (eq $host-error)))))
  (alias export $types "function-error" (type $error))
  (alias export $types "host-error" (type $host-error))
  (import "airlock:guest/log@1.0.0" (instance $log
    (type $level' (enum "trace" "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "write" (func (param "level" $level) (param "message" string) (param "fields" string)))))
  (import "airlock:guest/context@1.0.0" (instance $context
    (type $invocation' (record (field "id" string) (field "function" string) (field "revision" string)
      (field "environment" string) (field "tenant" string) (field "principal" string) (field "deadline-unix-ms" f64)))
    (export "invocation" (type $invocation (eq $invocation')))
    (export "current" (func (result $invocation)))))
  {{imports}}
  (core module $libc
    (type $call (func (param i32)))
    (memory (export "memory") {{pages}})
    (table (export "table") 1 funcref)
    (global $top (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      {{realloc}}
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $log (canon lower (func $log "write") (memory $memory)))
  (core func $current (canon lower (func $context "current") (memory $memory) (realloc $realloc)))
  {{lowered}}
  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "libc" "table" (table 1 funcref))
    (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
    (import "host" "current" (func $current (param i32)))
    {{core}}
    (elem (i32.const 0) $current)
    (func (export "handle") (param $pointer i32) (param $length i32) (result i32) (local $a i32)
      {{handle-first}}
      {{handle}}
      (i32.store8 (i32.const 16) (i32.const 0)) (i32.store8 (i32.const 32) (i32.const 49))
      (i32.store (i32.const 20) (i32.const 32)) (i32.store (i32.const 24) (i32.const 1)) (i32.const 16)))
  (core instance $guest (instantiate $guest
    (with "libc" (instance $libc))
    (with "host" (instance (export "log" (func $log)) (export "current" (func $current)) {{exports}}))))
  (type $handle (func async (param "input" string) (result (result string (error $error)))))
  (func $handle (type $handle) (canon lift (core func $guest "handle") (memory $memory) (realloc $realloc)))
  (instance $handler (export "function-error" (type $error)) (export "handle" (func $handle)))
  (export "airlock:guest/handler@1.0.0" (instance $handler)))
