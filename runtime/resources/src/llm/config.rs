//! `engine = "openai"` and `engine = "anthropic"` as the operator writes them, and as they are used.

use std::{collections::BTreeMap, num::NonZeroU64, path::Path};

use airlock_model::{Digest, RequestPath, Spent, TokenUsage};
use ipnet::IpNet;
use serde::Deserialize;

use crate::{
    ConfigError, Sources,
    config::amount,
    http::{self, HttpSettings},
    over_http::{OverHttp, OwnKeys},
};

use super::Provider;

/// A provider of language models: the keys of an HTTP binding, with `complete` as the operation, and those below.
pub type LlmConfig = OverHttp<LlmKeys>;

/// What a binding of language models has beside an HTTP binding.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LlmKeys {
    /// Path of the endpoint below `base_url`; `/v1/chat/completions` or `/v1/messages` unless set.
    #[serde(default)]
    pub path: Option<String>,
    /// The models that functions may use, with what they cost.
    pub models: BTreeMap<String, Price>,
    /// Most tokens of one completion; 1,024 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub output_tokens_max: Option<NonZeroU64>,
    /// Most tokens of one request, as the host estimates them; 32,768 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub input_tokens_max: Option<NonZeroU64>,
    /// Tokens that one app of a tenant may take in a day of UTC; any number unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub app_tokens_per_day: Option<NonZeroU64>,
    /// What the completions of one app of a tenant may cost in a day of UTC; anything unless set.
    #[serde(default)]
    pub app_cost_per_day: Option<f64>,
    /// Tokens that all together may take in a day of UTC; any number unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub tokens_per_day: Option<NonZeroU64>,
    /// What all completions together may cost in a day of UTC; anything unless set.
    #[serde(default)]
    pub cost_per_day: Option<f64>,
    /// What the trail keeps of requests and completions.
    #[serde(default)]
    pub record: RecordPolicy,
}

/// What a model costs, in the operator's currency for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of requests.
    #[serde(default)]
    pub input_per_million: f64,
    /// Of completions.
    #[serde(default)]
    pub output_per_million: f64,
}

/// What the trail keeps of requests and completions, besides model, tokens and cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordPolicy {
    /// A digest of the request.
    #[default]
    Hash,
    /// Texts too, without what looks like a name of somebody, a number or a key.
    Redacted,
    /// Texts too, as they are.
    Full,
}

impl OwnKeys for LlmKeys {
    const NAMES: &'static [&'static str] = &[
        "path",
        "models",
        "output_tokens_max",
        "input_tokens_max",
        "app_tokens_per_day",
        "app_cost_per_day",
        "tokens_per_day",
        "cost_per_day",
        "record",
    ];

    fn resolve_paths(&mut self, _: &Path) {}
}

impl Price {
    /// What so many tokens cost. The price of a million is, in millionths, the price of one.
    #[must_use]
    pub fn of(self, usage: TokenUsage) -> Spent {
        #[expect(clippy::cast_precision_loss, reason = "tokens of one call stay far below 2^53")]
        let cost =
            usage.input_tokens as f64 * self.input_per_million + usage.output_tokens as f64 * self.output_per_million;
        Spent { tokens: usage.total(), cost_micros: micros(cost) }
    }

    fn is_legal(self) -> bool {
        [self.input_per_million, self.output_per_million].into_iter().all(is_amount)
    }
}

/// An amount of money in millionths, rounded up. A float that is larger than any number becomes the largest.
#[must_use]
pub(crate) fn micros(amount: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "amounts are checked; the cast saturates"
    )]
    let micros = amount.ceil() as u64;
    micros
}

fn is_amount(amount: f64) -> bool {
    amount.is_finite() && (0.0..=1e9).contains(&amount)
}

impl LlmKeys {
    /// What one app may take in a day; `u64::MAX` where nothing bounds it.
    #[must_use]
    pub fn app_day(&self) -> Spent {
        day(self.app_tokens_per_day, self.app_cost_per_day)
    }

    /// What all together may take in a day; `u64::MAX` where nothing bounds it.
    #[must_use]
    pub fn day(&self) -> Spent {
        day(self.tokens_per_day, self.cost_per_day)
    }

    /// Most tokens of one completion.
    #[must_use]
    pub fn output_tokens(&self) -> u64 {
        self.output_tokens_max.map_or(1_024, NonZeroU64::get)
    }

    /// Most tokens of one request.
    #[must_use]
    pub fn input_tokens(&self) -> u64 {
        self.input_tokens_max.map_or(32_768, NonZeroU64::get)
    }
}

fn day(tokens: Option<NonZeroU64>, cost: Option<f64>) -> Spent {
    let cost_micros = cost.map_or(u64::MAX, |cost| micros(cost * 1e6));
    Spent { tokens: tokens.map_or(u64::MAX, NonZeroU64::get), cost_micros }
}

/// A checked binding of language models.
#[derive(Debug)]
pub(crate) struct LlmSettings {
    pub(super) provider: Provider,
    pub(super) http: HttpSettings,
    pub(super) path: RequestPath,
}

impl LlmSettings {
    /// Tells two credentials apart without showing either.
    pub(crate) fn credential_mark(&self) -> Option<Digest> {
        self.http.credential_mark()
    }

    pub(crate) fn allow_private(&self) -> &[IpNet] {
        &self.http.allow_private
    }
}

/// Checks what the operator wrote, and reads the credential and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check(config: &LlmConfig, provider: Provider, sources: &Sources<'_>) -> Result<LlmSettings, ConfigError> {
    let (own, refuse) = (&config.own, |key, rule| ConfigError::Key { key, rule });
    let written = own.path.as_deref().unwrap_or_else(|| provider.path());
    let path = written.parse().map_err(|_| refuse("path", "has to be an absolute path without a query"))?;
    if own.models.is_empty() || own.models.keys().any(|name| name.is_empty() || name.chars().any(char::is_control)) {
        return Err(refuse("models", "has to list at least one model, by the provider's name for it"));
    }
    if !own.models.values().all(|price| price.is_legal()) {
        return Err(refuse("models", "has a price that is not an amount from 0 to 1,000,000,000"));
    }
    for (key, cost) in [("app_cost_per_day", own.app_cost_per_day), ("cost_per_day", own.cost_per_day)] {
        if cost.is_some_and(|cost| !is_amount(cost)) {
            return Err(refuse(key, "has to be an amount from 0 to 1,000,000,000"));
        }
    }
    amount("output_tokens_max", own.output_tokens_max, 1, 1 << 20)?;
    amount("input_tokens_max", own.input_tokens_max, 1, 1 << 24)?;
    Ok(LlmSettings { provider, http: http::check(&config.http, sources)?, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_for_a_million_is_one_for_each_in_millionths() {
        let price = Price { input_per_million: 2.5, output_per_million: 10.0 };
        let usage = TokenUsage { input_tokens: 1_000, output_tokens: 3 };
        assert_eq!(price.of(usage), Spent { tokens: 1_003, cost_micros: 2_530 });
        let tiny = TokenUsage { input_tokens: 1, output_tokens: 0 };
        assert_eq!(price.of(tiny).cost_micros, 3, "rounded up: nothing is free");
        assert_eq!(day(None, Some(1.5)), Spent { tokens: u64::MAX, cost_micros: 1_500_000 });
    }
}
