//! Limits: what people set, what is in force for one call, and where each value came from.

use std::{fmt, num::NonZeroU64};

use serde::{Deserialize, Serialize};

use crate::{LimitPlaces, Reason};

/// Who set the value that is in force. Ordered from the widest to the narrowest authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitSource {
    /// `[limits.default]` of the operator's configuration, or Airlock's own default.
    Operator,
    /// `[limits.tenant.<name>]` of the operator's configuration.
    Tenant,
    /// `[environments.<name>.limits]` of the operator's configuration.
    Environment,
    /// `[limits]` of the function's `function.toml`.
    Function,
    /// The `limits` claim of the token.
    Token,
    /// The caller's own request, for instance its gRPC deadline.
    Caller,
    /// `[admission]` of the operator's configuration: what holds for all tenants together.
    Admission,
}

impl LimitSource {
    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Tenant => "tenant",
            Self::Environment => "environment",
            Self::Function => "function",
            Self::Token => "token",
            Self::Caller => "caller",
            Self::Admission => "admission",
        }
    }

    /// Where a person goes to change it, as far as the source alone tells.
    #[must_use]
    pub fn place(self) -> &'static str {
        match self {
            Self::Operator => "[limits.default] in airlock.toml",
            Self::Tenant => "[limits.tenant.<name>] in airlock.toml",
            Self::Environment => "[environments.<name>.limits] in airlock.toml",
            Self::Function => "[limits] in function.toml",
            Self::Token => "the `limits` claim of the token",
            Self::Caller => "the caller's own deadline or request",
            Self::Admission => "[admission] in airlock.toml",
        }
    }
}

macro_rules! limits {
    ($($(#[$doc:meta])* $variant:ident $field:ident $default:literal $reason:ident;)*) => {
        /// One limit. The name carries the unit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Limit { $($(#[$doc])* $variant,)* }

        impl Limit {
            /// Every limit there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, as in configuration, tokens and errors.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)* }
            }

            /// The limit of that name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|limit| limit.name() == name)
            }

            /// What a call is told when this limit is spent.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self { $(Self::$variant => Reason::$reason,)* }
            }
        }

        /// A full set of limits. Every one is set, none is zero.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub struct Limits { $($(#[$doc])* pub $field: NonZeroU64,)* }

        impl Limits {
            /// The values an operator starts from.
            pub const BUILT_IN: Self = Self { $($field: at_least_one($default),)* };

            /// One value by name.
            #[must_use]
            pub const fn get(&self, limit: Limit) -> NonZeroU64 {
                match limit { $(Limit::$variant => self.$field,)* }
            }

            /// Replaces the values that `caps` sets: for the one authority whose word is first, the operator.
            #[must_use]
            pub fn replaced_by(mut self, caps: &LimitCaps) -> Self {
                $(if let Some(value) = caps.$field { self.$field = value; })*
                self
            }
        }

        /// Limits as somebody below the operator writes them: any may be missing, and each can only tighten.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct LimitCaps {
            $($(#[$doc])*
            #[serde(default, deserialize_with = "crate::quantity::deserialize", skip_serializing_if = "Option::is_none")]
            pub $field: Option<NonZeroU64>,)*
        }

        impl LimitCaps {
            /// Sets one value by name.
            pub const fn set(&mut self, limit: Limit, value: NonZeroU64) {
                match limit { $(Limit::$variant => self.$field = Some(value),)* }
            }

            /// The tighter of both, value by value.
            #[must_use]
            pub fn meet(&self, other: &Self) -> Self {
                Self { $($field: match (self.$field, other.$field) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                },)* }
            }
        }

        /// The limits in force for one call, each with its source.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub struct EffectiveLimits {
            values: Limits,
            sources: LimitSources,
            #[serde(skip)]
            places: LimitPlaces,
        }

        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        struct LimitSources { $($field: LimitSource,)* }

        impl EffectiveLimits {
            /// Starts from the operator's word.
            #[must_use]
            pub fn new(values: Limits) -> Self {
                let sources = LimitSources { $($field: LimitSource::Operator,)* };
                Self { values, sources, places: LimitPlaces::default() }
            }

            /// Takes every value of `caps` that is smaller; nothing can be widened.
            pub fn tighten(&mut self, caps: &LimitCaps, source: LimitSource) {
                $(if let Some(value) = caps.$field && value < self.values.$field {
                    self.values.$field = value;
                    self.sources.$field = source;
                })*
            }

            /// Who set this value.
            #[must_use]
            pub const fn source(&self, limit: Limit) -> LimitSource {
                match limit { $(Limit::$variant => self.sources.$field,)* }
            }
        }
    };
}

limits! {
    /// Wasm operators, host calls and copied bytes, in Wasmtime fuel units (QuickJS spends about 7 billion a second).
    Fuel fuel 20_000_000_000 FuelExhausted;
    /// Wall-clock time of the whole call, host waits included, in milliseconds.
    WallTimeMs wall_time_ms 10_000 TimeExhausted;
    /// Linear memory of all memories of the store together, in bytes.
    MemoryBytes memory_bytes 67_108_864 MemoryExhausted;
    /// Elements of all tables of the store together.
    TableElements table_elements 20_000 TableElementsExhausted;
    /// Core instances in the store.
    Instances instances 64 InstancesExhausted;
    /// Component handles alive at once.
    Handles handles 1_000 HandlesExhausted;
    /// Calls from the guest to resources.
    HostCalls host_calls 1_000 HostCallsExhausted;
    /// Bytes copied between guest and host in host calls, both ways, over the whole call.
    HostBytes host_bytes 67_108_864 HostBytesExhausted;
    /// Input of the call, in bytes.
    PayloadBytes payload_bytes 1_048_576 PayloadTooLarge;
    /// Output of the call, in bytes.
    OutputBytes output_bytes 4_194_304 OutputTooLarge;
    /// Log lines and standard output together, in bytes.
    LogBytes log_bytes 262_144 LogBytesExhausted;
    /// HTTP requests that leave the host.
    EgressRequests egress_requests 100 EgressRequestsExhausted;
    /// Bytes sent to and received from HTTP backends.
    EgressBytes egress_bytes 33_554_432 EgressBytesExhausted;
    /// Rows of one SQL result; the rest is cut and marked.
    ResultRows result_rows 10_000 ResultRowsExhausted;
    /// Bytes of one SQL result; the rest is cut and marked.
    ResultBytes result_bytes 8_388_608 ResultBytesExhausted;
    /// Rows of one streamed SQL query, all batches together; the rest is cut and marked.
    StreamRows stream_rows 1_000_000 ResultRowsExhausted;
    /// Calls of one tenant running at once; more wait for their turn.
    InFlight in_flight 256 TenantBusy;
}

const fn at_least_one(value: u64) -> NonZeroU64 {
    match NonZeroU64::new(value) {
        Some(value) => value,
        None => NonZeroU64::MIN,
    }
}

impl EffectiveLimits {
    /// One value by name, in the unit of the name.
    #[must_use]
    pub const fn get(&self, limit: Limit) -> u64 {
        self.values.get(limit).get()
    }

    /// Adds where the values were written, for the errors that are made of them.
    #[must_use]
    pub fn with_places(mut self, places: LimitPlaces) -> Self {
        self.places = places;
        self
    }

    /// Where the value in force was written.
    #[must_use]
    pub fn place(&self, limit: Limit) -> &str {
        self.places.of(limit, self.source(limit))
    }

    /// All values, for display.
    #[must_use]
    pub const fn values(&self) -> &Limits {
        &self.values
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(text: &str) -> LimitCaps {
        toml::from_str(text).expect("valid caps")
    }

    #[test]
    fn the_smallest_value_wins_and_names_its_source() {
        let mut limits = EffectiveLimits::new(Limits::BUILT_IN);
        limits.tighten(&caps("fuel = 500"), LimitSource::Tenant);
        limits.tighten(&caps("fuel = 900\nmemory_bytes = \"1MiB\""), LimitSource::Function);
        assert_eq!((limits.get(Limit::Fuel), limits.source(Limit::Fuel)), (500, LimitSource::Tenant));
        assert_eq!(
            (limits.get(Limit::MemoryBytes), limits.source(Limit::MemoryBytes)),
            (1 << 20, LimitSource::Function)
        );
        assert_eq!(limits.source(Limit::WallTimeMs), LimitSource::Operator);
    }

    #[test]
    fn no_layer_can_widen_a_limit() {
        for limit in Limit::ALL {
            let mut limits = EffectiveLimits::new(Limits::BUILT_IN);
            limits.tighten(&caps(&format!("{limit} = {}", i64::MAX)), LimitSource::Token);
            assert_eq!(limits, EffectiveLimits::new(Limits::BUILT_IN), "{limit}");
        }
    }

    #[test]
    fn unknown_zero_and_negative_limits_are_refused() {
        for text in ["fule = 1", "fuel = 0", "fuel = -1", "fuel = 1.5", "fuel = \"lots\""] {
            assert!(toml::from_str::<LimitCaps>(text).is_err(), "{text}");
        }
    }
}
