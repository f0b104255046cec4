//! Keys of those who mint tokens and of those who sign components.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const ROTATE_HELP: &str = "Example, from key-1 to key-2:
  airlock keys rotate --key key-2.json --jwks keys.json     publish both
  # have every server read keys.json, then mint with key-2.json until the last token of key-1 has expired
  airlock keys rotate --jwks keys.json --retire key-1       publish key-2 alone";

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Make a key that mints tokens, and the JWKS that servers verify them with.
    New(NewKeyOptions),
    /// Add a new key to a JWKS beside the old ones, or take an old one out.
    #[command(after_help = ROTATE_HELP)]
    Rotate(RotateOptions),
    /// Make an Ed25519 key, and its public half for `[signers.NAME] public_key` of servers.
    NewSigner {
        /// File for the private key; readable by you alone, never overwritten.
        #[arg(long)]
        key: PathBuf,
        /// File for the public key.
        #[arg(long)]
        public: PathBuf,
    },
}

#[derive(Args)]
pub struct NewKeyOptions {
    /// File for the private key; readable by you alone, never overwritten.
    #[arg(long)]
    pub key: PathBuf,
    /// File for the public keys.
    #[arg(long)]
    pub jwks: PathBuf,
    /// `EdDSA` or `ES256`.
    #[arg(long, default_value = "EdDSA")]
    pub algorithm: String,
    /// The key's id.
    #[arg(long, default_value = "key-1")]
    pub kid: String,
}

#[derive(Args)]
pub struct RotateOptions {
    /// File for the new private key; readable by you alone, never overwritten.
    #[arg(long, required_unless_present = "retire")]
    pub key: Option<PathBuf>,
    /// The public keys: this file is changed.
    #[arg(long)]
    pub jwks: PathBuf,
    /// `EdDSA` or `ES256`, of the new key.
    #[arg(long, default_value = "EdDSA", requires = "key")]
    pub algorithm: String,
    /// The new key's id; without it, `key-2`, `key-3` and so on.
    #[arg(long, requires = "key")]
    pub kid: Option<String>,
    /// The id of an old key to take out: its tokens are refused once servers have read the file. Repeatable.
    #[arg(long, value_name = "KID")]
    pub retire: Vec<String>,
}
