//! Small components in text, and a seeded source of chance.

/// What varies between fixtures.
pub(crate) struct World<'a> {
    /// Further imports, in text.
    pub(crate) imports: &'a str,
    /// The fields of `function-error`.
    pub(crate) error_fields: &'a str,
    /// `async ` or nothing.
    pub(crate) colour: &'a str,
    /// Parameters and result of `handle`.
    pub(crate) signature: &'a str,
    /// Exports of the component.
    pub(crate) exports: &'a str,
}

impl Default for World<'_> {
    fn default() -> Self {
        Self {
            imports: "",
            error_fields: r#"(field "code" string) (field "message" string) (field "details" string)"#,
            colour: "",
            signature: r#"(param "input" string) (result $outcome)"#,
            exports: r#"(instance $handler (export "handle" (func $handle)))
                        (export "airlock:guest/handler@1.0.0" (instance $handler))"#,
        }
    }
}

impl World<'_> {
    /// The binary.
    pub(crate) fn component(&self) -> Vec<u8> {
        let Self { imports, error_fields, colour, signature, exports } = self;
        let text = format!(
            r#"(component
                (import "airlock:guest/types@1.0.0" (instance $types
                    (type (record {error_fields}))
                    (export "function-error" (type (eq 0)))))
                (alias export $types "function-error" (type $error))
                {imports}
                (core module $code
                    (memory (export "memory") 1)
                    (global (mut i32) (i32.const 0))
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                    (func (export "handle") (param i32 i32) (result i32) (local i64 i64 i64) (i32.const 0))
                    (data (i32.const 0) "hello"))
                (core instance $run (instantiate $code))
                (type $outcome (result string (error $error)))
                (type $signature (func {colour} {signature}))
                (func $handle (type $signature) (canon lift (core func $run "handle")
                    (memory (core memory $run "memory")) (realloc (core func $run "realloc"))))
                {exports})"#
        );
        encode(&text)
    }
}

/// Text to binary.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The default fixture with more imports.
pub(crate) fn importing(imports: &str) -> Vec<u8> {
    World { imports, ..World::default() }.component()
}

/// A seeded xorshift generator: the same numbers on every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("53 bits") % limit
    }

    /// One of `choices`.
    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}
