//! Which keys are in use, and when each is left for a new one.

/// One key in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The key.
    pub(crate) key: String,
    /// The newest value any client saw or wrote.
    pub(crate) last_value: Option<u64>,
    operations: u32,
    unknown: u32,
}

/// The keys of a run.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    slots: Vec<Slot>,
    used: u64,
    operations_max: u32,
    unknown_max: u32,
}

impl Keys {
    /// `count` keys in use at a time; each for so many operations, of which so many unknown.
    pub(crate) fn new(count: usize, operations_max: u32, unknown_max: u32) -> Self {
        let mut keys = Self { slots: Vec::new(), used: 0, operations_max, unknown_max };
        for _ in 0..count {
            let slot = keys.fresh();
            keys.slots.push(slot);
        }
        keys
    }

    fn fresh(&mut self) -> Slot {
        self.used += 1;
        Slot { key: format!("k{}", self.used), last_value: None, operations: 0, unknown: 0 }
    }

    /// Number of keys in use.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes a key for one operation; changes it first where it has served enough.
    pub(crate) fn take(&mut self, slot: usize) -> &Slot {
        let is_worn = {
            let slot = &self.slots[slot];
            slot.operations >= self.operations_max || slot.unknown >= self.unknown_max
        };
        if is_worn {
            self.slots[slot] = self.fresh();
        }
        self.slots[slot].operations += 1;
        &self.slots[slot]
    }

    /// The slot, while it still holds this key.
    pub(crate) fn holding(&mut self, slot: usize, key: &str) -> Option<&mut Slot> {
        self.slots.get_mut(slot).filter(|slot| slot.key == key)
    }

    /// The keys in use.
    pub(crate) fn in_use(&self) -> Vec<String> {
        self.slots.iter().map(|slot| slot.key.clone()).collect()
    }

    /// Every key ever used.
    pub(crate) fn all(&self) -> Vec<String> {
        (1..=self.used).map(|number| format!("k{number}")).collect()
    }
}

impl Slot {
    /// Counts an operation whose outcome nobody knows.
    pub(crate) fn count_unknown(&mut self) {
        self.unknown += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_left_after_its_operations_or_its_unknown_outcomes() {
        let mut keys = Keys::new(2, 3, 2);
        for _ in 0..3 {
            assert_eq!(keys.take(0).key, "k1");
        }
        assert_eq!(keys.take(0).key, "k3");
        assert!(keys.holding(0, "k1").is_none(), "an answer for a key that was left");
        for _ in 0..2 {
            keys.holding(1, "k2").unwrap().count_unknown();
        }
        assert_eq!(keys.take(1).key, "k4");
        assert_eq!(keys.in_use(), ["k3", "k4"]);
        assert_eq!(keys.all(), ["k1", "k2", "k3", "k4"]);
    }
}
