//! `airlock keys`: keys that mint tokens and sign components, and the change from one to the next.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use airlock_access::{Algorithm, KeySet, SigningKey, public_jwks};
use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    args::{KeysCommand, NewKeyOptions, RotateOptions},
    keys, output,
    output::Style,
};

/// What stands in the JWKS now, and what comes next.
#[derive(Serialize)]
struct Rotated {
    jwks: PathBuf,
    /// The new private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<PathBuf>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<String>,
    retired: Vec<String>,
    /// Every key that is published now.
    published: Vec<String>,
    next: Vec<String>,
}

/// Makes and rotates keys.
pub fn run(command: &KeysCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        KeysCommand::New(options) => new(options, style),
        KeysCommand::Rotate(options) => rotate(options, style),
        KeysCommand::NewSigner { key, public } => new_signer(key, public),
    }
}

/// Makes a key and a JWKS with nothing else in it.
pub fn new(options: &NewKeyOptions, style: Style) -> anyhow::Result<ExitCode> {
    let NewKeyOptions { key, jwks, algorithm, kid } = options;
    if jwks.exists() {
        let jwks = jwks.display();
        bail!(
            "`{jwks}` is there, and keys in it may be in use: add one with `airlock keys rotate --jwks {jwks} --key {}`, or name another file",
            key.display()
        );
    }
    let pair = generate(algorithm, kid)?;
    keys::write(key, &pair)?;
    fs::write(jwks, public_jwks(&[&pair])).with_context(|| format!("cannot write `{}`", jwks.display()))?;
    output::progress("Created", format!("{} and {}", key.display(), jwks.display()));
    let made = json!({ "key": key, "jwks": jwks, "kid": kid, "algorithm": pair.algorithm() });
    style.print(&made, |_| Ok(()))?;
    Ok(ExitCode::SUCCESS)
}

fn new_signer(key: &Path, public: &Path) -> anyhow::Result<ExitCode> {
    let pair = SigningKey::generate(Algorithm::EdDsa, "signer")?;
    keys::write(key, &pair)?;
    fs::write(public, public_jwks(&[&pair])).with_context(|| format!("cannot write `{}`", public.display()))?;
    output::progress("Created", format!("{} and {}", key.display(), public.display()));
    Ok(ExitCode::SUCCESS)
}

fn generate(algorithm: &str, kid: &str) -> anyhow::Result<SigningKey> {
    let algorithm = algorithm.parse().map_err(|_| anyhow::anyhow!("`{algorithm}` is not `EdDSA` or `ES256`"))?;
    Ok(SigningKey::generate(algorithm, kid)?)
}

/// Publishes a new key beside the old ones, without those that are retired.
fn rotate(options: &RotateOptions, style: Style) -> anyhow::Result<ExitCode> {
    let jwks = &options.jwks;
    let mut set = Published::read(jwks)?;
    // Before any is taken out: a name that was somebody's is not given again.
    let kid = options.kid.clone().unwrap_or_else(|| set.next_kid());
    options.retire.iter().try_for_each(|kid| set.retire(kid))?;
    let pair = options.key.as_ref().map(|_| generate(&options.algorithm, &kid)).transpose()?;
    pair.iter().try_for_each(|pair| set.add(pair))?;
    let text = set.text()?;
    if let (Some(file), Some(pair)) = (&options.key, &pair) {
        keys::write(file, pair)?;
    }
    replace(jwks, &text)?;
    let (added, published) = (pair.map(|pair| pair.key_id().to_owned()), set.kids);
    let next = next(options, added.as_deref(), &published);
    let retired = options.retire.clone();
    let rotated = Rotated { jwks: jwks.clone(), key: options.key.clone(), added, retired, published, next };
    style.print(&rotated, |out| {
        writeln!(out, "{} publishes {}", jwks.display(), rotated.published.join(", "))?;
        rotated.next.iter().enumerate().try_for_each(|(index, step)| writeln!(out, "{}. {step}", index + 1))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What is left to do, in order.
fn next(options: &RotateOptions, added: Option<&str>, published: &[String]) -> Vec<String> {
    let jwks = options.jwks.display();
    let read = format!(
        "have every server read `{jwks}`: `airlock reload` where it is a file, or wait `refresh_s` where it is fetched from a URL"
    );
    let (Some(added), Some(key)) = (added, &options.key) else { return vec![read] };
    let mint = format!("then mint with `{}`, and no longer with older keys", key.display());
    let old = published.iter().filter(|kid| *kid != added).map(|kid| format!(" --retire {kid}")).collect::<String>();
    let retire = format!(
        "when the last token of an older key has expired, at most `[tokens] max_lifetime_s` later: airlock keys rotate --jwks {jwks}{old}"
    );
    if old.is_empty() { vec![read, mint] } else { vec![read, mint, retire] }
}

/// A JWKS on disk. Members that Airlock does not know stay as they are.
struct Published {
    set: Value,
    kids: Vec<String>,
}

impl Published {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("`{}` is not a JWKS of public keys", path.display());
        let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let keys = KeySet::parse_with(&text, Algorithm::ALL.into_iter().collect()).with_context(context)?;
        let kids = keys.key_ids().map(str::to_owned).collect();
        Ok(Self { set: serde_json::from_str(&text).with_context(context)?, kids })
    }

    fn keys(&mut self) -> anyhow::Result<&mut Vec<Value>> {
        self.set.get_mut("keys").and_then(Value::as_array_mut).context("the JWKS has no `keys`")
    }

    fn retire(&mut self, kid: &str) -> anyhow::Result<()> {
        if !self.kids.iter().any(|one| one == kid) {
            bail!("there is no key `{kid}` to retire; there are {}", self.kids.join(", "));
        }
        self.kids.retain(|one| one != kid);
        self.keys()?.retain(|key| key.get("kid").and_then(Value::as_str) != Some(kid));
        Ok(())
    }

    fn add(&mut self, pair: &SigningKey) -> anyhow::Result<()> {
        if self.kids.iter().any(|one| one == pair.key_id()) {
            bail!("there is a key `{}` already: give the new one another `--kid`", pair.key_id());
        }
        self.kids.push(pair.key_id().to_owned());
        self.keys()?.push(pair.public_jwk());
        Ok(())
    }

    /// One more than the largest `key-N` that there is, and `key-1` where there is none.
    fn next_kid(&self) -> String {
        let number = |kid: &String| kid.strip_prefix("key-")?.parse::<u64>().ok();
        let largest = self.kids.iter().filter_map(number).max().unwrap_or_default();
        format!("key-{}", largest.saturating_add(1))
    }

    /// As servers will read it.
    fn text(&self) -> anyhow::Result<String> {
        let text = self.set.to_string();
        KeySet::parse_with(&text, Algorithm::ALL.into_iter().collect())
            .context("nothing was changed: a server would not accept the keys that are left")?;
        Ok(text)
    }
}

/// Replaces a file in one step, so that a server never reads half of it.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, text)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("cannot write `{}`", path.display()))
}
