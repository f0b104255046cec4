//! `zoo`: runs hostile guests against a real server of its own, which is this very program started again, so that the
//! memory measured and the aborts counted are the server's alone. See README.md beside this file.

mod args;
mod client;
mod neighbour;
mod outside;
mod process;
mod report;
mod run;
mod select;
mod serve;
mod server;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

use args::{Cli, Hidden, Options};
use select::{Keeper, UsageError};

/// As in `airlock` itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.hidden {
        Some(Hidden::CompileChild { cache_dir }) => return serve::compile_child(cache_dir.as_deref()),
        Some(Hidden::Serve) => serve::serve().map(|()| ExitCode::SUCCESS),
        None => visit(&cli.options),
    };
    done.unwrap_or_else(|error| {
        // Whoever reads standard error may have gone; the exit status says it as well.
        let _unheard = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
    })
}

fn visit(options: &Options) -> anyhow::Result<ExitCode> {
    let keeper = match &options.component {
        Some(file) => Keeper::of_one(outside::guest(file, options.manifest.as_deref(), &options.payload)?),
        None => {
            let specimens = select::chosen(airlock_tests::zoo::specimens(), &options.only)?;
            if options.list {
                select::list(&specimens)?;
                return Ok(ExitCode::SUCCESS);
            }
            // Components are made before anything is measured: making them takes the processor too.
            Keeper::of_specimens(&specimens)?
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = runtime.block_on(run::visit(&keeper, options))?;
    document.print(options.json)?;
    Ok(if document.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
