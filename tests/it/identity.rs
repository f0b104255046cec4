//! Who calls and how that is known, what they may do and for how long, what ends it, and who is told why.

mod attenuation;
mod exchange;
mod explain;
mod keys;
mod publisher;
mod replay;
mod revocation;
mod roles;
