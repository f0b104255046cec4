;; Three components: `owner` has the resource, `borrower` is lent it, and `main` brings them together.
(component
  (import "airlock:guest/types@1.0.0" (instance $types
    (type $record (record (field "code" string) (field "message" string) (field "details" string)))
    (export "function-error" (type (eq $record)))))
  (component $owner
    (type $thing' (resource (rep i32)))
    (export $thing "thing" (type $thing'))
    (core func $new (canon resource.new $thing'))
    (core module $m
      (import "host" "new" (func $new (param i32) (result i32)))
      (func (export "make") (param i32) (result i32) (call $new (local.get 0))))
    (core instance $i (instantiate $m (with "host" (instance (export "new" (func $new))))))
    (func (export "make") (param "rep" u32) (result (own $thing)) (canon lift (core func $i "make"))))
  (component $borrower
    (import "thing" (type $thing (sub resource)))
    (core func $drop (canon resource.drop $thing))
    (core module $m
      (import "host" "drop" (func $drop (param i32)))
      (func (export "lend") (param i32) {{inner}}))
    (core instance $i (instantiate $m (with "host" (instance (export "drop" (func $drop))))))
    (func (export "lend") (param "thing" (borrow $thing)) (canon lift (core func $i "lend"))))
  (component $main
    (import "airlock:guest/types@1.0.0" (instance $types
      (type $record (record (field "code" string) (field "message" string) (field "details" string)))
      (export "function-error" (type (eq $record)))))
    (alias export $types "function-error" (type $error))
    (import "thing" (type $thing (sub resource)))
    (import "make" (func $make (param "rep" u32) (result (own $thing))))
    (import "lend" (func $lend (param "thing" (borrow $thing))))
    (core module $libc
      (memory (export "memory") {{pages}})
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
    (core instance $libc (instantiate $libc))
    (core func $new (canon lower (func $make)))
    (core func $lend (canon lower (func $lend)))
    (core module $guest
      (import "libc" "memory" (memory 1))
      (import "host" "new" (func $new (param i32) (result i32)))
      (import "host" "lend" (func $lend (param i32)))
      (func (export "handle") (param i32 i32) (result i32) (local $a i32)
        {{handle}}
        (i32.store8 (i32.const 16) (i32.const 0)) (i32.store8 (i32.const 32) (i32.const 49))
        (i32.store (i32.const 20) (i32.const 32)) (i32.store (i32.const 24) (i32.const 1)) (i32.const 16)))
    (core instance $guest (instantiate $guest
      (with "libc" (instance $libc))
      (with "host" (instance (export "new" (func $new)) (export "lend" (func $lend))))))
    (type $handle (func async (param "input" string) (result (result string (error $error)))))
    (func $handle (type $handle) (canon lift (core func $guest "handle")
      (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (instance $handler (export "function-error" (type $error)) (export "handle" (func $handle)))
    (export "airlock:guest/handler@1.0.0" (instance $handler)))
  (instance $owner (instantiate $owner))
  (alias export $owner "thing" (type $thing))
  (instance $borrower (instantiate $borrower (with "thing" (type $thing))))
  (instance $main (instantiate $main
    (with "airlock:guest/types@1.0.0" (instance $types)) (with "thing" (type $thing))
    (with "make" (func $owner "make")) (with "lend" (func $borrower "lend"))))
  (export "airlock:guest/handler@1.0.0" (instance $main "airlock:guest/handler@1.0.0")))
