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

/// Revisions, each in its share of a hundred calls.
#[derive(Default)]
struct Shares {
    shares: Vec<(u8, Arc<Deployed>)>,
    calls: AtomicU32,
}

impl Shares {
    /// Exactly as many of a hundred calls as each share says, evenly spread.
    fn draw(&self) -> Option<&Arc<Deployed>> {
        if self.shares.is_empty() {
            return None;
        }
        self.of_call(self.calls.fetch_add(1, Ordering::Relaxed))
    }

    /// What the next call would draw.
    fn next(&self) -> Option<&Arc<Deployed>> {
        self.of_call(self.calls.load(Ordering::Relaxed))
    }

    /// Whether some calls draw nothing, and so get what is live.
    fn leave_some(&self) -> bool {
        self.shares.iter().map(|(percent, _)| u32::from(*percent)).sum::<u32>() < 100
    }

    fn of_call(&self, number: u32) -> Option<&Arc<Deployed>> {
        let place = number.wrapping_mul(STRIDE) % 100;
        let mut end = 0;
        self.shares.iter().find_map(|(percent, deployed)| {
            end += u32::from(*percent);
            (place < end).then_some(deployed)
        })
    }
}

/// What a call would get now.
pub(crate) struct Foreseen {
    pub(crate) deployed: Arc<Deployed>,
    pub(crate) is_live: bool,
    /// Other revisions that get a share of such calls.
    pub(crate) others: usize,
}

/// Coprime with 100: counting in steps of it visits every one of a hundred places once, spread evenly.
const STRIDE: u32 = 61;

/// What a function is, as of one moment.
pub(crate) struct Served {
    live: Arc<Deployed>,
    disabled: Option<Arc<str>>,
    /// Revisions beside the live one.
    beside: Shares,
    aliases: BTreeMap<AliasName, Shares>,
}

impl Served {
    pub(crate) fn new(
        live: Arc<Deployed>,
        disabled: Option<Arc<str>>,
        aliases: impl IntoIterator<Item = (AliasName, Vec<(u8, Arc<Deployed>)>)>,
    ) -> Self {
        let counted = |(alias, shares)| (alias, Shares { shares, calls: AtomicU32::new(0) });
        let mut aliases: BTreeMap<AliasName, Shares> = aliases.into_iter().map(counted).collect();
        let of_live = aliases.keys().find(|alias| alias.as_str() == LIVE_ALIAS).cloned();
        let beside = of_live.and_then(|alias| aliases.remove(&alias)).unwrap_or_default();
        Self { live, disabled, beside, aliases }
    }

    /// What is live, without the revisions that get a share beside it.
    pub(crate) fn live(&self) -> &Arc<Deployed> {
        &self.live
    }

    /// One of the revisions in memory, by its digest.
    pub(crate) fn find(&self, revision: &str) -> Option<Arc<Deployed>> {
        let beside = std::iter::once(&self.beside).chain(self.aliases.values()).flat_map(|all| &all.shares);
        let beside = beside.map(|(_, deployed)| deployed);
        std::iter::once(&self.live).chain(beside).find(|deployed| *deployed.revision == *revision).cloned()
    }

    /// The revision for one call.
    pub(crate) fn choose(&self, alias: Option<&AliasName>) -> Result<Arc<Deployed>, Failure> {
        Ok(self.shares(alias)?.draw().unwrap_or(&self.live).clone())
    }

    /// The revision that the next call would get, and how many others get calls beside it.
    pub(crate) fn foresee(&self, alias: Option<&AliasName>) -> Result<Foreseen, Failure> {
        let shares = self.shares(alias)?;
        let deployed = shares.next().unwrap_or(&self.live).clone();
        let others = shares.shares.iter().filter(|(_, other)| other.revision != deployed.revision).count();
        let is_live = deployed.revision == self.live.revision;
        Ok(Foreseen { deployed, is_live, others: others + usize::from(!is_live && shares.leave_some()) })
    }

    fn shares(&self, alias: Option<&AliasName>) -> Result<&Shares, Failure> {
        if let Some(why) = &self.disabled {
            return Err(self.out_of_service(why));
        }
        match alias.filter(|alias| alias.as_str() != LIVE_ALIAS) {
            None => Ok(&self.beside),
            Some(alias) => self.aliases.get(alias).ok_or_else(|| self.no_alias(alias)),
        }
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
