//! `--dev`: the configuration of a server for one desk, with the key of its issuer.

use std::path::{Path, PathBuf};

use airlock_access::SigningKey;
use airlock_service::{
    Config,
    config::{Development, process_environment},
};
use anyhow::Context as _;

use crate::output;

/// Where a configuration is unless somebody says otherwise.
pub const CONFIG_FILE: &str = "airlock.toml";

/// A desk.
pub struct Desk {
    /// As `airlock serve --dev` serves it.
    pub config: Config,
    /// The file it was read from. Without one, a place for it in the directory of the desk.
    pub config_file: PathBuf,
    /// What its tokens are minted with.
    pub key: SigningKey,
}

/// The desk of a configuration file, or of the current directory when there is none. Makes its key when there is none yet.
pub fn open(asked: Option<&Path>) -> anyhow::Result<Desk> {
    let file = std::path::absolute(asked.unwrap_or(Path::new(CONFIG_FILE)))?;
    let base = file.parent().context("the configuration is in no directory")?;
    let is_there = file.exists();
    anyhow::ensure!(is_there || asked.is_none(), "there is no `{}`: leave --config out to do without", file.display());
    let is_new = !Development::key_file(base).exists();
    let (development, key) = Development::open(base)?;
    if is_new {
        output::progress("Created", format!("a development issuer in `{}`", development.dir().display()));
    }
    if is_there {
        return Ok(Desk { config: Config::load_for_desk(&file, development)?, config_file: file, key });
    }
    let config_file = development.dir().join(CONFIG_FILE);
    Ok(Desk { config: Config::of_desk(base, development)?, config_file, key })
}

impl Desk {
    /// The command that mints tokens for this desk.
    pub fn mint_command(asked: Option<&Path>) -> String {
        let config = asked.map(|file| format!(" --config {}", file.display())).unwrap_or_default();
        format!("airlock token mint --dev{config}")
    }
}

/// Whoever sits here, as far as that can be known.
pub fn user() -> String {
    process_environment("USER").filter(|name| !name.is_empty()).unwrap_or_else(|| "me".to_owned())
}
