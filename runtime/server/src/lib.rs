//! The gRPC adapter: services, layers, status mapping, JSON over HTTP.
