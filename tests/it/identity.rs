//! Who may do what, for how long, and what ends it.

mod attenuation;
mod exchange;
mod replay;
mod revocation;
mod roles;
