//! Who calls and how that is known, what they may do and for how long, what ends it, and who is told why.

mod attenuation;
mod command_line;
mod desk;
mod exchange;
mod explain;
mod keys;
mod lineage;
mod publisher;
mod replay;
mod revocation;
mod roles;
mod sender;
mod tls;
