//! Addresses a guest must not reach by accident: the host itself, its link, and the cloud's credentials.
//!
//! An IPv6 address that carries an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) counts as both.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6(segments: [u16; 8], prefix: u8) -> IpNet {
    let [a, b, c, d, e, f, g, h] = segments;
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix))
}

/// Networks reached only when an allow-list names a network inside them. Within each, the narrowest comes first.
const RESTRICTED: [IpNet; 16] = [
    // Metadata and credential services outside the link-local range: Alibaba, Oracle, Azure; AWS and Google over IPv6.
    v4(100, 100, 100, 200, 32),
    v4(192, 0, 0, 192, 32),
    v4(168, 63, 129, 16, 32),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
    // Loopback.
    v4(127, 0, 0, 0, 8),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    // Link-local, which holds most metadata services (169.254.169.254, 169.254.170.2).
    v4(169, 254, 0, 0, 16),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    // Unspecified: Linux connects to itself.
    v4(0, 0, 0, 0, 8),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128),
    // Multicast, reserved and broadcast.
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
    // Site-local, deprecated but routed by some.
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    // Local-use NAT64: what it leads to depends on a translator's prefix length, which nobody here knows.
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
];

/// The restricted network an address is in, if any.
pub(super) fn restricted(address: IpAddr) -> Option<IpNet> {
    RESTRICTED.into_iter().find(|network| network.contains(&address))
}

/// Whether an address is the host's own.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    forms(address).all(|form| form.is_loopback())
}

/// The address, or the IPv4 address it is only another spelling of.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Everything an address may lead to: itself, and the IPv4 address inside it.
pub(super) fn forms(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let address = canonical(address);
    let embedded = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => embedded_v4(address).map(IpAddr::V4),
    };
    std::iter::once(address).chain(embedded)
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match [a, b, c, d, e, f] {
        // Compatible (RFC 4291); `::` and `::1` are themselves. Translated (RFC 2765).
        [0, 0, 0, 0, 0, 0] if g != 0 || h > 1 => Some(v4(g, h)),
        [0, 0, 0, 0, 0xffff, 0] => Some(v4(g, h)),
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0] => Some(v4(g, h)),
        // 6to4 (RFC 3056), Teredo (RFC 4380).
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0x2001, 0, ..] => Some(v4(!g, !h)),
        _ => None,
    }
}
