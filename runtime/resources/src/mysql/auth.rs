//! Proofs that we know a password, which do not say it.

use std::io;

use aws_lc_rs::digest::{Algorithm, Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plugin {
    /// SHA-1; MariaDB's usual one.
    Native,
    /// SHA-256; MySQL's usual one since 8.0.
    CachingSha2,
    /// The password itself.
    Clear,
}

impl Plugin {
    /// Finds one by its name.
    ///
    /// # Errors
    /// When it is not known here.
    pub(super) fn named(name: &str) -> io::Result<Self> {
        match name {
            "mysql_native_password" => Ok(Self::Native),
            "caching_sha2_password" => Ok(Self::CachingSha2),
            "mysql_clear_password" => Ok(Self::Clear),
            _ => Err(io::Error::other(
                "the account logs in with a plugin that is not known here: use mysql_native_password, \
                 caching_sha2_password, or mysql_clear_password with tls = \"verify-full\"",
            )),
        }
    }

    /// What is sent first. The nonce is the server's, 20 bytes.
    pub(super) fn proof(self, password: &str, nonce: &[u8]) -> Vec<u8> {
        match self {
            // SHA1(password) XOR SHA1(nonce SHA1(SHA1(password)))
            Self::Native => {
                let sha1 = |parts: &[&[u8]]| hash(&SHA1_FOR_LEGACY_USE_ONLY, parts);
                let once = sha1(&[password.as_bytes()]);
                let twice = sha1(&[once.as_ref()]);
                xor(&once, &sha1(&[nonce, twice.as_ref()]))
            }
            // SHA256(password) XOR SHA256(SHA256(SHA256(password)) nonce)
            Self::CachingSha2 => {
                let sha256 = |parts: &[&[u8]]| hash(&SHA256, parts);
                let once = sha256(&[password.as_bytes()]);
                let twice = sha256(&[once.as_ref()]);
                xor(&once, &sha256(&[twice.as_ref(), nonce]))
            }
            Self::Clear => clear(password),
        }
    }
}

/// The password as the server takes it.
pub(super) fn clear(password: &str) -> Vec<u8> {
    [password.as_bytes(), &[0]].concat()
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Digest {
    digest(algorithm, &parts.concat())
}

fn xor(left: &Digest, right: &Digest) -> Vec<u8> {
    left.as_ref().iter().zip(right.as_ref()).map(|(left, right)| left ^ right).collect()
}
