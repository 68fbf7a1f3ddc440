//! Histories made to measure: for benchmarks, for tests, for trying the checker out.
//!
//! A made-up register is driven by made-up clients on a made-up clock, so a history is linearizable by
//! construction: every operation takes effect at a moment between its begin and its end. A planted
//! violation changes one answer so that no order explains it any more. Everything follows from the seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io::{self, Write};
use std::str::FromStr;

/// What kind of history to make.
#[derive(Clone, Copy, Debug)]
pub struct Generate {
    /// Operations in all.
    pub operations: u64,
    /// Keys; clients work on all of them at random.
    pub keys: u64,
    /// Concurrent clients.
    pub clients: u32,
    /// Different values written; 0: every written value is new.
    pub values: u64,
    /// Operations whose outcome stays unknown, in percent.
    pub info_percent: u32,
    /// Compare-and-sets, in percent; of the rest, five ninths are reads.
    pub cas_percent: u32,
    /// A rejected cas says what it saw.
    pub cas_tells: bool,
    /// Append lists instead of registers: every write is an append of a new element, there is no cas.
    pub appends: bool,
    /// What to plant.
    pub plant: Plant,
    /// Decides everything.
    pub seed: u64,
}

impl Default for Generate {
    fn default() -> Self {
        Generate {
            operations: 10_000,
            keys: 100,
            clients: 20,
            values: 0,
            info_percent: 0,
            cas_percent: 10,
            cas_tells: false,
            appends: false,
            plant: Plant::Nothing,
            seed: 1,
        }
    }
}

impl FromStr for Generate {
    type Err = String;

    /// Reads `operations=1000000,keys=10000,values=5,plant=stale-read`; what is not named keeps its default.
    fn from_str(text: &str) -> Result<Generate, String> {
        let mut settings = Generate::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is not of the form name=value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{value:?} is not a number"));
            let percent = || match number()? {
                percent @ 0..=100 => Ok(percent as u32),
                more => Err(format!("{more} is more than 100 percent")),
            };
            match name {
                "operations" => settings.operations = number()?,
                "keys" => settings.keys = number()?.max(1),
                "clients" => {
                    settings.clients = u32::try_from(number()?).unwrap_or(u32::MAX).clamp(1, 10_000)
                }
                "values" => settings.values = number()?,
                "info" => settings.info_percent = percent()?,
                "cas" => settings.cas_percent = percent()?,
                "cas-tells" => settings.cas_tells = value == "true",
                "appends" => settings.appends = value == "true",
                "seed" => settings.seed = number()?,
                "plant" => {
                    settings.plant = match value {
                        "nothing" => Plant::Nothing,
                        "stale-read" => Plant::StaleRead,
                        "lost-write" => Plant::LostWrite,
                        _ => {
                            return Err(format!(
                                "cannot plant {value:?}; known are nothing, stale-read, lost-write"
                            ));
                        }
                    };
                }
                _ => {
                    return Err(format!(
                        "unknown setting {name:?}; known are operations, keys, clients, values (0: all new), info \
                         and cas (percent), cas-tells, appends, plant, seed"
                    ));
                }
            }
        }
        Ok(settings)
    }
}

/// A violation to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// None: the history is linearizable.
    Nothing,
    /// A late read returns a value that was replaced long before it began. With few values: one that no
    /// write under way or indeterminate explains. In a list: it lacks all but the first elements.
    StaleRead,
    /// A late read sees nothing of what was written. In a list: it lacks one element.
    LostWrite,
}

/// A seeded generator of numbers (SplitMix64). Its sequence never changes.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number below a bound that is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write(u64),
    Append(u64),
    Cas(u64, u64),
}

/// An operation under way. Values are numbers; 0 is absent.
#[derive(Clone, Copy, Debug)]
struct Open {
    process: u64,
    key: u64,
    kind: Kind,
    /// What it saw when it took effect; of a list, its length.
    saw: u64,
    /// A planted read of a list leaves this element out; 0: none.
    lacks: u64,
    ends_at: u64,
    is_unknown: bool,
}

/// What a key went through, for planting.
#[derive(Clone, Debug, Default)]
struct Key {
    value: u64,
    written: u64,
    /// The first value whose write ended, and the moment a later write ended that had begun after it.
    first: Option<(u64, u64)>,
    replaced_at: Option<u64>,
    list: Vec<u64>,
    /// Few values: what became of the writers of each.
    writers: BTreeMap<u64, Writers>,
    /// The latest writes that ended: (began, ended, value).
    recent: VecDeque<(u64, u64, u64)>,
}

/// The writers of one value.
#[derive(Clone, Copy, Debug, Default)]
struct Writers {
    /// How many may still take effect.
    open: u64,
    /// When the last one ended.
    last_end: u64,
}

/// Writes that are remembered for planting among few values.
const RECENT_MAX: usize = 64;

impl Key {
    /// A value that a read which began then and ends now cannot have seen: some write of another value began
    /// after the last writer of it had ended, and ended before the read began.
    fn long_gone(&self, read_began: u64) -> Option<u64> {
        let gone = |(value, writers): &(&u64, &Writers)| {
            writers.open == 0
                && self.recent.iter().any(|&(began, ended, other)| {
                    other != **value && began > writers.last_end && ended < read_began
                })
        };
        self.writers.iter().find(gone).map(|(value, _)| *value)
    }

    fn write_begins(&mut self, value: u64) {
        self.writers.entry(value).or_default().open += 1;
    }

    fn write_ends(&mut self, value: u64, began: u64, now: u64, took_effect: bool) {
        let writers = self.writers.entry(value).or_default();
        writers.open -= 1;
        if took_effect {
            writers.last_end = now;
            self.recent.push_back((began, now, value));
            if self.recent.len() > RECENT_MAX {
                self.recent.pop_front();
            }
        }
    }
}

struct Generator<'a, W> {
    settings: Generate,
    random: Random,
    keys: Vec<Key>,
    open: Vec<Option<(u64, Open)>>,
    next_process: u64,
    begun: u64,
    planted: bool,
    out: &'a mut W,
}

/// Writes a history as JSON lines. Returns whether the violation asked for was planted; a very short history
/// has no room for one.
pub fn generate(settings: Generate, out: &mut impl Write) -> io::Result<bool> {
    let clients = settings.clients.max(1);
    let mut generator = Generator {
        random: Random::new(settings.seed),
        keys: vec![Key::default(); settings.keys.max(1) as usize],
        open: vec![None; clients as usize],
        next_process: u64::from(clients),
        begun: 0,
        planted: settings.plant == Plant::Nothing,
        settings,
        out,
    };
    generator.run()?;
    Ok(generator.planted)
}

impl<W: Write> Generator<'_, W> {
    fn run(&mut self) -> io::Result<()> {
        // (time, client, phase): 0 begins, 1 takes effect, 2 ends.
        let mut queue: BinaryHeap<Reverse<(u64, u32, u8)>> = BinaryHeap::new();
        let mut processes: Vec<u64> = (0..self.open.len() as u64).collect();
        for client in 0..self.open.len() as u32 {
            queue.push(Reverse((1 + self.random.below(1000), client, 0)));
        }
        while let Some(Reverse((time, client, phase))) = queue.pop() {
            let slot = client as usize;
            match phase {
                0 if self.begun < self.settings.operations => {
                    let open = self.begin(time, processes[slot])?;
                    queue.push(Reverse((
                        time + 1 + self.random.below(open.ends_at - time),
                        client,
                        1,
                    )));
                    self.open[slot] = Some((time, open));
                }
                1 => {
                    if let Some((_, open)) = &mut self.open[slot] {
                        take_effect(&mut self.keys[open.key as usize], open, &mut self.random);
                        queue.push(Reverse((time.max(open.ends_at), client, 2)));
                    }
                }
                2 => {
                    if let Some((begun_at, open)) = self.open[slot].take() {
                        self.end(time, begun_at, open)?;
                        if open.is_unknown {
                            processes[slot] = self.next_process;
                            self.next_process += 1;
                        }
                    }
                    queue.push(Reverse((time + 1 + self.random.below(200), client, 0)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn begin(&mut self, time: u64, process: u64) -> io::Result<Open> {
        let settings = self.settings;
        self.begun += 1;
        let key = self.random.below(self.keys.len() as u64);
        let roll = self.random.below(900);
        let cas_below = u64::from(settings.cas_percent) * 9;
        let kind = if settings.appends {
            let is_read = roll < 500;
            if is_read { Kind::Read } else { Kind::Append(self.new_value(key)) }
        } else if roll < cas_below {
            // The client guesses the value that is there now; the race may prove it wrong.
            let from = match settings.values {
                0 => self.keys[key as usize].value,
                values => 1 + self.random.below(values),
            };
            if from == 0 { Kind::Read } else { Kind::Cas(from, self.new_value(key)) }
        } else if (roll - cas_below) * 9 < (900 - cas_below) * 5 {
            Kind::Read
        } else {
            Kind::Write(self.new_value(key))
        };
        let is_unknown = self.random.below(100) < u64::from(settings.info_percent);
        let ends_at = time + 100 + self.random.below(900);
        let open = Open { process, key, kind, saw: 0, lacks: 0, ends_at, is_unknown };
        if let Kind::Write(value) | Kind::Cas(_, value) = kind
            && settings.values > 0
        {
            self.keys[key as usize].write_begins(value);
        }
        self.line(&open, "invoke", time, "", false)?;
        Ok(open)
    }

    fn new_value(&mut self, key: u64) -> u64 {
        match self.settings.values {
            0 => {
                let key = &mut self.keys[key as usize];
                key.written += 1;
                key.written
            }
            values => 1 + self.random.below(values),
        }
    }

    fn end(&mut self, time: u64, begun_at: u64, mut open: Open) -> io::Result<()> {
        if open.is_unknown {
            return self.line(&open, "info", time, ",\"error\":\"timeout\"", false);
        }
        self.remember(&open, begun_at, time);
        let is_late = self.begun * 2 > self.settings.operations;
        if open.kind == Kind::Read && is_late && !self.planted {
            self.plant(&mut open, begun_at);
        }
        match open.kind {
            Kind::Cas(from, _) if from != open.saw => {
                let saw = open.saw;
                let saw = if saw == 0 { "null".to_owned() } else { saw.to_string() };
                let told = format!(",\"saw\":{{\"is\":{saw}}}");
                let told = if self.settings.cas_tells { told.as_str() } else { "" };
                self.line(&open, "fail", time, told, false)
            }
            _ => self.line(&open, "ok", time, "", true),
        }
    }

    /// Notes what planting needs to know of a write that ends.
    fn remember(&mut self, open: &Open, begun_at: u64, time: u64) {
        let key = &mut self.keys[open.key as usize];
        if let Kind::Write(value) | Kind::Append(value) = open.kind {
            match key.first {
                None => key.first = Some((value, time)),
                Some((_, ended)) if begun_at > ended && key.replaced_at.is_none() => {
                    key.replaced_at = Some(time);
                }
                Some(_) => {}
            }
        }
        if self.settings.values > 0 {
            match open.kind {
                Kind::Write(value) => key.write_ends(value, begun_at, time, true),
                Kind::Cas(from, to) => key.write_ends(to, begun_at, time, from == open.saw),
                Kind::Read | Kind::Append(_) => {}
            }
        }
    }

    /// Gives a read a wrong answer, where there is one that is surely wrong.
    fn plant(&mut self, open: &mut Open, begun_at: u64) {
        let key = &self.keys[open.key as usize];
        if self.settings.values > 0 && self.settings.plant == Plant::StaleRead {
            if let Some(value) = key.long_gone(begun_at).filter(|value| *value != open.saw) {
                open.saw = value;
                self.planted = true;
            }
            return;
        }
        let (Some((value, _)), Some(replaced_at)) = (key.first, key.replaced_at) else { return };
        if replaced_at >= begun_at || value == open.saw && !self.settings.appends {
            return;
        }
        match (self.settings.plant, self.settings.appends) {
            (Plant::LostWrite, false) => open.saw = 0,
            (_, false) => open.saw = value,
            (Plant::LostWrite, true) => open.lacks = value,
            (_, true) => {
                // Up to and with the first element that was acknowledged; a later one was, too.
                let place = key.list.iter().position(|element| *element == value);
                open.saw = place.map_or(0, |place| place as u64 + 1);
            }
        }
        self.planted = true;
    }

    fn line(
        &mut self,
        open: &Open,
        kind: &str,
        time: u64,
        more: &str,
        answered: bool,
    ) -> io::Result<()> {
        let (process, key) = (open.process, open.key);
        write!(self.out, "{{\"process\":{process},\"type\":\"{kind}\",\"f\":")?;
        match open.kind {
            Kind::Read if answered && self.settings.appends => {
                let list = &self.keys[key as usize].list[..open.saw as usize];
                let shown: Vec<String> =
                    list.iter().filter(|one| **one != open.lacks).map(u64::to_string).collect();
                let shown = shown.join(",");
                write!(self.out, "\"read\",\"key\":\"k{key}\",\"value\":[{shown}]")?;
            }
            Kind::Append(value) => {
                write!(self.out, "\"append\",\"key\":\"k{key}\",\"value\":{value}")?;
            }
            Kind::Read if answered && open.saw != 0 => {
                write!(self.out, "\"read\",\"key\":\"k{key}\",\"value\":{}", open.saw)?;
            }
            Kind::Read => write!(self.out, "\"read\",\"key\":\"k{key}\",\"value\":null")?,
            Kind::Write(value) => {
                write!(self.out, "\"write\",\"key\":\"k{key}\",\"value\":{value}")?;
            }
            Kind::Cas(from, to) => {
                write!(self.out, "\"cas\",\"key\":\"k{key}\",\"value\":[{from},{to}]")?;
            }
        }
        writeln!(self.out, ",\"time_ns\":{}{more}}}", time * 1000)
    }
}

/// The moment that an operation takes effect; one of unknown outcome may never have one.
fn take_effect(key: &mut Key, open: &mut Open, random: &mut Random) {
    open.saw = match open.kind {
        Kind::Read if !key.list.is_empty() => key.list.len() as u64,
        _ => key.value,
    };
    if open.is_unknown && random.below(2) == 0 {
        return;
    }
    match open.kind {
        Kind::Write(value) => key.value = value,
        Kind::Append(value) => key.list.push(value),
        Kind::Cas(from, to) if from == key.value => key.value = to,
        Kind::Read | Kind::Cas(..) => {}
    }
}
