//! Who may do what, for how long, what ends it, and who is told why.

mod attenuation;
mod exchange;
mod explain;
mod replay;
mod revocation;
mod roles;
