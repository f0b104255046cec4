//! What one tenant may take over time, and how much of the server is its own. Set by the operator for each tenant.

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
};

use serde::Serialize;

use crate::Limit;

/// Name of a bound in errors: a [`Limit`], a quota or a bound of the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct LimitName(&'static str);

impl LimitName {
    /// For bounds that are not limits of a call. The name is the key that sets it.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

impl From<Limit> for LimitName {
    fn from(limit: Limit) -> Self {
        Self(limit.name())
    }
}

impl PartialEq<Limit> for LimitName {
    fn eq(&self, limit: &Limit) -> bool {
        self.0 == limit.name()
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! quotas {
    ($($(#[$doc:meta])* $variant:ident $field:ident;)*) => {
        /// One thing the operator sets for a tenant beside its limits.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Quota { $($(#[$doc])* $variant,)* }

        impl Quota {
            /// Every quota there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name, as in configuration and errors.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)* }
            }

            /// The quota of that name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|quota| quota.name() == name)
            }
        }

        impl From<Quota> for LimitName {
            fn from(quota: Quota) -> Self {
                Self(quota.name())
            }
        }

        /// What the operator sets for a tenant beside its limits. What is missing is not bounded.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
        pub struct TenantQuotas {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<NonZeroU64>,)*
        }

        impl TenantQuotas {
            /// Sets one value by name.
            pub const fn set(&mut self, quota: Quota, value: NonZeroU64) {
                match quota { $(Quota::$variant => self.$field = Some(value),)* }
            }
        }
    };
}

quotas! {
    /// Share of the server when tenants wait for each other, relative to theirs; 1 when missing.
    Weight weight;
    /// Calls taken in a second, on average.
    CallsPerSecond calls_per_second;
    /// Calls taken at once after a pause; as many as `calls_per_second` when missing.
    CallsBurst calls_burst;
    /// Calls taken in a day of UTC.
    CallsPerDay calls_per_day;
    /// Fuel spent in a day of UTC.
    FuelPerDay fuel_per_day;
    /// Host calls of the tenant's guests in a second, on average; more wait.
    HostCallsPerSecond host_calls_per_second;
}

impl TenantQuotas {
    /// The largest weight there is: beyond it one tenant would be the only one.
    pub const WEIGHT_MAX: u64 = 1_000;

    /// The tenant's weight among others, 1 to [`Self::WEIGHT_MAX`].
    #[must_use]
    pub fn weight(&self) -> NonZeroU32 {
        let weight = self.weight.map_or(1, |weight| weight.get().min(Self::WEIGHT_MAX));
        u32::try_from(weight).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }

    /// Whether anything of a whole day is bounded.
    #[must_use]
    pub const fn is_daily(&self) -> bool {
        self.calls_per_day.is_some() || self.fuel_per_day.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_found_by_name_and_none_is_called_like_a_limit() {
        for quota in Quota::ALL {
            assert_eq!(Quota::by_name(quota.name()), Some(*quota));
            assert_eq!(Limit::by_name(quota.name()), None, "{quota:?} would be ambiguous in [limits.tenant.<name>]");
        }
        for limit in Limit::ALL {
            assert_eq!(Limit::by_name(limit.name()), Some(*limit));
        }
    }

    #[test]
    fn a_weight_is_between_one_and_its_maximum() {
        let with = |weight| TenantQuotas { weight: NonZeroU64::new(weight), ..TenantQuotas::default() }.weight().get();
        assert_eq!((with(0), with(7), with(u64::MAX)), (1, 7, 1_000));
    }
}
