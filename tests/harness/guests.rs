//! Guests: those that `./scripts/test` built, and small ones written as WAT.

use std::path::{Path, PathBuf};

/// The checkout's `target` directory.
pub fn target_dir() -> PathBuf {
    root().join("target")
}

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a directory of the checkout")
}

/// Manifest and component of a guest under `examples/` or `tests/guests/`.
pub fn built(name: &str) -> (String, Vec<u8>) {
    let source = [root().join("examples").join(name), root().join("tests/guests").join(name)];
    let source = source.iter().find(|dir| dir.is_dir()).unwrap_or_else(|| panic!("no guest `{name}`"));
    let manifest = std::fs::read_to_string(source.join("function.toml")).expect("function.toml");
    let path = target_dir().join("guests").join(name).join(format!("{name}.wasm"));
    let component =
        std::fs::read(&path).unwrap_or_else(|_| panic!("{}: build the guests with ./scripts/test", path.display()));
    (manifest, component)
}

/// A guest as the body of one core function: `handle(pointer, length) -> pointer to the result`.
#[derive(Default)]
pub struct WatGuest {
    /// Instructions of `handle`; parameters are `$pointer` and `$length`, the result is the address of the result area.
    pub handle: String,
    /// More fields of the core module: memories, tables, data, functions.
    pub fields: String,
    /// The memory's own pages.
    pub pages: u32,
    /// Definitions of the component before its core module is instantiated.
    pub definitions: String,
    /// What the core module is instantiated with.
    pub arguments: String,
}

impl WatGuest {
    /// A guest that runs `handle` and nothing else.
    pub fn new(handle: &str) -> Self {
        Self { handle: handle.to_owned(), pages: 2, ..Self::default() }
    }

    #[must_use]
    pub fn fields(mut self, fields: &str) -> Self {
        fields.clone_into(&mut self.fields);
        self
    }

    /// A guest that returns `text`.
    pub fn returning(text: &str) -> Self {
        let data: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let handle = format!(
            "(i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1024))
             (i32.store (i32.const 24) (i32.const {})) (i32.const 16)",
            text.len()
        );
        Self::new(&handle).fields(&format!("(data (i32.const 1024) \"{data}\")"))
    }

    /// The component's bytes.
    pub fn component(&self) -> Vec<u8> {
        wat::parse_str(self.text()).expect("valid WAT")
    }

    fn text(&self) -> String {
        let Self { handle, fields, pages, definitions, arguments } = self;
        format!(
            r#"(component
  (import "airlock:guest/types@1.0.0" (instance $types
    (type $record (record (field "code" string) (field "message" string) (field "details" string)))
    (export "function-error" (type (eq $record)))))
  (alias export $types "function-error" (type $error))
  (core module $guest
    {fields}
    (memory (export "memory") {pages})
    (global $top (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "handle") (param $pointer i32) (param $length i32) (result i32) {handle}))
  {definitions}
  (core instance $instance (instantiate $guest {arguments}))
  (type $handle (func async (param "input" string) (result (result string (error $error)))))
  (func $handle (type $handle) (canon lift (core func $instance "handle")
    (memory (core memory $instance "memory")) (realloc (core func $instance "realloc"))))
  (instance $handler (export "function-error" (type $error)) (export "handle" (func $handle)))
  (export "airlock:guest/handler@1.0.0" (instance $handler)))"#
        )
    }
}
