//! What the command line says.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Parser, Subcommand};

/// Runs hostile guests against a real server and compares what comes of each with what must come of it.
///
/// Every specimen runs alone first; its memory is measured there. Then all run again, several at once. Exit status: 0
/// when every bar is met, 1 when one is missed (the report says which), 2 when the command line is wrong.
#[derive(Debug, Parser)]
#[command(name = "zoo", max_term_width = 120, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) hidden: Option<Hidden>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each specimen runs in the crowd, after it has run alone; 0 leaves the crowd out
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) times: u32,
    /// How many run at once in the crowd
    #[arg(long, default_value = "8", value_name = "N")]
    pub(crate) parallel: NonZeroUsize,
    /// Only this specimen, or this group (`cpu`, `host-calls`, ..); may be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Runs this component instead of the specimens, and reports what came of it
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    pub(crate) component: Option<PathBuf>,
    /// The function.toml of that component; without it, one is made from the component's imports
    #[arg(long, value_name = "FILE", requires = "component")]
    pub(crate) manifest: Option<PathBuf>,
    /// The input of that component, as JSON text
    #[arg(long, value_name = "JSON", requires = "component", default_value = "null")]
    pub(crate) payload: String,
    /// One JSON document on standard output instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Names the specimens with their groups and expected outcomes, and runs nothing
    #[arg(long)]
    pub(crate) list: bool,
}

/// What this program starts itself as.
#[derive(Debug, Subcommand)]
pub(crate) enum Hidden {
    /// The server that is attacked.
    #[command(hide = true)]
    Serve,
    /// Its compile child.
    #[command(hide = true)]
    CompileChild {
        #[arg(long)]
        cache_dir: Option<PathBuf>,
    },
}
