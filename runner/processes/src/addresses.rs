//! Which loopback addresses a run uses.
//!
//! Every node gets an address of its own, and its ports are below the range from which the kernel picks those
//! for outgoing connections: a node that is down for a while finds its ports free.
//! A run holds a *block* 127.x.y.0/24, reserved by a listener on the block's last address for as long
//! as the run lasts, so that runs side by side never meet. Servers that may bind every address have ports of which nobody
//! on this machine has one, on whichever address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::str::FromStr;

use crate::refusal::Refusal;

/// The port of every node, unless told otherwise.
pub const PORT_DEFAULT: u16 = 7100;
/// Blocks tried before giving up. Each try costs a handful of system calls.
const BLOCKS_TRIED_MAX: u32 = 50;
/// Ports of one name are so far from those of the next: there are never more nodes.
const NODES_MAX: u16 = 16;
/// From here on the kernel picks ports for outgoing connections, unless told otherwise.
const KERNELS_PORTS: u16 = 32_768;
/// The address whose listener reserves a block.
const RESERVATION: u8 = 254;
/// The address on which the proxies listen.
const PROXIES: u8 = 253;

/// The first three bytes of a block of loopback addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block(u8, u8);

impl Block {
    /// Node `number`'s address.
    pub fn node(self, number: u32) -> IpAddr {
        self.ip(u8::try_from(number).expect("far fewer than 200 nodes"))
    }

    /// Where the proxies listen.
    pub fn proxies(self) -> IpAddr {
        self.ip(PROXIES)
    }

    fn ip(self, last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, self.0, self.1, last))
    }
}

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            "expected the first three numbers of loopback addresses, which begin with 127: such as 127.7.1".to_owned()
        };
        let mut parts = text.split('.').map(str::parse::<u8>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(127)), Some(Ok(second)), Some(Ok(third)), None) => Ok(Block(second, third)),
            _ => Err(wrong()),
        }
    }
}

/// The ports of a cluster's nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    of_each: u16,
    are_apart: bool,
}

impl Ports {
    /// One for each node, the same for all: for servers that bind their own address and no other.
    pub fn same(port: u16) -> Self {
        Self { first: port, of_each: 1, are_apart: false }
    }

    /// So many for each node, from `first` on, none used twice: for servers that may bind every address.
    pub fn apart(first: u16, of_each: u16) -> Self {
        Self { first, of_each, are_apart: true }
    }

    /// Those of node `number`; `None`: they are beyond the last port there is.
    fn of(self, number: u32) -> Option<Vec<u16>> {
        let number = u16::try_from(number).ok()?.checked_sub(1)?;
        let nth = |nth: u16| match self.are_apart {
            false => Some(self.first),
            true => self.first.checked_add(nth.checked_mul(NODES_MAX)?)?.checked_add(number),
        };
        (0..self.of_each).map(nth).collect()
    }

    /// That of the listener that reserves a block, which no node may need on every address.
    fn of_reservation(self) -> u16 {
        match self.are_apart {
            false => self.first,
            true => self.first.saturating_add(NODES_MAX - 1),
        }
    }

    /// Those of another run beside; the same where there are none below the kernel's own.
    fn beside(self, runs: u16) -> Self {
        let distance = self.of_each.saturating_mul(NODES_MAX).saturating_mul(runs);
        let first = self.first.saturating_add(distance);
        let is_below = first.saturating_add(self.of_each.saturating_mul(NODES_MAX)) < KERNELS_PORTS;
        if self.are_apart && is_below { Self { first, ..self } } else { self }
    }
}

/// A block that is this run's until it is dropped.
#[derive(Debug)]
pub struct Reservation {
    /// The block.
    pub block: Block,
    ports: Ports,
    _listener: TcpListener,
}

impl Reservation {
    /// Where node `number` listens first.
    pub fn node(&self, number: u32) -> SocketAddr {
        SocketAddr::new(self.block.node(number), self.ports(number)[0])
    }

    /// The ports of node `number`.
    pub fn ports(&self, number: u32) -> Vec<u16> {
        self.ports.of(number).expect("the ports of every node were tried")
    }

    /// Takes the block asked for, or a free one found from `start`, for `nodes` nodes.
    pub fn take(
        asked: Option<Block>,
        start: u32,
        ports: Ports,
        nodes: u32,
    ) -> Result<Self, Refusal> {
        if let Some(block) = asked {
            return Self::try_take(block, ports, nodes, false).map_err(|error| {
                Refusal::Environment(format!(
                    "the addresses asked for are not free: {error}; choose another \
                     --address-block or --port, or leave both out"
                ))
            });
        }
        let mut last = String::new();
        for attempt in 0..BLOCKS_TRIED_MAX {
            let block = nth_block(start.wrapping_add(attempt));
            let beside = ports.beside(u16::try_from(attempt).unwrap_or(0));
            match Self::try_take(block, beside, nodes, ports.are_apart) {
                Ok(reservation) => return Ok(reservation),
                Err(error) => last = error.to_string(),
            }
        }
        Err(Refusal::Environment(format!(
            "no block of loopback addresses is free: {BLOCKS_TRIED_MAX} were tried, the last one \
             said: {last}; choose another --port, or look for left-over listeners with `ss -ltn`"
        )))
    }

    /// `on_every`: whether the ports have to be free on every address of this machine.
    fn try_take(block: Block, ports: Ports, nodes: u32, on_every: bool) -> io::Result<Self> {
        let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let beyond = |number| io::Error::other(format!("n{number} would need a port above 65535"));
        let of = |number| Ok((number, ports.of(number).ok_or_else(|| beyond(number))?));
        let nodes: Vec<(u32, Vec<u16>)> = (1..=nodes).map(of).collect::<io::Result<_>>()?;
        if on_every {
            bind(SocketAddr::new(everywhere, ports.of_reservation()))?;
        }
        let listener = bind(SocketAddr::new(block.ip(RESERVATION), ports.of_reservation()))?;
        for (number, ports) in nodes {
            let host = if on_every { everywhere } else { block.node(number) };
            for port in ports {
                bind(SocketAddr::new(host, port))?;
            }
        }
        Ok(Self { block, ports, _listener: listener })
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("listen on {address}: {error}")))
}

/// Blocks 127.16.0 to 127.215.249: clear of 127.0.x.x, where resolvers and desktops listen.
fn nth_block(number: u32) -> Block {
    let number = number % (200 * 250);
    let byte = |value: u32| u8::try_from(value).expect("within the ranges above");
    Block(byte(16 + number / 250), byte(number % 250))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_block_is_refused_and_another_one_is_found() {
        let ports = Ports::same(7311);
        let first = Reservation::take(None, 4711, ports, 3).unwrap();
        let error = Reservation::take(Some(first.block), 0, ports, 3).unwrap_err();
        assert!(error.to_string().contains("not free"), "{error}");
        let second = Reservation::take(None, 4711, ports, 3).unwrap();
        assert_ne!(first.block, second.block);
    }

    #[test]
    fn a_port_that_one_node_needs_is_named() {
        let block: Block = "127.219.3".parse().unwrap();
        let _squatter = TcpListener::bind("127.219.3.2:7311").unwrap();
        let error =
            Reservation::take(Some(block), 0, Ports::same(7311), 3).unwrap_err().to_string();
        assert!(error.contains("listen on 127.219.3.2:7311"), "{error}");
    }

    #[test]
    fn ports_that_are_apart_are_used_once_and_none_is_beyond_the_last() {
        let ports = Ports::apart(7411, 3);
        let all: Vec<u16> = (1..=15).flat_map(|node| ports.of(node).unwrap()).collect();
        let once: std::collections::BTreeSet<u16> = all.iter().copied().collect();
        assert_eq!((all.len(), once.len()), (45, 45));
        assert_eq!(ports.of(2), Some(vec![7412, 7428, 7444]));
        assert_eq!(Ports::same(7411).of(2), Some(vec![7411]));
        let error = Reservation::take(None, 4712, Ports::apart(65_530, 2), 3).unwrap_err();
        assert!(error.to_string().contains("above 65535"), "{error}");
    }

    #[test]
    fn servers_that_bind_every_address_find_their_ports_free_beside_another_run() {
        let first = Reservation::take(None, 4713, Ports::apart(7_511, 2), 3).unwrap();
        let second = Reservation::take(None, 4714, Ports::apart(7_511, 2), 3).unwrap();
        for reservation in [&first, &second] {
            for port in (1..=3).flat_map(|node| reservation.ports(node)) {
                bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)).unwrap();
            }
        }
        assert!(second.ports(1)[0] >= first.ports(1)[0] + 32, "{first:?} {second:?}");
        let last = Ports::apart(32_736, 2);
        assert_eq!(last.beside(1), last.beside(0), "above are the kernel's own");
    }

    #[test]
    fn a_block_is_three_numbers_of_the_loopback_range() {
        assert_eq!("127.7.1".parse(), Ok(Block(7, 1)));
        for wrong in ["10.0.0", "127.7", "127.7.1.1", "127.7.300", ""] {
            assert!(wrong.parse::<Block>().is_err(), "{wrong}");
        }
    }
}
