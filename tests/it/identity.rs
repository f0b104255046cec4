//! Who calls, and how that is known.

mod keys;
mod publisher;
