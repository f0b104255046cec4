//! The application, transport-free: invoke, gate, deploy.
