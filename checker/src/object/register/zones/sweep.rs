//! Second step: blocks and their inner order. Third step: the zones against each other.

use super::clusters::{Cluster, Clusters, NO_CLUSTER};
use super::{Conflict, NO_CALL};
use crate::history::NEVER;
use crate::object::register::call::Call;

/// A block's first return and last invocation, and the calls they come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub(super) first_return: u32,
    pub(super) last_invocation: u32,
    pub(super) returned_first: u32,
    pub(super) invoked_last: u32,
    /// The block's first cluster.
    pub(super) head: u32,
}

impl Zone {
    pub(super) fn is_forward(&self) -> bool {
        self.first_return < self.last_invocation
    }
}

/// Walks every block in its given order.
pub(super) fn blocks(
    calls: &[Call],
    clusters: &Clusters,
    zones: &mut Vec<Zone>,
) -> Result<(), Conflict> {
    zones.clear();
    let mut in_blocks = 0;
    let mut effective = 0;
    for (number, cluster) in clusters.all.iter().enumerate() {
        if !cluster.took_effect {
            continue;
        }
        effective += 1;
        if cluster.previous != NO_CLUSTER {
            continue;
        }
        let mut zone = Zone {
            first_return: NEVER,
            last_invocation: 0,
            returned_first: NO_CALL,
            invoked_last: NO_CALL,
            head: number as u32,
        };
        let mut next = number as u32;
        while next != NO_CLUSTER {
            let cluster = &clusters.all[next as usize];
            append(&mut zone, cluster)?;
            in_blocks += 1;
            next = cluster.next;
        }
        zones.push(zone);
    }
    if in_blocks == effective { Ok(()) } else { Err(ring(calls, clusters)) }
}

/// Adds a cluster at the end of a block. While a block is walked, its zone's last invocation is the
/// greatest one so far.
#[inline]
fn append(zone: &mut Zone, cluster: &Cluster) -> Result<(), Conflict> {
    if cluster.writer_returned < zone.last_invocation {
        return Err(Conflict::of([zone.invoked_last, cluster.writer]));
    }
    if cluster.writer_returned < zone.first_return {
        (zone.first_return, zone.returned_first) = (cluster.writer_returned, cluster.writer);
    }
    if cluster.writer_invoked >= zone.last_invocation {
        (zone.last_invocation, zone.invoked_last) = (cluster.writer_invoked, cluster.writer);
    }
    if cluster.first_read == NO_CALL {
        return Ok(());
    }
    if cluster.read_returned < zone.last_invocation {
        return Err(Conflict::of([zone.invoked_last, cluster.first_read]));
    }
    if cluster.read_returned < zone.first_return {
        (zone.first_return, zone.returned_first) = (cluster.read_returned, cluster.first_read);
    }
    if cluster.read_invoked > zone.last_invocation {
        (zone.last_invocation, zone.invoked_last) = (cluster.read_invoked, cluster.last_read);
    }
    Ok(())
}

/// Clusters linked in a ring by cas: each would have to be the first.
fn ring(calls: &[Call], clusters: &Clusters) -> Conflict {
    // From any cluster outside all blocks, following `previous` ends up in the ring.
    let mut visited = vec![false; clusters.all.len()];
    for (number, cluster) in clusters.all.iter().enumerate() {
        if cluster.took_effect && cluster.previous == NO_CLUSTER {
            let mut next = number as u32;
            while next != NO_CLUSTER {
                visited[next as usize] = true;
                next = clusters.all[next as usize].next;
            }
        }
    }
    let outside = (0..clusters.all.len())
        .find(|&number| clusters.all[number].took_effect && !visited[number]);
    let Some(start) = outside else { return Conflict::of([]) };
    let mut members = Vec::new();
    let mut next = start;
    loop {
        let cluster = &clusters.all[next];
        members.push(cluster.writer);
        if cluster.writer != NO_CALL && calls[cluster.writer as usize].is_optional() {
            members.push(cluster.first_read);
        }
        next = cluster.previous as usize;
        if next == start {
            return Conflict::of(members);
        }
    }
}

/// Looks for two blocks that must each stand before the other.
pub(super) fn sweep(zones: &[Zone], order: &mut Vec<u64>) -> Result<(), Conflict> {
    order.clear();
    order.extend(zones.iter().enumerate().map(|(number, zone)| {
        let low = zone.first_return.min(zone.last_invocation);
        u64::from(low) << 32 | number as u64
    }));
    order.sort_unstable();
    // The forward zone with the latest end so far. Forward zones before it have ended before it
    // began, or there would have been a conflict.
    let mut holding: Option<&Zone> = None;
    for &packed in order.iter() {
        let zone = &zones[(packed & 0xFFFF_FFFF) as usize];
        if let Some(holding) = holding
            && zone.first_return < holding.last_invocation
            && holding.first_return < zone.last_invocation
        {
            return Err(Conflict::of([
                holding.returned_first,
                holding.invoked_last,
                zone.returned_first,
                zone.invoked_last,
            ]));
        }
        if zone.is_forward() {
            holding = Some(zone);
        }
    }
    Ok(())
}
