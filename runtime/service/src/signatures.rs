//! Who may sign the components of an environment, and whether one of them has.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path, sync::Arc};

use airlock_access::{SIGNATURE_BYTES, SignedComponent, SignerKey, verify_component};
use airlock_model::{Digest, EnvironmentName, Finding};

use crate::config::{Config, ConfigError, Origin, Setting};

/// Bytes of a file with a public key.
const KEY_BYTES_MAX: u64 = 16 * 1024;

/// The signers that count in one environment.
#[derive(Clone, Default)]
pub(crate) struct Signers {
    keys: BTreeMap<String, Arc<SignerKey>>,
    /// Whether a component needs one of them.
    is_required: bool,
}

/// Those of every environment, and what the list of settings says of their keys.
pub(crate) type AllSigners = (BTreeMap<EnvironmentName, Signers>, Vec<Setting>);

/// Reads every key. An environment that asks for no signature still refuses one that is by nobody.
pub(crate) fn signers(config: &Config) -> Result<AllSigners, ConfigError> {
    let (mut keys, mut listed) = (BTreeMap::new(), Vec::new());
    for (name, signer) in &config.signers {
        let path = &signer.public_key.file;
        let section = format!("signers.{name}");
        let refuse = |why| {
            let key = format!("{section}.public_key.file");
            config.origins.locate(ConfigError::value(key, format!("`{}`: {why}", path.display())))
        };
        let (key, digest) = read_key(path).map_err(refuse)?;
        let digest = digest.excerpt();
        let (value, origin) = (format!("Ed25519 (sha256 {digest})"), Origin::NamedFile(path.clone()));
        listed.push(Setting { key: format!("{section}.key"), value, origin });
        keys.insert(name.clone(), Arc::new(key));
    }
    let of = |(name, environment): (&EnvironmentName, &crate::config::EnvironmentConfig)| {
        let is_required = !environment.signed_by.is_empty();
        let counts = |signer: &&String| !is_required || environment.signed_by.contains(*signer);
        let keys = keys.iter().filter(|(signer, _)| counts(signer)).map(|(name, key)| (name.clone(), Arc::clone(key)));
        (name.clone(), Signers { keys: keys.collect(), is_required })
    };
    Ok((config.environments.iter().map(of).collect(), listed))
}

fn read_key(path: &Path) -> Result<(SignerKey, Digest), String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|why| why.to_string())?;
    file.take(KEY_BYTES_MAX + 1).read_to_string(&mut text).map_err(|why| why.to_string())?;
    let key = SignerKey::parse(&text).map_err(|why| why.to_string())?;
    Ok((key, Digest::of(text.as_bytes())))
}

impl Signers {
    /// Who has signed a component; nobody where nobody had to, and a finding where nobody has who must.
    ///
    /// A signature that does not count is refused also where none is needed, unless there is no key to check it with.
    pub(crate) fn judge(
        &self,
        component: Digest,
        signature: Option<&[u8]>,
    ) -> Result<Option<SignedComponent>, Finding> {
        let Some(signature) = signature else {
            return if self.is_required { Err(self.missing()) } else { Ok(None) };
        };
        if signature.len() != SIGNATURE_BYTES {
            let message = format!("the signature has {} bytes, Ed25519's have {SIGNATURE_BYTES}", signature.len());
            return Err(Finding::error("signature-invalid", message, "component", self.fix()));
        }
        if self.keys.is_empty() {
            return Ok(None);
        }
        let keys = self.keys.iter().map(|(name, key)| (name.as_str(), key.as_ref()));
        verify_component(component, signature, keys).map(Some).map_err(|why| {
            let message = format!("{why}; the component has the digest {component}");
            Finding::error("signature-invalid", message, "component", self.fix())
        })
    }

    fn missing(&self) -> Finding {
        let message = "the environment takes signed components only, and this one has no signature";
        Finding::error("signature-missing", message, "component", self.fix())
    }

    fn fix(&self) -> String {
        let names: Vec<_> = self.keys.keys().map(|name| format!("`{name}`")).collect();
        format!(
            "have exactly these bytes signed by one of {} (`airlock sign`), and deploy them with `--signature`",
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_of_another_length_is_refused_also_where_there_is_no_signer() {
        let nobody = Signers::default();
        let component = Digest::of(b"a component");
        for length in (0..=200).filter(|length| *length != SIGNATURE_BYTES).chain([1 << 20]) {
            let refused = nobody.judge(component, Some(&vec![7; length])).expect_err("a finding");
            assert_eq!(refused.rule, "signature-invalid", "{length}");
            assert!(refused.message.contains(&format!("{length} bytes")), "{length}: {}", refused.message);
        }
        let whole = nobody.judge(component, Some(&[7; SIGNATURE_BYTES]));
        assert!(matches!(whole, Ok(None)), "without a key nothing can be said of its content");
        assert!(matches!(nobody.judge(component, None), Ok(None)), "none is needed");
    }
}
