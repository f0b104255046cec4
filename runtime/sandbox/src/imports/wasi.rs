//! The part of WASI that language runtimes cannot start without.

use wasmtime::{Result, component::Linker};
use wasmtime_wasi::{
    cli::{WasiCli, WasiCliView},
    p2, p3,
    random::{WasiRandom, WasiRandomView},
};

use crate::state::CallState;

/// Every WASI interface a guest can import, without version. Files, sockets and HTTP are not among them.
pub const LINKED_WASI: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/types",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:clocks/types",
    "wasi:clocks/wall-clock",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

pub(super) fn link(linker: &mut Linker<CallState>) -> Result<()> {
    // wasi:clocks, wasi:random/random, wasi:io and the standard streams of 0.2.
    p2::add_to_linker_proxy_interfaces_async(linker)?;
    p2::bindings::random::insecure::add_to_linker::<_, WasiRandom>(linker, WasiRandomView::random)?;
    p2::bindings::random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, WasiRandomView::random)?;
    p2::bindings::cli::environment::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    p2::bindings::cli::exit::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    p2::bindings::cli::terminal_input::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    p2::bindings::cli::terminal_output::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    p2::bindings::cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    p2::bindings::cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    p2::bindings::cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, WasiCliView::cli)?;
    // The same interfaces of 0.3.
    p3::cli::add_to_linker(linker)?;
    p3::clocks::add_to_linker(linker)?;
    p3::random::add_to_linker(linker)?;
    super::charged::link(linker)
}
