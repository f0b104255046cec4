//! What the zoo keeps of each hostile guest.

/// Which part of the host a specimen attacks (GUARDS, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Cpu,
    Stack,
    Memory,
    Abi,
    Handles,
    HostCalls,
    Deploy,
    Tenants,
}

/// One hostile guest and the one outcome it must have.
pub struct Specimen {
    /// Unique; also the function's name: a-z, 0-9 and `-`.
    pub name: &'static str,
    pub group: Group,
    /// The bytes to upload: a component, or what pretends to be one.
    pub component: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
    /// `function.toml` after its first lines: `[limits]` and `[resources.*]` tables as TOML text.
    pub manifest: &'static str,
    /// The input, as JSON text.
    pub payload: &'static str,
    /// How it must end: the stable name of a reason (`fuel_exhausted`), `returned`, `function_error` (with
    /// `:CODE` where the code of the function's own error matters), or
    /// `rejected:<rule>` for what deploy must refuse with that finding.
    pub expected: &'static str,
}
