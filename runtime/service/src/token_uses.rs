//! Tokens that are good for so many calls.

use airlock_access::{Link, VerifiedToken};
use airlock_model::{Failure, Limit, Reason};
use airlock_store::CountedToken;

use crate::{App, app::store_failure, clock, settings::Settings};

impl App {
    /// Counts a call with its token and with those that it was derived from, where they are good for so many. Durable before the
    /// call runs.
    ///
    /// # Errors
    /// `token_used`; `audit_unavailable` when it cannot be counted.
    pub(crate) async fn count_call(&self, token: &VerifiedToken, settings: &Settings) -> Result<(), Failure> {
        let tokens = for_so_many_calls(token, settings);
        if tokens.is_empty() {
            return Ok(());
        }
        let counted = self.backends.store.count_calls(tokens, clock::now_unix_s()).await;
        if counted.map_err(|why| store_failure(&why))? { Ok(()) } else { Err(used_up()) }
    }

    /// What [`Self::count_call`] would say to one more call; `None` where the token is good for any number. Counts nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn call_left(
        &self,
        token: &VerifiedToken,
        settings: &Settings,
    ) -> Result<Option<Result<(), Failure>>, Failure> {
        let tokens = for_so_many_calls(token, settings);
        if tokens.is_empty() {
            return Ok(None);
        }
        let is_left = self.backends.store.have_calls_left(tokens, clock::now_unix_s()).await;
        let is_left = is_left.map_err(|why| store_failure(&why))?;
        Ok(Some(if is_left { Ok(()) } else { Err(used_up()) }))
    }
}

/// A token and those that it was derived from, as far as they are good for so many calls, and for how many.
fn for_so_many_calls(token: &VerifiedToken, settings: &Settings) -> Vec<(CountedToken, u32)> {
    let links = token.chain().iter().cloned().chain([token.link()]);
    links.filter_map(|link| Some((counted(&link, token, settings), link.calls_max?.get()))).collect()
}

fn used_up() -> Failure {
    let message = "the token, or one it was derived from, has been used for as many calls as it is good for";
    Failure::new(Reason::TokenUsed, message, "ask for a new token")
}

/// How much longer than its token a call can go on at most, in seconds: it waits for its turn, and it runs.
fn call_s(settings: &Settings) -> u64 {
    const SPARE_S: u64 = 60;
    let wall_s = settings.operator.get(Limit::WallTimeMs).get().div_ceil(1000);
    wall_s.saturating_mul(2).saturating_add(SPARE_S)
}

/// A token as its uses are kept: until nobody accepts it any more, nor any that is derived from it.
pub(crate) fn counted(link: &Link, token: &VerifiedToken, settings: &Settings) -> CountedToken {
    let tokens = &settings.config.tokens;
    // All of a chain have the first one's `iat`, and the cap on lifetimes counts from there.
    let longest = token.issued_at_unix_s().saturating_add(tokens.max_lifetime_s);
    let expires_unix_s =
        longest.max(token.expires_at_unix_s()).saturating_add(tokens.leeway_s).saturating_add(call_s(settings));
    CountedToken { issuer: link.issuer.clone(), token_id: link.token_id.clone(), expires_unix_s }
}
