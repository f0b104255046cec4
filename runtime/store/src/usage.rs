//! What calls used: counted from the trail as it is written, kept by the hour, and equal to a recount at any time.
//!
//! One function says what a record adds ([`contribution`]); the writer, the report and the recount all ask it, so they cannot
//! differ in what they count. The writer gathers what the records of each group add and folds that into its rows every two
//! seconds, in the transaction of the group and together with the number of the last record that they hold. So a crash loses
//! nothing and counts nothing twice: whoever reads adds the records behind that number, and so does the next start.

mod contribution;
mod distribution;
mod figures;
mod key;
mod ledger;
mod measures;
mod query;
mod recount;
mod report;
mod table;

pub use distribution::{Distribution, QUANTILE_ERROR};
pub use figures::{Figures, ResourceFigures, Spread};
pub use key::{Dimension, UsageKey};
pub(crate) use ledger::Ledger;
pub use measures::{CallMeasures, HostMeasures, Measures, Seen};
pub use query::{SortBy, Step, UsageQuery};
pub use recount::{UsageDifference, UsageRecount};
pub use report::{UsageLine, UsageReport};
pub(crate) use table::through as counted_through;

/// Milliseconds of an hour.
pub(crate) const HOUR_MS: u64 = 3_600_000;
