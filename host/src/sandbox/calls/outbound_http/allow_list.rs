//! Which hosts a function may call.
//!
//! An entry is `[scheme://]target[:port]`. The scheme is `http` or `https`; without it, both. Without a port, every port. The target is
//! - a name: `api.example.com`;
//! - names below a domain, not the domain itself: `*.example.com`;
//! - everything: `*`;
//! - an address or a network: `10.1.2.3`, `10.0.0.0/8`, `[fd00::1]`, `[fd00::/8]:8443` (IPv6 needs no brackets when there is no port).
//!
//! A name must match a name entry before it is even resolved: a lookup tells the outside something too. What it then resolves to
//! must be reachable as well. Loopback, link-local, metadata, unspecified, multicast and reserved addresses ([`super::address`]) are
//! not covered by names nor by `*`, nor by a network that merely contains them (`0.0.0.0/0`): they need an entry for an address or
//! network inside that range. `localhost` is such an entry for the name `localhost` and the host's own addresses.
//! Private ranges are ordinary addresses. The empty list allows nothing.
//!
//! The word `lamina` is an entry too: the daemon's own AWS port ([`OwnPort`]), by its address or as `localhost`, and nothing else. A host
//! of that name is written with its port or scheme.

use super::address::{canonical, forms, is_loopback, restricted};
use super::own_port::OwnPort;
use http::uri::Scheme;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The most entries a list may have.
pub const MAX_ENTRIES: usize = 256;

/// The entry that stands for the daemon's own AWS port.
const OWN: &str = "lamina";

/// Why an allow-list is not one. The caller's fault; not to be retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowListError {
    /// An entry cannot be read.
    #[error("{entry:?} is not an entry of an allow-list: {reason}")]
    Entry {
        /// The entry as given.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There are too many.
    #[error("an allow-list has at most {MAX_ENTRIES} entries, not {0}")]
    TooMany(usize),
}

/// The hosts a function may call. The default allows none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    entries: Box<[AllowEntry]>,
    /// Where the list has it, once that is known.
    own: Option<Box<OwnPort>>,
}

/// One entry of an [`AllowList`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowEntry {
    scheme: Option<Scheme>,
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Anything,
    Name(String),
    /// With the dot in front.
    Below(String),
    Network(IpNet),
    Own,
}

/// A host that a request names: what is between scheme and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostName {
    Name(String),
    Address(IpAddr),
}

impl HostName {
    /// Reads the host of an authority, as `http::uri::Authority::host` gives it.
    pub(super) fn parse(host: &str) -> Option<Self> {
        if let Some(address) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            return address.parse::<Ipv6Addr>().ok().map(|a| HostName::Address(IpAddr::V6(a)));
        }
        if let Ok(address) = host.parse() {
            return Some(HostName::Address(address));
        }
        let name = normal_name(host);
        check_name(&name).ok().map(|()| HostName::Name(name))
    }
}

impl AllowList {
    /// Reads a list of entries; repeated ones do no harm.
    ///
    /// # Errors
    /// The first entry that cannot be read, or that there are too many.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, AllowListError> {
        let entries = entries.into_iter().map(str::parse).collect::<Result<Vec<AllowEntry>, _>>()?;
        if entries.len() > MAX_ENTRIES {
            return Err(AllowListError::TooMany(entries.len()));
        }
        Ok(Self { entries: entries.into(), own: None })
    }

    /// Whether the daemon's own AWS port is an entry.
    pub fn lists_own(&self) -> bool {
        self.entries.iter().any(|entry| entry.target == Target::Own)
    }

    /// The same list, where the daemon's AWS port is at `port`. Before, that entry allows nothing.
    #[must_use]
    pub fn with_own(self, port: &OwnPort) -> Self {
        let own = self.lists_own().then(|| Box::new(port.clone()));
        Self { own, ..self }
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in the order given.
    pub fn entries(&self) -> &[AllowEntry] {
        &self.entries
    }

    /// Whether this name may be resolved for such a request.
    pub(super) fn allows_name(&self, name: &str, scheme: &Scheme, port: u16) -> bool {
        let listed = self.matching(scheme, port).any(|target| match target {
            Target::Anything => true,
            Target::Name(listed) => listed == name,
            Target::Below(domain) => name.len() > domain.len() && name.ends_with(domain.as_str()),
            Target::Network(_) | Target::Own => false,
        });
        listed || self.own.as_ref().is_some_and(|own| own.is_named(name, scheme, port))
    }

    /// Whether a connection may be made to this address, for a request to `host` that is itself allowed.
    pub(super) fn allows_address(&self, host: &HostName, address: IpAddr, scheme: &Scheme, port: u16) -> bool {
        if self.own.as_ref().is_some_and(|own| own.is(host, address, scheme, port)) {
            return true;
        }
        let localhost = matches!(host, HostName::Name(name) if name == "localhost")
            && is_loopback(address)
            && self.lists_localhost(scheme, port);
        let unlisted = |form: IpAddr| match restricted(form) {
            _ if localhost => false,
            Some(range) => !self.networks(scheme, port).any(|n| n.contains(&form) && range.contains(&n)),
            None => false,
        };
        if forms(address).any(unlisted) {
            return false;
        }
        match host {
            HostName::Name(_) => true,
            HostName::Address(_) => {
                self.matching(scheme, port).any(|target| *target == Target::Anything)
                    || self.networks(scheme, port).any(|network| network.contains(&canonical(address)))
            }
        }
    }

    fn lists_localhost(&self, scheme: &Scheme, port: u16) -> bool {
        self.matching(scheme, port).any(|target| matches!(target, Target::Name(name) if name == "localhost"))
    }

    fn networks(&self, scheme: &Scheme, port: u16) -> impl Iterator<Item = IpNet> {
        self.matching(scheme, port).filter_map(|target| match target {
            Target::Network(network) => Some(*network),
            _ => None,
        })
    }

    fn matching(&self, scheme: &Scheme, port: u16) -> impl Iterator<Item = &Target> {
        self.entries
            .iter()
            .filter(move |e| e.scheme.as_ref().is_none_or(|s| s == scheme) && e.port.is_none_or(|p| p == port))
            .map(|e| &e.target)
    }
}

impl FromStr for AllowEntry {
    type Err = AllowListError;

    fn from_str(entry: &str) -> Result<Self, AllowListError> {
        parse_entry(entry).map_err(|reason| AllowListError::Entry { entry: entry.chars().take(300).collect(), reason })
    }
}

impl fmt::Display for AllowEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        match &self.target {
            Target::Anything => f.write_str("*")?,
            Target::Name(name) => f.write_str(name)?,
            Target::Own => f.write_str(OWN)?,
            Target::Below(domain) => write!(f, "*{domain}")?,
            Target::Network(network) => {
                let whole = network.prefix_len() == network.max_prefix_len();
                let address = if whole { network.addr().to_string() } else { network.to_string() };
                if network.addr().is_ipv6() { write!(f, "[{address}]")? } else { f.write_str(&address)? }
            }
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn parse_entry(entry: &str) -> Result<AllowEntry, &'static str> {
    if entry.eq_ignore_ascii_case(OWN) {
        return Ok(AllowEntry { scheme: None, target: Target::Own, port: None });
    }
    let (scheme, rest) = match entry.split_once("://") {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "http" => (Some(Scheme::HTTP), rest),
            "https" => (Some(Scheme::HTTPS), rest),
            _ => return Err("the scheme must be http or https"),
        },
        None => (None, entry),
    };
    if rest.contains('@') {
        return Err("an entry holds no user name");
    }
    if rest.contains(['?', '#']) {
        return Err("an entry ends with the port: requests are allowed by host, not by path");
    }
    let (target, port) = split_port(rest)?;
    let port = match port {
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err("the port must be a number from 1 to 65535"),
        },
        None => None,
    };
    Ok(AllowEntry { scheme, target: parse_target(target)?, port })
}

/// Takes apart target and port; a bare IPv6 address or network has no port.
fn split_port(rest: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(inner) = rest.strip_prefix('[') {
        let (target, after) = inner.split_once(']').ok_or("a bracket is not closed")?;
        if !target.contains(':') {
            return Err("only IPv6 addresses stand in brackets");
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((target, Some(port))),
            None if after.is_empty() => Ok((target, None)),
            None => Err("only a port may follow the bracket"),
        };
    }
    Ok(match rest.matches(':').count() {
        0 => (rest, None),
        1 => rest.split_once(':').map_or((rest, None), |(target, port)| (target, Some(port))),
        _ => (rest, None),
    })
}

fn parse_target(target: &str) -> Result<Target, &'static str> {
    if target == "*" {
        return Ok(Target::Anything);
    }
    if target.is_empty() {
        return Err("the host is missing");
    }
    if let Ok(address) = target.parse::<IpAddr>() {
        return Ok(Target::Network(canonical(address).into()));
    }
    if let Some((address, _)) = target.split_once('/') {
        if address.parse::<IpAddr>().is_err() {
            return Err("an entry ends with the port: requests are allowed by host, not by path");
        }
        let network: IpNet = target.parse().map_err(|_| "the prefix length does not fit the address")?;
        if network.trunc() != network {
            return Err("the network has bits set beyond its prefix length");
        }
        return Ok(Target::Network(network));
    }
    if target.contains(':') {
        return Err("not an IPv6 address; with a port, it stands in brackets");
    }
    let (name, below) = match target.strip_prefix("*.") {
        Some(domain) => (domain, true),
        None => (target, false),
    };
    let name = normal_name(name);
    check_name(&name)?;
    // What a resolver would take for an address (`127.1`, `0x7f000001`) is no name.
    if name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit())) {
        return Err("not a name, and not an address in its usual form");
    }
    Ok(if below { Target::Below(format!(".{name}")) } else { Target::Name(name) })
}

/// Lower case, and without the dot that marks a name as complete.
fn normal_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if !name.is_ascii() {
        return Err("names are ASCII: write international ones in their xn-- form");
    }
    if name.contains('*') {
        return Err("a star stands alone, or for the names below a domain: *.example.com");
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err("not a host name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowList {
        AllowList::parse(entries.iter().copied()).unwrap()
    }

    /// Whether a request is allowed as far as its URL tells.
    fn name(list: &AllowList, url: &str) -> bool {
        let uri: http::Uri = url.parse().unwrap();
        let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
        match HostName::parse(uri.host().unwrap()).unwrap() {
            HostName::Name(name) => list.allows_name(&name, uri.scheme().unwrap(), port),
            host @ HostName::Address(address) => list.allows_address(&host, address, uri.scheme().unwrap(), port),
        }
    }

    fn resolved(list: &AllowList, host: &str, address: &str) -> bool {
        let host = HostName::parse(host).unwrap();
        list.allows_address(&host, address.parse().unwrap(), &Scheme::HTTPS, 443)
    }

    #[test]
    fn entries_read_as_they_are_written() {
        for entry in [
            "example.com",
            "https://example.com",
            "http://example.com:8080",
            "*.example.com:443",
            "*",
            "*:443",
            "10.1.2.3",
            "10.0.0.0/8",
            "10.0.0.0/8:8080",
            "[fd00::1]",
            "https://[fd00::/8]:8443",
            "localhost:3000",
            "a_b.example",
            "lamina",
            "lamina:80",
            "http://lamina",
        ] {
            assert_eq!(entry.parse::<AllowEntry>().unwrap().to_string(), entry);
        }
        for (entry, same) in [
            ("EXAMPLE.com.", "example.com"),
            ("HTTPS://Example.com", "https://example.com"),
            ("fd00::1", "[fd00::1]"),
            ("fd00::/8", "[fd00::/8]"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("Lamina", "lamina"),
        ] {
            assert_eq!(entry.parse::<AllowEntry>().unwrap().to_string(), same);
        }
    }

    #[test]
    fn entries_that_are_none_say_why() {
        for (entry, why) in [
            ("", "missing"),
            ("https://", "missing"),
            (":80", "missing"),
            ("ftp://example.com", "scheme"),
            ("example.com/path", "path"),
            ("example.com?x", "path"),
            ("user@example.com", "user name"),
            ("example.com:", "port"),
            ("example.com:0", "port"),
            ("example.com:70000", "port"),
            ("example.com:http", "port"),
            ("ex ample.com", "host name"),
            ("-a.com", "host name"),
            ("a..com", "host name"),
            ("foo*.com", "star"),
            ("*.*.com", "star"),
            ("bücher.example", "xn--"),
            ("10.0.0.1/8", "bits"),
            ("10.0.0.0/33", "prefix"),
            ("127.1", "usual form"),
            ("2130706433", "usual form"),
            ("0x7f.1", "usual form"),
            ("[fd00::1", "bracket"),
            ("[fd00::1]x", "port"),
            ("[example.com]", "IPv6"),
            ("fd00::1::", "IPv6"),
        ] {
            let error = entry.parse::<AllowEntry>().unwrap_err().to_string();
            assert!(error.contains(why), "{entry}: {error}");
        }
        let many = vec!["a.example"; MAX_ENTRIES + 1];
        assert_eq!(AllowList::parse(many), Err(AllowListError::TooMany(MAX_ENTRIES + 1)));
    }

    #[test]
    fn names_match_by_scheme_name_and_port() {
        let l = list(&["api.example.com", "https://tls.example.com", "*.below.com:8080", "10.0.0.0/8"]);
        assert!(name(&l, "http://api.example.com/x"));
        assert!(name(&l, "https://API.example.com.:444/x"));
        assert!(!name(&l, "https://example.com/"));
        assert!(!name(&l, "https://xapi.example.com/"));
        assert!(!name(&l, "https://api.example.com.evil.com/"));
        assert!(name(&l, "https://tls.example.com/"));
        assert!(!name(&l, "http://tls.example.com/"));
        assert!(name(&l, "http://a.b.below.com:8080/"));
        assert!(!name(&l, "http://a.below.com/"));
        assert!(!name(&l, "http://below.com:8080/"));
        assert!(!name(&l, "http://xbelow.com:8080/"));
        assert!(name(&l, "http://10.9.8.7/"));
        assert!(!name(&l, "http://11.9.8.7/"));
        assert!(!name(&l, "http://tenth.example/"), "a network lets no name be resolved");
        assert!(!name(&AllowList::default(), "http://api.example.com/"));
    }

    #[test]
    fn the_host_its_link_and_metadata_need_an_entry_of_their_own() {
        let restricted = [
            "127.0.0.1",
            "127.255.1.2",
            "0.0.0.0",
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "2001:0:1:2:3:4:80ff:fffe",
        ];
        let wide = list(&["*", "0.0.0.0/0", "::/0", "example.com", "0.0.0.0/1", "*.com", "localhost:1"]);
        for address in restricted {
            assert!(!resolved(&wide, "example.com", address), "{address}");
            assert!(!resolved(&wide, "localhost", address), "{address}");
            let literal = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            assert!(!resolved(&wide, &literal, address), "{address}");
        }
        for address in ["93.184.216.34", "10.0.0.1", "192.168.0.1", "2606:4700::1", "fd00::1", "64:ff9b::808:808"] {
            assert!(resolved(&wide, "example.com", address), "{address}");
        }

        let listed = list(&["127.0.0.1", "169.254.169.254/32", "example.com", "[::1]"]);
        assert!(resolved(&listed, "example.com", "127.0.0.1"));
        assert!(resolved(&listed, "127.0.0.1", "127.0.0.1"));
        assert!(resolved(&listed, "[::ffff:127.0.0.1]", "::ffff:127.0.0.1"));
        assert!(resolved(&listed, "[::1]", "::1"));
        assert!(!resolved(&listed, "example.com", "127.0.0.2"));
        assert!(resolved(&listed, "169.254.169.254", "169.254.169.254"));
        assert!(!resolved(&listed, "169.254.170.2", "169.254.170.2"));
        assert!(resolved(&list(&["127.0.0.0/8", "example.com"]), "example.com", "127.3.2.1"));
    }

    fn own(entries: &[&str], bound: &str, is_tls: bool) -> (AllowList, String) {
        let port = OwnPort::new(bound.parse().unwrap(), is_tls);
        (list(entries).with_own(&port), port.url())
    }

    #[test]
    fn the_daemon_s_port_is_itself_and_nothing_beside_it() {
        let (l, url) = own(&["lamina"], "0.0.0.0:4566", false);
        assert_eq!(url, "http://127.0.0.1:4566");
        for allowed in ["http://127.0.0.1:4566/", "http://localhost:4566/", "http://[::ffff:127.0.0.1]:4566/"] {
            assert!(name(&l, allowed), "{allowed}");
        }
        for denied in [
            "https://127.0.0.1:4566/",
            "http://127.0.0.1:4567/",
            "http://127.0.0.1/",
            "http://127.0.0.2:4566/",
            "http://0.0.0.0:4566/",
            "http://[::1]:4566/",
            "http://lamina:4566/",
            "http://x.localhost:4566/",
            "http://example.com:4566/",
            "http://localhost:8080/",
        ] {
            assert!(!name(&l, denied), "{denied}");
        }
        let http = |host: &str, address: &str| {
            let host = HostName::parse(host).unwrap();
            l.allows_address(&host, address.parse().unwrap(), &Scheme::HTTP, 4566)
        };
        assert!(http("localhost", "127.0.0.1"));
        assert!(!http("localhost", "::1"));
        assert!(!http("example.com", "127.0.0.1"), "another name does not lead there");

        for (bound, is_tls, expected) in [
            ("127.0.0.1:80", false, "http://127.0.0.1:80"),
            ("[::]:4566", false, "http://[::1]:4566"),
            ("10.0.0.5:4566", false, "http://10.0.0.5:4566"),
            ("127.0.0.1:4566", true, "https://localhost:4566"),
            ("[::]:443", true, "https://localhost:443"),
            ("127.0.0.2:4566", true, "https://127.0.0.2:4566"),
        ] {
            let (l, url) = own(&["lamina"], bound, is_tls);
            assert_eq!(url, expected);
            assert!(name(&l, &url), "{url}");
        }

        assert!(!name(&own(&["example.com"], "127.0.0.1:4566", false).0, "http://127.0.0.1:4566/"));
        assert!(!name(&list(&["lamina"]), "http://127.0.0.1:4566/"), "where it is is not known yet");
        let (l, _) = own(&["lamina:4566"], "127.0.0.1:4566", false);
        assert!(name(&l, "http://lamina:4566/") && !name(&l, "http://127.0.0.1:4566/"), "a host of that name");
    }

    #[test]
    fn localhost_is_the_name_and_the_hosts_own_addresses_and_no_more() {
        let l = list(&["localhost", "example.com"]);
        assert!(resolved(&l, "localhost", "127.0.0.1"));
        assert!(resolved(&l, "LOCALHOST.", "::1"));
        assert!(!resolved(&l, "localhost", "169.254.169.254"));
        assert!(!resolved(&l, "example.com", "127.0.0.1"));
        assert!(!resolved(&l, "127.0.0.1", "127.0.0.1"));
    }
}
