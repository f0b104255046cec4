;; A function that is not async, with a post-return.
(component
  (import "airlock:guest/types@1.0.0" (instance $types
    (type $record (record (field "code" string) (field "message" string) (field "details" string)))
    (export "function-error" (type (eq $record)))))
  (alias export $types "function-error" (type $error))
  {{definitions}}
  (core module $guest
    {{imports}}
    (memory (export "memory") 2)
    (data (i32.const 1024) "1")
    {{fields}}
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 2048))
    (func (export "handle") (param i32 i32) (result i32) {{handle}}
      (i32.store (i32.const 20) (i32.const 1024)) (i32.store (i32.const 24) (i32.const 1)) (i32.const 16))
    (func (export "post-return") (param i32) {{post-return}}))
  (core instance $instance (instantiate $guest {{arguments}}))
  (func $handle (param "input" string) (result (result string (error $error)))
    (canon lift (core func $instance "handle") (memory (core memory $instance "memory"))
      (realloc (core func $instance "realloc")) (post-return (core func $instance "post-return"))))
  (instance $handler (export "function-error" (type $error)) (export "handle" (func $handle)))
  (export "airlock:guest/handler@1.0.0" (instance $handler)))
