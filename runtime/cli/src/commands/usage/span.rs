//! From when to when.

use anyhow::{anyhow, bail};

use crate::when::Moment;
pub use crate::when::now_unix_ms;

pub const DAY_MS: u64 = 86_400_000;

/// Both ends, the later one when it is said.
pub fn span(since: &str, until: Option<&str>) -> anyhow::Result<(u64, Option<u64>)> {
    let moment =
        |text: &str| text.parse::<Moment>().map(|at| at.0).map_err(|why| anyhow!("`{text}` is no time: {why}"));
    let since_ms = moment(since)?;
    let until_ms = until.map(moment).transpose()?;
    if until_ms.is_some_and(|until| until <= since_ms) {
        bail!("`--until` is not after `--since {since}`: give an earlier `--since`");
    }
    Ok((since_ms, until_ms))
}
