//! Ports, protocols and sockets.

use std::{
    mem::size_of,
    os::{
        fd::IntoRawFd as _,
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream},
    },
};

use libc::{AF_INET, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, c_int, sockaddr_in, socklen_t};

use crate::{Aims, Probe, harmless, probe};

const AF_ALG: c_int = 38;
const IPPROTO_MPTCP: c_int = 262;

fn socket(family: c_int, kind: c_int, protocol: c_int) -> i64 {
    unsafe { i64::from(libc::socket(family, kind, protocol)) }
}

fn loopback(port: u16) -> sockaddr_in {
    sockaddr_in {
        sin_family: libc::sa_family_t::try_from(AF_INET).expect("a family"),
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    }
}

const LENGTH: socklen_t = size_of::<sockaddr_in>() as socklen_t;

fn connect(port: u16) -> i64 {
    let address = loopback(port);
    unsafe { i64::from(libc::connect(libc::socket(AF_INET, SOCK_STREAM, 0), (&raw const address).cast(), LENGTH)) }
}

fn bind(port: u16) -> i64 {
    let address = loopback(port);
    unsafe { i64::from(libc::bind(libc::socket(AF_INET, SOCK_STREAM, 0), (&raw const address).cast(), LENGTH)) }
}

fn connect_with_first_byte(port: u16) -> i64 {
    let address = loopback(port);
    let flags = libc::MSG_FASTOPEN;
    unsafe {
        let socket = libc::socket(AF_INET, SOCK_STREAM, 0);
        libc::sendto(socket, c"x".as_ptr().cast(), 1, flags, (&raw const address).cast(), LENGTH) as i64
    }
}

/// As the kernel would have answered.
fn answer<T>(made: &std::io::Result<T>) -> i64 {
    if made.is_ok() { 0 } else { -1 }
}

fn abstract_address(name: &str) -> SocketAddr {
    SocketAddr::from_abstract_name(name).expect("a name")
}

pub fn probes() -> Vec<Probe> {
    vec![
        harmless("connect to a port that no resource uses", |aims| connect(aims.trap_port)),
        harmless("bind a port", |_| bind(0)),
        probe("bind the server's own port again", |aims| bind(aims.config.server.control.port())),
        harmless("connect with the first byte sent", |aims| connect_with_first_byte(aims.trap_port)),
        probe("open a multipath TCP socket", |_| socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP)),
        harmless("open a netlink socket", |_| socket(libc::AF_NETLINK, SOCK_RAW, 0)),
        probe("open a packet socket", |_| socket(libc::AF_PACKET, SOCK_DGRAM, 0)),
        probe("open a raw socket", |_| socket(AF_INET, SOCK_RAW, libc::IPPROTO_ICMP)),
        harmless("open a socket to the hypervisor", |_| socket(libc::AF_VSOCK, SOCK_STREAM, 0)),
        probe("open a socket to the kernel's ciphers", |_| socket(AF_ALG, libc::SOCK_SEQPACKET, 0)),
        harmless("connect to an abstract socket outside", |aims: &Aims| {
            answer(&UnixStream::connect_addr(&abstract_address(&aims.abstract_name)))
        }),
        probe("send to an abstract socket outside", |aims: &Aims| {
            let socket = UnixDatagram::unbound().expect("a local socket");
            let sent = socket.send_to_addr(b"x", &abstract_address(&format!("{}-datagrams", aims.abstract_name)));
            let _kept = socket.into_raw_fd();
            answer(&sent)
        }),
        harmless("make a socket in the state directory", |aims| {
            answer(&UnixListener::bind(aims.config.state.dir.join("socket")))
        }),
    ]
}
