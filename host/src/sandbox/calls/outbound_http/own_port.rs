//! The daemon's own AWS port, as functions reach it.

use super::address::{canonical, is_loopback};
use super::allow_list::HostName;
use http::uri::Scheme;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The name of the port's host beside its address, where that is this machine's.
const LOCALHOST: &str = "localhost";

/// Where the AWS APIs of this daemon are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPort {
    address: SocketAddr,
    scheme: Scheme,
}

impl OwnPort {
    /// Of a listener at `bound`, with or without TLS. One that is bound to all addresses is reached by loopback.
    pub fn new(bound: SocketAddr, is_tls: bool) -> Self {
        let ip = match canonical(bound.ip()) {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let scheme = if is_tls { Scheme::HTTPS } else { Scheme::HTTP };
        Self { address: SocketAddr::new(ip, bound.port()), scheme }
    }

    /// Its URL, without a path. Over TLS it names `localhost` where that is it: certificates are for names.
    pub fn url(&self) -> String {
        let Self { address, scheme } = self;
        let is_localhost = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&address.ip());
        match *scheme == Scheme::HTTPS && is_localhost {
            true => format!("{scheme}://{LOCALHOST}:{}", address.port()),
            false => format!("{scheme}://{address}"),
        }
    }

    /// Whether such a name is resolved for it.
    pub(super) fn is_named(&self, name: &str, scheme: &Scheme, port: u16) -> bool {
        name == LOCALHOST && is_loopback(self.address.ip()) && self.is_at(scheme, port)
    }

    /// Whether a connection to this address, for a request to `host`, is one to it.
    pub(super) fn is(&self, host: &HostName, address: IpAddr, scheme: &Scheme, port: u16) -> bool {
        let is_meant = match host {
            HostName::Name(name) => name == LOCALHOST,
            HostName::Address(_) => true,
        };
        is_meant && self.is_at(scheme, port) && canonical(address) == self.address.ip()
    }

    fn is_at(&self, scheme: &Scheme, port: u16) -> bool {
        self.scheme == *scheme && self.address.port() == port
    }
}
