//! Lists in pages.

use std::{fmt, str::FromStr};

use airlock_model::Digest;

use crate::StoreError;

const SIZE_DEFAULT: u32 = 50;
const SIZE_MAX: u32 = 1_000;

/// Bytes of the fingerprint of the list in front of a token's key.
const PRINT_LEN: usize = 8;

/// Longest key: a function name.
const KEY_MAX: usize = 64;

/// Where the next page starts. Opaque: only the list that made it takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(Vec<u8>);

impl PageToken {
    /// `list` names the list with everything that narrows it.
    pub(crate) fn new(list: &[&str], key: &str) -> Self {
        let mut bytes = fingerprint(list).to_vec();
        bytes.extend_from_slice(key.as_bytes());
        Self(bytes)
    }

    /// The key in front of the next page, if the token belongs to this list.
    pub(crate) fn key(&self, list: &[&str]) -> Result<&str, StoreError> {
        let key = self.0.strip_prefix(&fingerprint(list)).ok_or(StoreError::PageToken)?;
        str::from_utf8(key).map_err(|_| StoreError::PageToken)
    }
}

fn fingerprint(list: &[&str]) -> [u8; PRINT_LEN] {
    let parts: Vec<&[u8]> = list.iter().map(|part| part.as_bytes()).collect();
    let mut print = [0; PRINT_LEN];
    for (to, from) in print.iter_mut().zip(Digest::of_parts(&parts).as_bytes()) {
        *to = *from;
    }
    print
}

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl FromStr for PageToken {
    type Err = StoreError;
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let bytes = hex::decode(text).map_err(|_| StoreError::PageToken)?;
        if (PRINT_LEN..=PRINT_LEN.saturating_add(KEY_MAX)).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(StoreError::PageToken)
        }
    }
}

/// Which page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// How many at most: 50 when not set, 1 to 1,000.
    pub size: Option<u32>,
    /// From the page before; the first page has none.
    pub token: Option<PageToken>,
}

impl PageRequest {
    pub(crate) fn rows(&self) -> u32 {
        self.size.unwrap_or(SIZE_DEFAULT).clamp(1, SIZE_MAX)
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// For the next one; none on the last.
    pub next: Option<PageToken>,
}

impl<T> Page<T> {
    /// Makes a page of rows that were read with one more than fits, which says whether another page follows.
    pub(crate) fn cut(mut items: Vec<T>, rows: u32, token: impl FnOnce(&T) -> PageToken) -> Self {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        if items.len() <= rows {
            return Self { items, next: None };
        }
        items.truncate(rows);
        let next = items.last().map(token);
        Self { items, next }
    }
}
