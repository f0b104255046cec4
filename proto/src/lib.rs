//! The gRPC contract of Airlock: messages, services and descriptors, generated code only.
