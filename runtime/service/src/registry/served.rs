//! One function as callers meet it: which revision a call gets.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use airlock_model::{AliasName, Failure, Reason};
use airlock_store::LIVE_ALIAS;

use super::Deployed;

/// Each in its share of a hundred calls.
type Shares = Vec<(u8, Arc<Deployed>)>;

/// Coprime with 100: counting in steps of it visits every one of a hundred places once, spread evenly.
const STRIDE: u32 = 61;

/// What a function is, as of one moment.
pub(crate) struct Served {
    live: Arc<Deployed>,
    disabled: Option<Arc<str>>,
    /// Revisions beside the live one.
    beside: Shares,
    aliases: BTreeMap<AliasName, Shares>,
    calls: AtomicU32,
}

impl Served {
    pub(crate) fn new(
        live: Arc<Deployed>,
        disabled: Option<Arc<str>>,
        aliases: impl IntoIterator<Item = (AliasName, Shares)>,
    ) -> Self {
        let mut aliases: BTreeMap<AliasName, Shares> = aliases.into_iter().collect();
        let of_live = aliases.keys().find(|alias| alias.as_str() == LIVE_ALIAS).cloned();
        let beside = of_live.and_then(|alias| aliases.remove(&alias)).unwrap_or_default();
        Self { live, disabled, beside, aliases, calls: AtomicU32::new(0) }
    }

    /// What is live, without the revisions that get a share beside it.
    pub(crate) fn live(&self) -> &Arc<Deployed> {
        &self.live
    }

    /// One of the revisions in memory, by its digest.
    pub(crate) fn find(&self, revision: &str) -> Option<Arc<Deployed>> {
        let beside = self.beside.iter().chain(self.aliases.values().flatten()).map(|(_, deployed)| deployed);
        std::iter::once(&self.live).chain(beside).find(|deployed| *deployed.revision == *revision).cloned()
    }

    /// The revision for one call.
    pub(crate) fn choose(&self, alias: Option<&AliasName>) -> Result<Arc<Deployed>, Failure> {
        if let Some(why) = &self.disabled {
            return Err(self.out_of_service(why));
        }
        let named = alias.filter(|alias| alias.as_str() != LIVE_ALIAS);
        let shares = match named {
            None => &self.beside,
            Some(alias) => self.aliases.get(alias).ok_or_else(|| self.no_alias(alias))?,
        };
        Ok(self.drawn(shares).unwrap_or(&self.live).clone())
    }

    /// Exactly as many of a hundred calls as each share says, evenly spread.
    fn drawn<'a>(&self, shares: &'a Shares) -> Option<&'a Arc<Deployed>> {
        if shares.is_empty() {
            return None;
        }
        let place = self.calls.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE) % 100;
        let mut end = 0;
        shares.iter().find_map(|(percent, deployed)| {
            end += u32::from(*percent);
            (place < end).then_some(deployed)
        })
    }

    fn out_of_service(&self, why: &str) -> Failure {
        let message = format!("function `{}` is disabled in `{}`: {why}", self.live.function, self.live.environment);
        Failure::new(Reason::FunctionDisabled, message, "whoever disabled it can enable it: `airlock enable`")
    }

    fn no_alias(&self, alias: &AliasName) -> Failure {
        let message = format!(
            "function `{}` has no alias `{alias}` in environment `{}`",
            self.live.function, self.live.environment
        );
        Failure::new(Reason::FunctionUnknown, message, "leave the alias out, or make it: `airlock alias`")
    }
}
