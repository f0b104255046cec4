//! The servers: what runs in the processes that are measured.
//!
//! Each says in one line of JSON on standard output where it listens, and ends when its standard input closes, so that
//! none outlives the run.

pub(crate) mod airlock;
pub(crate) mod echo;

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Where a server listens.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// For calls.
    pub(crate) data: SocketAddr,
    /// For deploys, where there are any.
    pub(crate) control: Option<SocketAddr>,
}

impl Addresses {
    fn announce(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        writeln!(out, "{}", serde_json::to_string(self)?).context("nobody reads the addresses")?;
        Ok(out.flush()?)
    }
}

/// Resolves when whoever started this process lets go of it.
async fn released() {
    let mut rest = Vec::new();
    // An error means the same as the end: nobody is there.
    let waited = tokio::task::spawn_blocking(move || std::io::stdin().read_to_end(&mut rest)).await;
    drop(waited);
}

/// The runtime of one worker.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot make a runtime")
}
