//! Socket addresses as `connect(2)` takes them, and as we think of them.

use std::net::SocketAddr;

/// The length of the longest address that is understood: `struct sockaddr_in6`.
pub(crate) const LENGTH_MAX: usize = 28;
/// `struct sockaddr_in`.
const LENGTH_IPV4: usize = 16;
/// The kernel takes an IPv6 address without its scope.
const LENGTH_IPV6_MIN: usize = 24;

/// Where a dial is to go, and in which form that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// An IPv4-mapped address is told as the IPv4 address that it means.
    pub(crate) address: SocketAddr,
    /// The socket is one of IPv6, and takes only addresses in that form.
    pub(crate) is_ipv6: bool,
}

impl Destination {
    /// Understands what a process handed to `connect`; `None` for every other family, and for what the kernel would
    /// refuse as too short.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let family = i32::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let port = u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?);
        match family {
            libc::AF_INET if bytes.len() >= LENGTH_IPV4 => {
                let ip: [u8; 4] = bytes[4..8].try_into().ok()?;
                Some(Self { address: SocketAddr::from((ip, port)), is_ipv6: false })
            }
            libc::AF_INET6 if bytes.len() >= LENGTH_IPV6_MIN => {
                let ip: [u8; 16] = bytes[8..24].try_into().ok()?;
                let mut address = SocketAddr::from((ip, port));
                address.set_ip(address.ip().to_canonical());
                Some(Self { address, is_ipv6: true })
            }
            _ => None,
        }
    }

    /// An address in the form that this dial's socket takes.
    pub(crate) fn same_form(&self, to: SocketAddr) -> SocketAddr {
        match to {
            SocketAddr::V4(to) if self.is_ipv6 => {
                SocketAddr::from((to.ip().to_ipv6_mapped(), to.port()))
            }
            _ => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_in_both_forms_and_given_back_in_the_same() {
        let mut v4 = [0; 16];
        v4[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        v4[2..8].copy_from_slice(&[0x1b, 0xbc, 127, 7, 7, 2]);
        let plain = Destination::parse(&v4).unwrap();
        assert_eq!(plain.address, "127.7.7.2:7100".parse().unwrap());
        let mut v6 = [0; 28];
        v6[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        v6[2..4].copy_from_slice(&[0x1b, 0xbc]);
        v6[18..24].copy_from_slice(&[0xff, 0xff, 127, 7, 7, 2]);
        let mapped = Destination::parse(&v6).unwrap();
        assert_eq!(mapped.address, plain.address);
        let to: SocketAddr = "127.0.0.1:9".parse().unwrap();
        assert_eq!(plain.same_form(to).to_string(), "127.0.0.1:9");
        assert_eq!(mapped.same_form(to).to_string(), "[::ffff:127.0.0.1]:9");
        v6[18] = 0;
        let native = Destination::parse(&v6).unwrap();
        assert!(native.address.is_ipv6(), "{native:?}");
    }

    #[test]
    fn what_is_too_short_or_of_another_family_is_nobodys_dial() {
        let inet = (libc::AF_INET as u16).to_ne_bytes();
        let inet6 = (libc::AF_INET6 as u16).to_ne_bytes();
        for length in 0..=28 {
            let mut bytes = [0; 28];
            bytes[..2].copy_from_slice(&inet);
            assert_eq!(Destination::parse(&bytes[..length]).is_some(), length >= 16, "{length}");
            bytes[..2].copy_from_slice(&inet6);
            assert_eq!(Destination::parse(&bytes[..length]).is_some(), length >= 24, "{length}");
            bytes[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
            assert_eq!(Destination::parse(&bytes[..length]), None);
        }
    }
}
