//! The one list of stable public error names.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal;)*) => {
        /// Why something was refused or failed. Stable: the names are public and listed in `docs/errors.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Reason { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// A field of the request has the wrong shape.
    RequestMalformed "request_malformed";
    /// The input is larger than `payload_bytes`.
    PayloadTooLarge "payload_too_large";
    /// The token is missing, forged, expired or meant for somebody else. One public text for all.
    TokenInvalid "token_invalid";
    /// Somebody has ended the token, or whom or what it is about.
    Revoked "revoked";
    /// The token has been used as often as it may.
    TokenUsed "token_used";
    /// Outside the token's scope, whether or not it exists.
    NotGranted "not_granted";
    /// In scope, but nothing is deployed under that name.
    FunctionUnknown "function_unknown";
    /// Somebody has taken the function out of service.
    FunctionDisabled "function_disabled";
    /// The environment takes promotions only, or none from there.
    PromotionOnly "promotion_only";
    /// A text that is not in the statement manifest of the revision, in an environment that is strict.
    StatementUnlisted "statement_unlisted";
    /// In scope, but the configuration has no such environment, or no longer.
    EnvironmentUnknown "environment_unknown";
    /// The configuration cannot be read, is not valid, or was not read from a file.
    ConfigInvalid "config_invalid";
    /// The new configuration changes keys that only a restart can change.
    RestartNeeded "restart_needed";
    /// The environment does not bind a resource the function declares.
    ResourceUnbound "resource_unbound";
    /// The backend of a resource cannot be reached or does not answer as it should.
    ResourceUnavailable "resource_unavailable";
    /// A person has to approve this first.
    ApprovalPending "approval_pending";
    /// A person has said no to it.
    ApprovalRejected "approval_rejected";
    /// A statement changes more rows than its approval allows. It was rolled back.
    ApprovalRowsExceeded "approval_rows_exceeded";
    /// There is no such approval for this tenant in this environment.
    ApprovalUnknown "approval_unknown";
    /// The approval is no longer, or not yet, in a state that allows it.
    ApprovalClosed "approval_closed";
    /// Analysis or compilation refused the component; the findings say why.
    ComponentRejected "component_rejected";
    /// The tenant has as many calls running or waiting as it may.
    TenantBusy "tenant_busy";
    /// The tenant calls more often than `calls_per_second`.
    TenantRateExceeded "tenant_rate_exceeded";
    /// `calls_per_day` or `fuel_per_day` of the tenant is spent.
    TenantBudgetExhausted "tenant_budget_exhausted";
    /// The server sheds load.
    Overloaded "overloaded";
    /// The server is stopping.
    Draining "draining";
    /// The audit trail cannot be written, so nothing runs.
    AuditUnavailable "audit_unavailable";
    /// No verification keys are available.
    KeysUnavailable "keys_unavailable";
    /// `fuel` is spent.
    FuelExhausted "fuel_exhausted";
    /// `memory_bytes` is reached.
    MemoryExhausted "memory_exhausted";
    /// `table_elements` is reached.
    TableElementsExhausted "table_elements_exhausted";
    /// `instances` is reached.
    InstancesExhausted "instances_exhausted";
    /// `handles` is reached.
    HandlesExhausted "handles_exhausted";
    /// `host_calls` is reached.
    HostCallsExhausted "host_calls_exhausted";
    /// `host_bytes` is reached.
    HostBytesExhausted "host_bytes_exhausted";
    /// The output is larger than `output_bytes`.
    OutputTooLarge "output_too_large";
    /// `log_bytes` is reached.
    LogBytesExhausted "log_bytes_exhausted";
    /// `egress_requests` is reached.
    EgressRequestsExhausted "egress_requests_exhausted";
    /// `egress_bytes` is reached.
    EgressBytesExhausted "egress_bytes_exhausted";
    /// `result_rows` is reached.
    ResultRowsExhausted "result_rows_exhausted";
    /// `result_bytes` is reached.
    ResultBytesExhausted "result_bytes_exhausted";
    /// The deadline passed.
    TimeExhausted "time_exhausted";
    /// The caller went away or cancelled.
    Cancelled "cancelled";
    /// The guest trapped or broke the component ABI.
    GuestTrap "guest_trap";
    /// The guest returned something that is not JSON.
    OutputMalformed "output_malformed";
    /// A SQL statement that is never accepted from a guest, or cannot be understood.
    StatementRefused "statement_refused";
    /// A host call whose path, method or target is not allowed by the egress policy.
    EgressDenied "egress_denied";
    /// The environment does not let functions write.
    WritesDenied "writes_denied";
    /// A store has no room left for what a function wants to keep.
    StorageFull "storage_full";
    /// A model that the binding does not list.
    ModelDenied "model_denied";
    /// What may be spent on completions today is spent.
    SpendingExhausted "spending_exhausted";
    /// A bug of ours. Never caused by a guest or caller.
    Internal "internal";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
