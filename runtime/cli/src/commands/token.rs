//! `airlock token`.

mod inspect;
mod mint;
mod served;

use std::process::ExitCode;

use crate::{args::TokenCommand, commands, output::Style};

/// Makes keys and tokens, and judges tokens.
pub async fn run(command: TokenCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        TokenCommand::Keygen(options) => commands::keys::new(&options, style),
        TokenCommand::Mint(options) => mint::run(&options, style),
        TokenCommand::Inspect(options) => inspect::run(options, style),
        TokenCommand::Exchange(options) => served::exchange(&options, style).await,
        TokenCommand::Attenuate(options) => served::attenuate(&options, style).await,
        TokenCommand::Revoke(options) => served::revoke(&options, style).await,
        TokenCommand::Revocations(options) => served::revocations(&options, style).await,
        TokenCommand::Lift(options) => served::lift(&options, style).await,
    }
}

/// The wall clock, for minting and judging.
#[expect(clippy::disallowed_methods, reason = "the command line reads the clock once for each command")]
pub fn now_unix_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
