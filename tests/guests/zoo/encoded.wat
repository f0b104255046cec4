;; A function whose strings are not UTF-8.
(component
  (import "airlock:guest/types@1.0.0" (instance $types
    (type $record (record (field "code" string) (field "message" string) (field "details" string)))
    (export "function-error" (type (eq $record)))))
  (alias export $types "function-error" (type $error))
  (core module $guest
    (memory (export "memory") 2)
    (data (i32.const 1024) "{{data}}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {{allocated}})
    (func (export "handle") (param i32 i32) (result i32)
      (i32.store (i32.const 20) (i32.add (i32.const 1024) (i32.const {{offset}})))
      (i32.store (i32.const 24) (i32.const {{length}})) (i32.const 16)))
  (core instance $guest (instantiate $guest))
  (type $handle (func async (param "input" string) (result (result string (error $error)))))
  (func $handle (type $handle) (canon lift (core func $guest "handle") string-encoding={{encoding}}
    (memory (core memory $guest "memory")) (realloc (core func $guest "realloc"))))
  (instance $handler (export "function-error" (type $error)) (export "handle" (func $handle)))
  (export "airlock:guest/handler@1.0.0" (instance $handler)))
