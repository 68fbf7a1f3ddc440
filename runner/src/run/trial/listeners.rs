//! Who listens where, and which processes there are: from /proc, by process group.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a listening socket in /proc/net/tcp.
const LISTENS: &str = "0A";

/// The listeners of nodes, whose processes' groups are given by node.
pub(super) fn of_groups(groups: &BTreeMap<u32, u32>) -> BTreeSet<(u32, SocketAddr)> {
    let mut by_inode = BTreeMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        by_inode.extend(text.lines().skip(1).filter_map(listener));
    }
    let mut found = BTreeSet::new();
    for (node, group) in groups {
        for pid in members_of_groups(&[*group]) {
            for inode in sockets(pid) {
                found.extend(by_inode.get(&inode).map(|address| (*node, *address)));
            }
        }
    }
    found
}

/// The processes that belong to one of these groups.
pub(super) fn members_of_groups(groups: &[u32]) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| group(*pid).is_some_and(|group| groups.contains(&group))).collect()
}

/// The group of a process that has not ended.
fn group(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may itself hold brackets, so the last one counts: state, parent, group.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let is_dead = fields.next()? == "Z";
    let group = fields.nth(1)?.parse().ok()?;
    (!is_dead).then_some(group)
}

/// The inodes of a process's sockets.
fn sockets(pid: u32) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let links = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter_map(|link| {
            let name = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            name.parse().ok()
        })
        .collect()
}

/// A line of /proc/net/tcp or tcp6 of a socket that listens: its inode and address.
fn listener(line: &str) -> Option<(u64, SocketAddr)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.get(3) != Some(&LISTENS) {
        return None;
    }
    let (ip, port) = fields.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((fields.get(9)?.parse().ok()?, SocketAddr::new(address(ip)?, port)))
}

/// Words of four bytes, each in the machine's order.
fn address(hex: &str) -> Option<IpAddr> {
    let words =
        (0..hex.len() / 8).map(|at| u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok());
    let words: Vec<u32> = words.collect::<Option<_>>()?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        16 => {
            let six = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
            Some(six.to_ipv4_mapped().map_or(IpAddr::V6(six), IpAddr::V4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn our_own_listeners_are_found_and_closed_ones_are_not() {
        let own = std::process::id();
        let group = group(own).unwrap();
        let four = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let wild = listener.local_addr().unwrap();
        let found = of_groups(&BTreeMap::from([(3, group)]));
        assert!(found.contains(&(3, wild)), "{found:?}");
        assert!(!found.contains(&(3, four)), "it was closed");
        assert!(members_of_groups(&[group]).contains(&own));
        assert!(of_groups(&BTreeMap::from([(1, u32::MAX)])).is_empty());
    }

    #[test]
    fn an_address_of_the_table_is_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1 0";
        let (inode, address) = listener(line).unwrap();
        assert_eq!((inode, address.to_string().as_str()), (4711, "127.0.0.1:8080"));
        assert!(listener(&line.replace(" 0A ", " 01 ")).is_none());
        assert_eq!(super::address(&"0".repeat(32)).unwrap().to_string(), "::");
    }
}
