//! Listening sockets: one per worker on the same port.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::ServeError;

const BACKLOG: i32 = 1024;

/// Sockets on one address, bound but not yet listening.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) address: SocketAddr,
    bound: Vec<TcpListener>,
}

impl Sockets {
    /// Opens them to clients.
    pub(super) fn listen(self) -> Result<Vec<TcpListener>, ServeError> {
        let Self { address, bound } = self;
        for socket in &bound {
            let listening = SockRef::from(socket).listen(BACKLOG);
            listening.map_err(|source| ServeError::Listen { address, source })?;
        }
        Ok(bound)
    }
}

/// Opens `count` sockets on the address. The kernel spreads connections over them (SO_REUSEPORT).
pub(super) fn bind(address: SocketAddr, count: NonZeroUsize) -> Result<Sockets, ServeError> {
    let listen = |source| ServeError::Listen { address, source };
    if address.port() != 0 {
        // With SO_REUSEPORT a second server of the same user would silently share the port: ask without it first.
        drop(open(address, false).map_err(listen)?);
    }
    let first = open(address, true).map_err(listen)?;
    let address = first.local_addr().map_err(listen)?;
    let mut sockets = vec![first];
    for _ in 1..count.get() {
        sockets.push(open(address, true).map_err(listen)?);
    }
    Ok(Sockets { address, bound: sockets })
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sockets_share_one_port() {
        let bound = bind(([127, 0, 0, 1], 0).into(), NonZeroUsize::new(3).unwrap()).unwrap();
        assert_eq!(bound.bound.len(), 3);
        assert!(bound.bound.iter().all(|socket| socket.local_addr().unwrap() == bound.address));
    }

    #[test]
    fn a_port_that_another_server_has_is_refused() {
        let bound = bind(([127, 0, 0, 1], 0).into(), NonZeroUsize::MIN).unwrap();
        let address = bound.address;
        let open = bound.listen().unwrap();
        assert!(matches!(bind(address, NonZeroUsize::MIN), Err(ServeError::Listen { .. })));
        drop(open);
        assert!(bind(address, NonZeroUsize::MIN).is_ok());
    }
}
