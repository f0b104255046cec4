//! `airlock`: the server, and everything a guest author or operator types.

#![allow(unreachable_pub, reason = "a program has no public items; `pub` says what a module offers to the others")]

mod args;
mod client;
mod commands;
mod demo;
mod desk;
mod doctor;
mod host;
mod keys;
mod output;
mod proofs;
mod tls;
mod when;

use std::process::ExitCode;

use airlock_sandbox::compile::ChildTerms;
use clap::Parser;

use args::{Cli, Command};

/// Small allocations on many threads are what a server does all day.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::CompileChild { cache_dir, locked, memory_bytes, cpu_s } = &cli.command {
        let (cache_dir, locked) = (cache_dir.as_deref(), *locked);
        let terms = ChildTerms { cache_dir, locked, memory_bytes: *memory_bytes, cpu_s: *cpu_s };
        return commands::compile_child::main(terms);
    }
    if let Command::WallAttempt { config } = &cli.command {
        return doctor::attempt(config);
    }
    // The demo shows refusals on purpose and explains them itself.
    let quiet = matches!(cli.command, Command::Demo(_));
    init_logging(if quiet { "error" } else { "warn" }, cli.verbose);
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    // Before the runtime: what raises the wall must be the only thread.
    let ended = if let Command::Serve(options) = &cli.command { commands::serve::main(options) } else { run(cli) };
    match ended {
        Ok(code) => code,
        Err(error) => output::report(&error),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let style = output::Style { json: cli.json };
    match cli.command {
        Command::Demo(options) => demo::run(options, style).await,
        Command::Config(command) => commands::config::run(command, style).await,
        Command::Resources(command) => commands::resources::run(&command, style).await,
        Command::Reload(options) => commands::operator::reload(&options, style).await,
        Command::Limits(options) => commands::operator::limits(&options, style).await,
        Command::Doctor(options) => doctor::run(&options, style).await,
        Command::New(options) => commands::new::run(&options, style),
        Command::Build(options) => commands::build::run(&options, style),
        Command::Check(options) => commands::check::run(&options, style),
        Command::Run(options) => commands::run::run(options, style).await,
        Command::Inspect(options) => commands::inspect::run(&options, style),
        Command::Deploy(options) => commands::deploy::run(&options, style).await,
        Command::Bindings(options) => commands::bindings::run(&options, style).await,
        Command::Functions(options) => commands::lifecycle::functions(&options, style).await,
        Command::Revisions(options) => commands::lifecycle::revisions(&options, style).await,
        Command::Promote(options) => commands::lifecycle::promote(&options, style).await,
        Command::Rollback(options) => commands::lifecycle::rollback(&options, style).await,
        Command::Alias(options) => commands::lifecycle::alias(&options, style).await,
        Command::Disable(options) => commands::lifecycle::disable(&options, style).await,
        Command::Enable(options) => commands::lifecycle::enable(&options, style).await,
        Command::Delete(options) => commands::lifecycle::delete(&options, style).await,
        Command::Approvals(command) => commands::approvals::run(command, style).await,
        Command::Invoke(options) => commands::invoke::run(&options, style).await,
        Command::Explain(options) => commands::explain::run(options, style).await,
        Command::Cancel(options) => commands::cancel::run(options, style).await,
        Command::Token(command) => commands::token::run(command, style).await,
        Command::Keys(command) => commands::keys::run(&command, style),
        Command::Sign(options) => commands::sign::run(&options, style),
        Command::Audit(command) => commands::audit::run(command, style).await,
        Command::Usage(options) => commands::usage::run(*options, style).await,
        Command::Logs(options) => commands::logs::run(&options, style).await,
        Command::Egress(command) => commands::egress::run(command, style).await,
        Command::Sql(command) => commands::sql::run(&command, style),
        Command::Graphql(command) => commands::graphql::run(&command, style),
        Command::Completions { shell } => Ok(commands::completions(shell)),
        // Handled before the runtime starts: they limit themselves first.
        Command::Serve(_) | Command::CompileChild { .. } | Command::WallAttempt { .. } => Ok(ExitCode::FAILURE),
    }
}

/// Logs go to standard error as JSON lines, quiet unless asked. Operators set `AIRLOCK_LOG` as they would `RUST_LOG`.
fn init_logging(quiet: &str, verbose: u8) {
    let level = match verbose {
        0 => quiet,
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("AIRLOCK_LOG")
        .try_from_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // One line for a panic, like everything else; backtraces of hostile input must not flood an operator's log.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panic")));
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(std::io::stderr).init();
}
