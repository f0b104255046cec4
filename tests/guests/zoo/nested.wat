;; Two components beside each other: what crosses between them passes an adapter that Wasmtime generates.
(component
  (import "airlock:guest/types@1.0.0" (instance $types
    (type $record (record (field "code" string) (field "message" string) (field "details" string)))
    (export "function-error" (type (eq $record)))))
  (component $inner
    (core module $m
      (memory (export "memory") {{pages}})
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
      {{inner}})
    (core instance $i (instantiate $m))
    {{types}}
    (func (export "f") {{signature}} (canon lift (core func $i "f")
      (memory (core memory $i "memory")) (realloc (core func $i "realloc")) {{options}})))
  (component $main
    (import "airlock:guest/types@1.0.0" (instance $types
      (type $record (record (field "code" string) (field "message" string) (field "details" string)))
      (export "function-error" (type (eq $record)))))
    (alias export $types "function-error" (type $error))
    (import "inner" (instance $inner {{imported-types}} (export "f" (func {{signature}}))))
    (core module $libc
      (memory (export "memory") {{pages}})
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $libc (instantiate $libc))
    (core func $f (canon lower (func $inner "f") (memory (core memory $libc "memory"))
      (realloc (core func $libc "realloc"))))
    (core module $guest
      (import "libc" "memory" (memory 1))
      (import "inner" "f" (func $f {{core}}))
      (func (export "handle") (param i32 i32) (result i32) (local $a i32)
        {{handle}}
        (i32.store8 (i32.const 16) (i32.const 0)) (i32.store8 (i32.const 32) (i32.const 49))
        (i32.store (i32.const 20) (i32.const 32)) (i32.store (i32.const 24) (i32.const 1)) (i32.const 16)))
    (core instance $guest (instantiate $guest
      (with "libc" (instance $libc)) (with "inner" (instance (export "f" (func $f))))))
    (type $handle (func async (param "input" string) (result (result string (error $error)))))
    (func $handle (type $handle) (canon lift (core func $guest "handle")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (instance $handler (export "function-error" (type $error)) (export "handle" (func $handle)))
    (export "airlock:guest/handler@1.0.0" (instance $handler)))
  (instance $inner (instantiate $inner))
  (instance $main (instantiate $main
    (with "airlock:guest/types@1.0.0" (instance $types)) (with "inner" (instance $inner))))
  (export "airlock:guest/handler@1.0.0" (instance $main "airlock:guest/handler@1.0.0")))
