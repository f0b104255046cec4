//! Clients, egress and credentials: the only crate that dials out.
