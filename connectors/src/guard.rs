//! The guard of outbound requests whose address somebody else chose: a client's key server, later a subscriber or a partner's endpoint.
//!
//! Such a URL may name our own network, or a server that answers with another address at each question. So it is parsed and its origin
//! compared whole, the addresses that its host resolves to are looked at, and the connection goes to the very addresses that were
//! looked at. <https://owasp.org/API-Security/editions/2023/en/0xa7-server-side-request-forgery/>

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Scheme, host and port of a URL: two are the same or they are not, nothing is matched by a part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

/// Why a URL is not asked. No variant repeats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither `https`, nor `http` at an origin that the operator listed as private.
    #[error("its scheme is not https")]
    Scheme,
    /// A name or a password in front of the host.
    #[error("it holds a name or a password")]
    Credentials,
    /// The operator lists origins, and this is none of them.
    #[error("its scheme, host and port are not on the list of allowed origins")]
    Origin,
    /// The host is, or resolves to, an address that is not public.
    #[error("its host has an address that is not public")]
    Address,
}

/// Which origins may be asked.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: BTreeSet<Origin>,
    private: BTreeSet<Origin>,
    takes_loopback: bool,
}

impl Origin {
    /// Reads `https://host` or `https://host:port`, with nothing behind it.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !has_credentials(&url);
        Self::of(&url).filter(|_| is_bare)
    }

    /// The origin of a URL; none where its scheme is not one of HTTP.
    fn of(url: &Url) -> Option<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let (host, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        Some(Self { scheme: url.scheme().to_owned(), host, port })
    }
}

impl Guard {
    /// A guard that lets through the `allowed` origins (where there are none, every `https` origin at public addresses) and those in
    /// `private`, which alone may speak plain `http` and lie in a private network. A sandbox also takes its own machine.
    pub fn new(allowed: &[Origin], private: &[Origin], takes_loopback: bool) -> Self {
        Self { allowed: allowed.iter().cloned().collect(), private: private.iter().cloned().collect(), takes_loopback }
    }

    /// Holds a URL to the lists, and to its address where it is one.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn check(&self, url: &Url) -> Result<(), Refusal> {
        let origin = Origin::of(url).ok_or(Refusal::Scheme)?;
        if has_credentials(url) {
            return Err(Refusal::Credentials);
        }
        let is_private = self.private.contains(&origin) || self.takes_loopback && is_loopback(&origin.host);
        if is_private {
            return Ok(());
        }
        if origin.scheme != "https" {
            return Err(Refusal::Scheme);
        }
        if !self.allowed.is_empty() && !self.allowed.contains(&origin) {
            return Err(Refusal::Origin);
        }
        match address_in(&origin.host) {
            Some(address) if !is_public(address) => Err(Refusal::Address),
            // A name is looked at when it is resolved.
            _ => Ok(()),
        }
    }

    /// Whether any origin of this host may lie in a private network. Which of its ports, `check` knows.
    fn takes_private(&self, host: &str) -> bool {
        self.private.iter().any(|origin| origin.host == host) || self.takes_loopback && is_loopback(host)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let takes_private = self.takes_private(name.as_str());
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Addrs = Box::new(permitted(found, takes_private)?.into_iter());
            Ok(addresses)
        })
    }
}

/// The addresses that may be connected to: all of a name's or none. A name that has a public and a private one is a trick.
fn permitted(found: Vec<SocketAddr>, takes_private: bool) -> Result<Vec<SocketAddr>, Refusal> {
    if takes_private || found.iter().all(|address| is_public(address.ip())) { Ok(found) } else { Err(Refusal::Address) }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The address in a host that is one. The parser of URLs has made `0x7f.1` and the like into the usual form.
fn address_in(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || address_in(host).is_some_and(|address| address.is_loopback())
}

/// Whether an address belongs to the public internet, by the registries of special addresses.
///
/// # Source
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

#[expect(clippy::match_same_arms, reason = "a line for each kind of address")]
fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, private, loopback, link-local (metadata of clouds), multicast, reserved, broadcast.
        [0 | 10 | 127 | 224..=255, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] => true,
        // Behind a carrier's NAT, benchmarks, protocol assignments, relays of 6to4, documentation.
        [100, 64..=127, ..] | [198, 18..=19, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] => true,
        [198, 51, 100, _] | [203, 0, 113, _] => true,
        // The platform of Azure answers here, though the address is a public one.
        [168, 63, 129, 16] => true,
        _ => false,
    };
    !special
}

/// Only `2000::/3` is given out; mapped and translated IPv4, local and multicast addresses lie outside of it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocol assignments with Teredo, documentation, 6to4: what they hold may be any IPv4 address.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(texts: &[&str]) -> Vec<Origin> {
        texts.iter().map(|text| Origin::parse(text).expect("an origin")).collect()
    }

    fn refusal(guard: &Guard, url: &str) -> Option<Refusal> {
        match Url::parse(url) {
            Ok(url) => guard.check(&url).err(),
            // What is no URL is never sent.
            Err(_) => Some(Refusal::Scheme),
        }
    }

    #[test]
    fn attack_49_an_address_that_is_not_public_is_refused_however_it_is_written() {
        let guard = Guard::default();
        let hosts = [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0xa9fea9fe",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "192.0.2.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[fec0::1]",
            "[ff02::1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
            "[100::1]",
            "①②⑦.⓪.⓪.①",
        ];
        for host in hosts {
            assert_eq!(refusal(&guard, &format!("https://{host}/jwks.json")), Some(Refusal::Address), "{host}");
        }
        for host in ["9.9.9.9", "[2620:fe::fe]", "keys.example.org", "172.32.0.1", "100.128.0.1"] {
            assert_eq!(refusal(&guard, &format!("https://{host}/jwks.json")), None, "{host}");
        }
    }

    #[test]
    fn attack_49_an_origin_is_compared_whole() {
        let guard = Guard::new(&origins(&["https://keys.example.org", "https://keys.example.org:8443"]), &[], false);
        for url in [
            "https://keys.example.org/a?b#c",
            "https://KEYS.example.org:443/",
            "https://keys.example.org:8443/",
            "https:\\\\keys.example.org\\a",
        ] {
            assert_eq!(refusal(&guard, url), None, "{url}");
        }
        let tricks = [
            ("https://keys.example.org.attacker.example/", Refusal::Origin),
            ("https://attacker.example/keys.example.org", Refusal::Origin),
            ("https://attacker.example#keys.example.org", Refusal::Origin),
            ("https://attacker.example?https://keys.example.org", Refusal::Origin),
            ("https://attacker.example\\@keys.example.org/", Refusal::Origin),
            ("https://keys.example.org@attacker.example/", Refusal::Credentials),
            ("https://keys.example.org:443@attacker.example/", Refusal::Credentials),
            ("https://user:secret@keys.example.org/", Refusal::Credentials),
            ("https://keys.example.org:444/", Refusal::Origin),
            ("https://keys.example.org./", Refusal::Origin),
            ("https://keуs.example.org/", Refusal::Origin),
            ("http://keys.example.org/", Refusal::Scheme),
            ("http://keys.example.org:443/", Refusal::Scheme),
            ("ftp://keys.example.org/", Refusal::Scheme),
            ("file:///etc/passwd", Refusal::Scheme),
            ("gopher://keys.example.org/", Refusal::Scheme),
            ("data:application/json,{}", Refusal::Scheme),
        ];
        for (url, why) in tricks {
            assert_eq!(refusal(&guard, url), Some(why), "{url}");
        }
    }

    #[test]
    fn attack_49_a_name_with_one_private_address_is_refused_whole() {
        let at = |address: &str| SocketAddr::new(address.parse().expect("an address"), 0);
        let (public, private) = (at("9.9.9.9"), at("169.254.169.254"));
        assert_eq!(permitted(vec![public], false), Ok(vec![public]));
        assert_eq!(permitted(vec![public, private], false), Err(Refusal::Address));
        assert_eq!(permitted(vec![private], true), Ok(vec![private]));
    }

    #[test]
    fn only_what_the_operator_lists_may_be_private_or_plain() {
        let private = origins(&["http://10.1.2.3:8080", "https://keys.hospital.internal"]);
        let guard = Guard::new(&origins(&["https://keys.example.org"]), &private, false);
        assert_eq!(refusal(&guard, "http://10.1.2.3:8080/jwks.json"), None);
        assert_eq!(refusal(&guard, "https://keys.hospital.internal/jwks.json"), None);
        assert!(guard.takes_private("keys.hospital.internal") && !guard.takes_private("keys.example.org"));
        assert_eq!(refusal(&guard, "http://10.1.2.3:8081/"), Some(Refusal::Scheme));
        assert_eq!(refusal(&guard, "https://10.1.2.3:8080/"), Some(Refusal::Origin));
        assert_eq!(refusal(&guard, "https://keys.hospital.internal:22/"), Some(Refusal::Origin));
        let sandbox = Guard::new(&[], &[], true);
        assert_eq!(refusal(&sandbox, "http://127.0.0.1:40000/"), None);
        assert_eq!(refusal(&sandbox, "http://10.0.0.1/"), Some(Refusal::Scheme));
        assert_eq!(refusal(&sandbox, "https://10.0.0.1/"), Some(Refusal::Address));
    }

    #[test]
    fn an_origin_has_nothing_behind_it() {
        for text in
            ["https://a.example/path", "https://a.example?x", "https://u@a.example", "ftp://a.example", "a.example"]
        {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
        assert_eq!(Origin::parse("https://a.example"), Origin::parse("https://A.example:443/"));
    }
}
