//! What the operator says about the listeners.

use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Where functions are invoked. Port 0 picks a free one.
    pub data: SocketAddr,
    /// Where functions are deployed and looked at. Port 0 picks a free one.
    pub control: SocketAddr,
    /// Where Prometheus reads the numbers, in clear text; nowhere when missing.
    pub metrics: Option<SocketAddr>,
    /// Threads for the data listener, each with a runtime and a listening socket of its own. The control listener has
    /// one more.
    pub workers: NonZeroUsize,
    /// Caps of the transport.
    pub limits: TransportLimits,
}

/// Caps that hold before anything is known about a caller. Each listener has its own connections; the rest is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportLimits {
    /// Invocations running at once in the whole process; one more is shed with `overloaded`.
    pub in_flight_max: usize,
    /// What a shed caller is told to wait.
    pub shed_retry_after: Duration,
    /// Open connections of one worker.
    pub connections_max: usize,
    /// HTTP/2 streams of one connection at once.
    pub streams_max: u32,
    /// Bytes of one request message on the data listener.
    pub invoke_bytes_max: usize,
    /// Bytes of one request message on the control listener: a component and its sources.
    pub deploy_bytes_max: usize,
    /// Bytes of all headers of one request.
    pub header_bytes_max: u32,
    /// Bytes of one HTTP/2 frame.
    pub frame_bytes_max: u32,
    /// Streams reset by the client and not yet looked at, before the connection is closed (rapid reset, CVE-2023-44487).
    /// As many as may be open: a client whose calls all run out of time at once is no attacker.
    pub pending_resets_max: usize,
    /// Streams reset by us for protocol errors, before the connection is closed (CVE-2025-8671).
    pub error_resets_max: usize,
    /// HTTP/2 frames that ask for nothing (PING, SETTINGS, RST_STREAM, WINDOW_UPDATE and so on) at once on a fresh
    /// connection, before it is closed. Requests and what is sent to the client earn more.
    pub idle_frames_burst: u32,
    /// The same in each second.
    pub idle_frames_per_second: u32,
    /// Between two HTTP/2 pings to the client.
    pub keepalive_interval: Duration,
    /// For the answer to a ping.
    pub keepalive_timeout: Duration,
    /// For the whole of a TLS handshake.
    pub handshake_max: Duration,
    /// For the first word of a connection, for each frame or block of headers over HTTP/2, and for the request line and
    /// headers over HTTP/1.1.
    pub header_read_max: Duration,
    /// For the body of a request on the data listener, from the first wait on.
    pub invoke_read_max: Duration,
    /// For the body of a request on the control listener, from the first wait on.
    pub deploy_read_max: Duration,
    /// For a client to take any part of its answers, before the connection is closed.
    pub send_stall_max: Duration,
    /// Without a request, before a connection is closed.
    pub connection_idle_max: Duration,
    /// From accept on, before a connection is told to finish (GOAWAY), so that clients spread again.
    pub connection_age_max: Duration,
    /// For a connection to close once it was told to finish and has nothing left to do.
    pub connection_linger_max: Duration,
}

impl TransportLimits {
    /// The values an operator starts from.
    pub const BUILT_IN: Self = Self {
        in_flight_max: 1024,
        shed_retry_after: Duration::from_millis(250),
        connections_max: 8192,
        streams_max: 256,
        invoke_bytes_max: 4 << 20,
        deploy_bytes_max: 48 << 20,
        header_bytes_max: 16 << 10,
        frame_bytes_max: 16 << 10,
        pending_resets_max: 256,
        error_resets_max: 64,
        idle_frames_burst: 256,
        idle_frames_per_second: 128,
        keepalive_interval: Duration::from_secs(30),
        keepalive_timeout: Duration::from_secs(10),
        handshake_max: Duration::from_secs(5),
        header_read_max: Duration::from_secs(10),
        invoke_read_max: Duration::from_secs(30),
        deploy_read_max: Duration::from_secs(300),
        send_stall_max: Duration::from_secs(30),
        connection_idle_max: Duration::from_secs(300),
        connection_age_max: Duration::from_secs(3600),
        connection_linger_max: Duration::from_secs(30),
    };
}
