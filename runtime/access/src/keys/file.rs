//! Private keys as text: what `airlock keys new` writes and servers read.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeyError, SigningKey};

/// A private key on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    kid: String,
    alg: String,
    /// PKCS#8 (RFC 5958), base64.
    pkcs8: String,
}

impl SigningKey {
    /// The key as the text of a file, which only its owner may read.
    ///
    /// # Errors
    /// When the library cannot encode it.
    pub fn to_file_text(&self) -> Result<Zeroizing<String>, KeyError> {
        let file = KeyFile {
            kid: self.key_id().to_owned(),
            alg: self.algorithm().as_str().to_owned(),
            pkcs8: BASE64_STANDARD.encode(self.to_pkcs8()?.expose()),
        };
        serde_json::to_string_pretty(&file).map(Zeroizing::new).map_err(|_| KeyError::Library("write the key"))
    }

    /// Reads a key that [`Self::to_file_text`] wrote.
    ///
    /// # Errors
    /// When it is no such text.
    pub fn from_file_text(text: &str) -> Result<Self, KeyError> {
        let KeyFile { kid, alg, pkcs8 } = serde_json::from_str(text).map_err(|_| KeyError::Private)?;
        let pkcs8 = Zeroizing::new(pkcs8);
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(pkcs8.as_bytes()).map_err(|_| KeyError::Private)?);
        Self::from_pkcs8(alg.parse()?, &kid, &bytes)
    }
}
