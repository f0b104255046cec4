//! Which addresses a request may go to.
//!
//! Everything that is not a globally reachable unicast address is refused unless the binding lists it (IANA special
//! purpose registries for IPv4 and IPv6, RFC 6890). Addresses that carry an IPv4 address inside are opened and the
//! inner one is judged as well, so that no spelling of `127.0.0.1` is better than another.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{ConfigError, Network, dial::DialError};

/// What an address is for. Everything but `Global` needs a listing; the last three are never allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressClass {
    Global,
    Private,
    Loopback,
    LinkLocal,
    Metadata,
    SharedCarrier,
    UniqueLocal,
    Documentation,
    Benchmarking,
    Translated,
    Reserved,
    Unspecified,
    Multicast,
    Broadcast,
}

impl AddressClass {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Metadata => "cloud metadata",
            Self::SharedCarrier => "carrier-grade NAT",
            Self::UniqueLocal => "unique local",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Translated => "translated (NAT64, 6to4, Teredo)",
            Self::Reserved => "reserved",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
        }
    }

    /// Not a single machine, or not the machine it seems: no listing makes these a target.
    pub(crate) const fn is_never_a_target(self) -> bool {
        matches!(self, Self::Unspecified | Self::Multicast | Self::Broadcast)
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const V4: [(Ipv4Net, AddressClass); 18] = {
    const fn net(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
        Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
    }
    use AddressClass as C;
    [
        (net(169, 254, 169, 254, 32), C::Metadata),
        (net(100, 100, 100, 200, 32), C::Metadata),
        // Azure's platform, which tells a machine its configuration.
        (net(168, 63, 129, 16, 32), C::Metadata),
        (net(255, 255, 255, 255, 32), C::Broadcast),
        (net(0, 0, 0, 0, 8), C::Unspecified),
        (net(10, 0, 0, 0, 8), C::Private),
        (net(172, 16, 0, 0, 12), C::Private),
        (net(192, 168, 0, 0, 16), C::Private),
        (net(127, 0, 0, 0, 8), C::Loopback),
        (net(169, 254, 0, 0, 16), C::LinkLocal),
        (net(100, 64, 0, 0, 10), C::SharedCarrier),
        (net(192, 0, 2, 0, 24), C::Documentation),
        (net(198, 51, 100, 0, 24), C::Documentation),
        (net(203, 0, 113, 0, 24), C::Documentation),
        (net(198, 18, 0, 0, 15), C::Benchmarking),
        (net(224, 0, 0, 0, 4), C::Multicast),
        (net(192, 0, 0, 0, 24), C::Reserved),
        (net(240, 0, 0, 0, 4), C::Reserved),
    ]
};

/// Deprecated 6to4 relays (RFC 7526) and AS112 nodes: anycast that no API lives on.
const V4_SPECIAL: [Ipv4Net; 3] = [
    Ipv4Net::new_assert(Ipv4Addr::new(192, 88, 99, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 31, 196, 0), 24),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 52, 193, 0), 24),
];

const V6: [(Ipv6Net, AddressClass); 14] = {
    const fn net(first: [u16; 3], last: u16, prefix: u8) -> Ipv6Net {
        let [a, b, c] = first;
        Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, last), prefix)
    }
    use AddressClass as C;
    [
        (net([0, 0, 0], 0, 128), C::Unspecified),
        (net([0, 0, 0], 1, 128), C::Loopback),
        (net([0xfd00, 0x0ec2, 0], 0x254, 128), C::Metadata),
        (net([0xfd20, 0x00ce, 0], 0x254, 128), C::Metadata),
        (net([0x64, 0xff9b, 0], 0, 96), C::Translated),
        (net([0x64, 0xff9b, 1], 0, 48), C::Translated),
        (net([0x2002, 0, 0], 0, 16), C::Translated),
        (net([0x2001, 0, 0], 0, 32), C::Translated),
        (net([0x2001, 2, 0], 0, 48), C::Benchmarking),
        (net([0x2001, 0x0db8, 0], 0, 32), C::Documentation),
        (net([0x3fff, 0, 0], 0, 20), C::Documentation),
        (net([0xfc00, 0, 0], 0, 7), C::UniqueLocal),
        (net([0xfe80, 0, 0], 0, 10), C::LinkLocal),
        (net([0xff00, 0, 0], 0, 8), C::Multicast),
    ]
};

const V6_GLOBAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// IETF protocol assignments inside the global range (RFC 2928): ORCHID, AMT, anycast services.
const V6_ASSIGNMENTS: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23);

/// The class of one address. A v4-mapped address is the IPv4 address it stands for: the kernel treats it so.
pub(crate) fn classify(address: IpAddr) -> AddressClass {
    match address.to_canonical() {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let listed = V4.iter().find(|(net, _)| net.contains(&address)).map(|(_, class)| *class);
    let special = V4_SPECIAL.iter().any(|net| net.contains(&address));
    listed.unwrap_or(if special { AddressClass::Reserved } else { AddressClass::Global })
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    if let Some((_, class)) = V6.iter().find(|(net, _)| net.contains(&address)) {
        return *class;
    }
    // Default deny: only 2000::/3 is handed out at all. This also refuses v4-compatible ::a.b.c.d and fec0::/10.
    if V6_GLOBAL.contains(&address) && !V6_ASSIGNMENTS.contains(&address) {
        AddressClass::Global
    } else {
        AddressClass::Reserved
    }
}

/// The IPv4 address that a packet to this address may end up at.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, _, _, _, g, h] = address.segments();
    let inner = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match (a, b) {
        (0x2002, _) => inner(b, c),
        (0x2001, 0) => inner(!g, !h),
        (0x64, 0xff9b) => inner(g, h),
        _ => address.to_ipv4(),
    }
}

/// Why an address is no target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// Its class needs a listing that the binding does not have, or can never be allowed.
    Class(AddressClass),
    /// Airlock listens there itself.
    OwnListener,
    /// It is global, and the binding may only connect to what it lists.
    NotListed,
}

impl Forbidden {
    /// The stable name of the rule.
    pub(crate) const fn rule(&self) -> &'static str {
        match self {
            Self::Class(_) => "address_forbidden",
            Self::OwnListener => "own_listener",
            Self::NotListed => "address_not_listed",
        }
    }
}

/// The addresses that one binding may connect to.
#[derive(Debug, Clone)]
pub(crate) struct AddressPolicy {
    allowed: Vec<IpNet>,
    network: Network,
    global: Global,
}

/// What a policy says of global addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Global {
    Allowed,
    /// They need a listing like all others.
    OnlyListed,
}

impl AddressPolicy {
    pub(crate) fn new(allowed: Vec<IpNet>, network: &Network) -> Self {
        Self { allowed, network: network.clone(), global: Global::Allowed }
    }

    /// Only what is listed: for connections that do not check who answers.
    pub(crate) fn only_listed(allowed: Vec<IpNet>, network: &Network) -> Self {
        Self { allowed, network: network.clone(), global: Global::OnlyListed }
    }

    /// Every address of a host that this policy allows to be connected to.
    ///
    /// # Errors
    /// When the host has no address, or one that is not allowed. All or none: a name that has one forbidden address is being
    /// played with, or configured by mistake.
    pub(crate) async fn targets(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let resolve = |source| DialError::Resolve { host: host.to_owned(), source };
        let targets = self.network.addresses(host, port).await.map_err(resolve)?;
        for target in &targets {
            self.check(*target).map_err(|why| DialError::Forbidden { target: *target, why })?;
        }
        if targets.is_empty() { Err(DialError::NoAddress(host.to_owned())) } else { Ok(targets) }
    }

    /// As [`Self::targets`] for a host that is an address; `None` for a name, which would have to be resolved.
    ///
    /// # Errors
    /// When the address is not allowed.
    pub(crate) fn literal(&self, host: &str, port: u16) -> Result<Option<SocketAddr>, DialError> {
        let Ok(address) = host.parse::<IpAddr>() else { return Ok(None) };
        let target = SocketAddr::new(address, port);
        self.check(target).map_err(|why| DialError::Forbidden { target, why })?;
        Ok(Some(target))
    }

    /// Allows a target when it is global or listed, and not one of our own listeners.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self, target: SocketAddr) -> Result<(), Forbidden> {
        let address = target.ip().to_canonical();
        if self.network.own_listeners.iter().any(|own| reaches(*own, SocketAddr::new(address, target.port()))) {
            return Err(Forbidden::OwnListener);
        }
        self.check_class(address)?;
        match address {
            IpAddr::V4(_) => Ok(()),
            IpAddr::V6(outer) => embedded_v4(outer)
                .filter(|_| classify(address) != AddressClass::Loopback)
                .map_or(Ok(()), |inner| self.check_class(IpAddr::V4(inner))),
        }
    }

    fn check_class(&self, address: IpAddr) -> Result<(), Forbidden> {
        let class = classify(address);
        let listed = || self.allowed.iter().any(|net| net.contains(&address));
        match class {
            AddressClass::Global if self.global == Global::Allowed || listed() => Ok(()),
            AddressClass::Global => Err(Forbidden::NotListed),
            class if !class.is_never_a_target() && listed() => Ok(()),
            class => Err(Forbidden::Class(class)),
        }
    }
}

/// Whether a connection to `target` would arrive at `own`.
fn reaches(own: SocketAddr, target: SocketAddr) -> bool {
    if own.port() != target.port() {
        return false;
    }
    let own = own.ip().to_canonical();
    own == target.ip() || (own.is_unspecified() && is_of_this_machine(target.ip()))
}

/// Only an address of this machine can be bound, which is how a wildcard listener knows its own.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

/// Reads `10.0.0.0/8`, `::1/128` or one plain address.
fn parse_net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Reads the listing of a binding.
///
/// # Errors
/// Names the first that is no range.
pub(crate) fn parse_nets(texts: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    texts.iter().map(|text| parse_net(text).ok_or_else(|| ConfigError::AllowPrivate(text.clone()))).collect()
}

#[cfg(test)]
mod tests;
