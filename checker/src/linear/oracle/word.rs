//! The words of small histories: what an operation asked and what it was told, with a sequential meaning of
//! its own.
//!
//! The meaning is written down a second time here, on states packed into a `u64`, and shares nothing with
//! [`crate::model`] or the machines of the searches.

use crate::object::{
    ModelKind, append, counter, mutex, owned_mutex, queue, register, set, unordered_queue,
};

/// An operation with its answer. Values are 1, 2, …; 0 is "absent".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Word {
    /// Register: the state became this; 0 deletes.
    Write(u8),
    /// List: it became this one element; 0 deletes.
    Put(u8),
    /// Register: the state was this.
    Read(u8),
    /// Register: the state was the first and became the second.
    Cas(u8, u8),
    /// Register: a cas was rejected and did not say what it saw.
    Rejected(u8),
    /// Register: a cas was rejected, and said what it saw.
    Saw(u8, u8),
    /// List: this is its last element now.
    Append(u8),
    /// List: it was these elements, packed.
    Show(u64),
    /// Set: this is in.
    Add(u8),
    /// Set: this is not in.
    Remove(u8),
    /// Set: whether this was in.
    Contains(u8, bool),
    /// Set: it was the values of these bits.
    Members(u8),
    /// Counter: it is this much more.
    Increment(u8),
    /// Counter: it was this.
    Sum(u8),
    /// Queue: this is at the back.
    Enqueue(u8),
    /// Queue: this was at the front; 0: there was nothing.
    Dequeue(u8),
    /// Queue: whatever was at the front is out.
    DequeueAny,
    /// Queue: these were taken one after the other, each from the front; packed.
    Drain(u64),
    /// Queue: any number of elements were taken.
    DrainAny,
    /// Queue without an order: this is in.
    Store(u8),
    /// Queue without an order: this was in and is out; 0: there was nothing.
    Fetch(u8),
    /// Queue without an order: something that was in is out.
    FetchAny,
    /// Queue without an order: these were taken one after the other; packed.
    Gather(u64),
    /// Queue without an order: any number of elements were taken.
    GatherAny,
    /// Mutex: it was free.
    Acquire,
    /// Mutex: it was held.
    Release,
    /// Lock that knows its holder: it was free, and this process has it.
    AcquireBy(u8),
    /// The same, or this process had it already.
    AcquireAgain(u8),
    /// This process had it, and gave it back once.
    ReleaseBy(u8),
    /// Semaphore: fewer than so many permits were out, and one more is.
    Take(u8),
    /// Semaphore: a permit was out.
    Give,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Ending {
    /// It has its answer.
    Answered,
    /// It took no effect.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// Bits of an element in a packed list: up to 16 elements.
const ELEMENT_BITS: u32 = 4;

impl Word {
    /// The state after it, if it could have this answer. All states begin as 0.
    pub(super) fn step(self, state: u64) -> Option<u64> {
        let when = |holds: bool, next: u64| holds.then_some(next);
        let push = |element: u8| state << ELEMENT_BITS | u64::from(element);
        match self {
            Word::Write(value) | Word::Put(value) => Some(u64::from(value)),
            Word::Read(value) | Word::Members(value) | Word::Sum(value) => {
                when(state == u64::from(value), state)
            }
            Word::Cas(from, to) => when(state == u64::from(from), u64::from(to)),
            Word::Rejected(value) => when(state != u64::from(value), state),
            Word::Saw(value, saw) => when(value != saw && state == u64::from(saw), state),
            Word::Append(element) | Word::Enqueue(element) => Some(push(element)),
            Word::Show(list) => when(state == list, state),
            Word::Add(element) => Some(state | 1 << (element - 1)),
            Word::Remove(element) => Some(state & !(1 << (element - 1))),
            Word::Contains(element, is_in) => {
                when((state >> (element - 1) & 1 == 1) == is_in, state)
            }
            Word::Increment(number) => Some(state + u64::from(number)),
            Word::Dequeue(element) => {
                let (front, rest) = take_front(state);
                when(front == u64::from(element), rest)
            }
            Word::DequeueAny => Some(take_front(state).1),
            Word::Acquire => when(state == 0, 1),
            Word::Release => when(state == 1, 0),
            Word::Drain(list) | Word::Gather(list) => {
                self.parts(0).iter().try_fold(state, |state, part| {
                    debug_assert!(list != 0);
                    part.step(state)
                })
            }
            Word::DrainAny | Word::GatherAny => Some(0),
            Word::Store(element) => Some(state + unit(element)),
            Word::Fetch(0) => when(state == 0, 0),
            Word::Fetch(element) => {
                when(stored(state, element) > 0, state.wrapping_sub(unit(element)))
            }
            Word::FetchAny => self.steps(state).first().copied(),
            Word::AcquireBy(process) => when(state == 0, HELD_ONCE | u64::from(process)),
            Word::AcquireAgain(process) => match state {
                0 => Some(HELD_ONCE | u64::from(process)),
                _ => when(holder(state) == process, state + HELD_ONCE),
            },
            Word::ReleaseBy(process) => {
                let left = state.wrapping_sub(HELD_ONCE);
                when(holder(state) == process, if left < HELD_ONCE { 0 } else { left })
            }
            Word::Take(permits) => when(state < u64::from(permits), state + 1),
            Word::Give => state.checked_sub(1),
        }
    }

    /// All states that may be after it.
    pub(super) fn steps(self, state: u64) -> Vec<u64> {
        match self {
            Word::FetchAny if state == 0 => vec![0],
            Word::FetchAny => {
                let all = (1..=ELEMENT_MAX).filter(|&element| stored(state, element) > 0);
                all.map(|element| state - unit(element)).collect()
            }
            word => word.step(state).into_iter().collect(),
        }
    }

    /// What it does one after the other, each at a moment of its own; the unknown part of a drain may take up to
    /// so many.
    pub(super) fn parts(self, taken_max: usize) -> Vec<Word> {
        match self {
            Word::Drain(list) => elements(list).into_iter().map(Word::Dequeue).collect(),
            Word::Gather(list) => elements(list).into_iter().map(Word::Fetch).collect(),
            Word::DrainAny => vec![Word::DequeueAny; taken_max],
            Word::GatherAny => vec![Word::FetchAny; taken_max],
            word => vec![word],
        }
    }

    /// Whether it puts an element into a queue.
    pub(super) fn puts_in(self) -> bool {
        matches!(self, Word::Enqueue(_) | Word::Store(_))
    }

    /// The process whose operation it has to be.
    pub(super) fn process(self) -> Option<u8> {
        match self {
            Word::AcquireBy(process) | Word::AcquireAgain(process) | Word::ReleaseBy(process) => {
                Some(process)
            }
            _ => None,
        }
    }

    /// The same with other values: `values[v]` instead of v.
    pub(super) fn renamed(self, values: &[u8]) -> Word {
        let to = |value: u8| values[usize::from(value)];
        match self {
            Word::Write(value) => Word::Write(to(value)),
            Word::Put(value) => Word::Put(to(value)),
            Word::Read(value) => Word::Read(to(value)),
            Word::Cas(from, into) => Word::Cas(to(from), to(into)),
            Word::Rejected(value) => Word::Rejected(to(value)),
            Word::Saw(value, saw) => Word::Saw(to(value), to(saw)),
            Word::Append(element) => Word::Append(to(element)),
            Word::Show(list) => Word::Show(packed(elements(list).into_iter().map(to))),
            Word::Add(element) => Word::Add(to(element)),
            Word::Remove(element) => Word::Remove(to(element)),
            Word::Contains(element, is_in) => Word::Contains(to(element), is_in),
            Word::Members(bits) => {
                let members = (1..values.len() as u8).filter(|value| bits >> (value - 1) & 1 == 1);
                Word::Members(members.fold(0, |all, value| all | 1 << (to(value) - 1)))
            }
            Word::Enqueue(element) => Word::Enqueue(to(element)),
            Word::Dequeue(element) => Word::Dequeue(to(element)),
            Word::Drain(list) => Word::Drain(packed(elements(list).into_iter().map(to))),
            Word::Store(element) => Word::Store(to(element)),
            Word::Fetch(element) => Word::Fetch(to(element)),
            Word::Gather(list) => Word::Gather(packed(elements(list).into_iter().map(to))),
            Word::AcquireBy(process) => Word::AcquireBy(to(process)),
            Word::AcquireAgain(process) => Word::AcquireAgain(to(process)),
            Word::ReleaseBy(process) => Word::ReleaseBy(to(process)),
            Word::Increment(_)
            | Word::Sum(_)
            | Word::DequeueAny
            | Word::DrainAny
            | Word::FetchAny
            | Word::GatherAny
            | Word::Acquire
            | Word::Release
            | Word::Take(_)
            | Word::Give => self,
        }
    }

    /// Name, value at the invocation and value at the completion, as a history has them.
    pub(super) fn json(self) -> (&'static str, String, String) {
        let number = |value: u8| match value {
            0 => "null".to_owned(),
            value => value.to_string(),
        };
        let same = |name, text: String| (name, text.clone(), text);
        let told = |name, text: String| (name, "null".to_owned(), text);
        match self {
            Word::Write(0) | Word::Put(0) => same("delete", number(0)),
            Word::Put(element) => same("write", letters(u64::from(element))),
            Word::Write(value) => same("write", number(value)),
            Word::Read(value) => told("read", number(value)),
            Word::Cas(from, to) => same("cas", format!("[{},{}]", number(from), number(to))),
            // What it would have written is a value that nobody else writes.
            Word::Rejected(value) | Word::Saw(value, _) => {
                same("cas", format!("[{},9]", number(value)))
            }
            Word::Append(element) => same("append", letters(u64::from(element))),
            Word::Show(list) => told("read", letters(list)),
            Word::Add(element) => same("add", number(element)),
            Word::Remove(element) => same("remove", number(element)),
            Word::Contains(element, is_in) => {
                ("contains", number(element), format!("[{element},{is_in}]"))
            }
            Word::Members(bits) => {
                let members = (1..=8u8).filter(|value| bits >> (value - 1) & 1 == 1);
                let members: Vec<String> = members.map(number).collect();
                told("read", format!("[{}]", members.join(",")))
            }
            Word::Increment(number) => same("add", number.to_string()),
            Word::Sum(number) => told("read", number.to_string()),
            Word::Enqueue(element) | Word::Store(element) => same("enqueue", number(element)),
            Word::Dequeue(element) | Word::Fetch(element) => told("dequeue", number(element)),
            Word::DequeueAny | Word::FetchAny => same("dequeue", number(0)),
            Word::Drain(list) | Word::Gather(list) => {
                let taken: Vec<String> = elements(list).into_iter().map(number).collect();
                told("drain", format!("[{}]", taken.join(",")))
            }
            Word::DrainAny | Word::GatherAny => same("drain", number(0)),
            Word::Acquire | Word::AcquireBy(_) | Word::AcquireAgain(_) | Word::Take(_) => {
                same("acquire", number(0))
            }
            Word::Release | Word::ReleaseBy(_) | Word::Give => same("release", number(0)),
        }
    }

    /// Whether its completion is a failure in the history although it says something.
    pub(super) fn is_rejection(self) -> bool {
        matches!(self, Word::Rejected(_) | Word::Saw(..))
    }
}

/// A list's elements, packed: the last in the lowest bits.
fn packed(elements: impl IntoIterator<Item = u8>) -> u64 {
    elements.into_iter().fold(0, |list, element| list << ELEMENT_BITS | u64::from(element))
}

/// The elements of a packed list.
fn elements(list: u64) -> Vec<u8> {
    let places = (0..u64::BITS / ELEMENT_BITS).rev();
    let element = |place| (list >> (place * ELEMENT_BITS)) as u8 & ((1 << ELEMENT_BITS) - 1);
    places.map(element).filter(|element| *element != 0).collect()
}

/// A list of letters, as JSON text.
fn letters(list: u64) -> String {
    let letter = |element: u8| char::from(b'a' + element - 1);
    let letters: String = elements(list).into_iter().map(letter).collect();
    format!("\"{letters}\"")
}

/// The observation of a whole state, in models that have one.
pub(super) fn observation(model: ModelKind, state: u64) -> Option<Word> {
    match model {
        register::KIND => Some(Word::Read(state as u8)),
        append::KIND => Some(Word::Show(state)),
        set::KIND => Some(Word::Members(state as u8)),
        counter::KIND => Some(Word::Sum(state as u8)),
        _ => None,
    }
}

/// A drain of a whole queue, where that is short.
pub(super) fn drain(model: ModelKind, state: u64) -> Option<Word> {
    const TAKEN_MAX: usize = 3;
    let drain = match model {
        queue::KIND => Word::Drain(state),
        unordered_queue::KIND => {
            let all = (1..=ELEMENT_MAX)
                .flat_map(|element| std::iter::repeat_n(element, stored(state, element) as usize));
            Word::Gather(packed(all))
        }
        _ => return None,
    };
    (1..=TAKEN_MAX).contains(&drain.parts(0).len()).then_some(drain)
}

/// Times a lock is held are counted in these.
const HELD_ONCE: u64 = 1 << 8;

/// Who holds a lock; 0: nobody.
fn holder(state: u64) -> u8 {
    state as u8
}

/// The largest element that a queue without an order can hold.
const ELEMENT_MAX: u8 = 15;

/// One of an element, in a queue without an order.
fn unit(element: u8) -> u64 {
    1 << (ELEMENT_BITS * u32::from(element))
}

/// How many of an element are in a queue without an order.
fn stored(state: u64, element: u8) -> u64 {
    state >> (ELEMENT_BITS * u32::from(element)) & ((1 << ELEMENT_BITS) - 1)
}

/// The front of a packed queue and the rest; 0 and 0 if it is empty.
fn take_front(queue: u64) -> (u64, u64) {
    if queue == 0 {
        return (0, 0);
    }
    let behind = (u64::BITS - 1 - queue.leading_zeros()) / ELEMENT_BITS * ELEMENT_BITS;
    (queue >> behind, queue & ((1 << behind) - 1))
}

/// How much of an alphabet is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alphabet {
    /// Different values.
    pub(super) values: u8,
    /// With words that seldom matter: a cas from absent, a rejection that says what it saw, an element twice.
    pub(super) is_rare: bool,
    /// With operations that say nothing: failed ones, and reads without an answer.
    pub(super) is_silent: bool,
}

/// The words of a model that return with an answer, and those whose outcome is not known.
pub(super) fn words(model: ModelKind, alphabet: Alphabet) -> (Vec<Word>, Vec<Word>) {
    let values = 1..=alphabet.values;
    let pairs = || values.clone().flat_map(|from| (1..=alphabet.values).map(move |to| (from, to)));
    let different = || pairs().filter(|(from, to)| from != to);
    let (mut changing, mut observing) = (Vec::new(), Vec::new());
    match model {
        register::KIND => {
            changing.extend((0..=alphabet.values).map(Word::Write));
            changing.extend(different().map(|(from, to)| Word::Cas(from, to)));
            observing.extend((0..=alphabet.values).map(Word::Read));
            observing.extend(values.clone().map(Word::Rejected));
            if alphabet.is_rare {
                changing.extend(values.clone().map(|value| Word::Cas(0, value)));
                changing.extend(values.clone().map(|value| Word::Cas(value, value)));
                observing.extend(pairs().map(|(value, saw)| Word::Saw(value, saw)));
                observing.extend(values.map(|value| Word::Saw(value, 0)));
            }
        }
        append::KIND => {
            changing.extend(values.clone().map(Word::Append));
            changing.extend((0..=alphabet.values).map(Word::Put));
            observing.extend((0..=alphabet.values).map(|value| Word::Show(packed([value]))));
            observing
                .extend(different().map(|(first, second)| Word::Show(packed([first, second]))));
            if alphabet.is_rare {
                observing.extend(values.map(|value| Word::Show(packed([value, value]))));
            }
        }
        set::KIND => {
            changing.extend(values.clone().map(Word::Add));
            changing.extend(values.clone().map(Word::Remove));
            observing.extend((0..1 << alphabet.values).map(Word::Members));
            for is_in in [false, true] {
                observing.extend(values.clone().map(|value| Word::Contains(value, is_in)));
            }
        }
        counter::KIND => {
            changing.extend(values.map(Word::Increment));
            observing.extend((0..=alphabet.values + 1).map(Word::Sum));
        }
        queue::KIND | unordered_queue::KIND => {
            (changing, observing) = of_queue(model == queue::KIND, alphabet);
        }
        _ => changing = of_lock(model, alphabet.values),
    }
    let mut unknown = changing.clone();
    // A cas from a value to itself changes nothing: without an answer it is silent.
    unknown.retain(|word| !matches!(word, Word::Cas(from, to) if from == to));
    match model {
        queue::KIND => unknown.push(Word::DequeueAny),
        unordered_queue::KIND => unknown.push(Word::FetchAny),
        _ => {}
    }
    if alphabet.is_rare {
        match model {
            queue::KIND => unknown.push(Word::DrainAny),
            unordered_queue::KIND => unknown.push(Word::GatherAny),
            _ => {}
        }
    }
    changing.extend(observing);
    (changing, unknown)
}

/// The words of a queue that change it without an answer, and those that have one.
fn of_queue(has_order: bool, alphabet: Alphabet) -> (Vec<Word>, Vec<Word>) {
    let put = if has_order { Word::Enqueue } else { Word::Store };
    let take = if has_order { Word::Dequeue } else { Word::Fetch };
    let drain = if has_order { Word::Drain } else { Word::Gather };
    let mut observing: Vec<Word> = (0..=alphabet.values).map(take).collect();
    if alphabet.is_rare {
        for first in 1..=alphabet.values {
            observing.push(drain(packed([first])));
            let second = 1..=alphabet.values;
            observing.extend(second.map(|second| drain(packed([first, second]))));
        }
    }
    ((1..=alphabet.values).map(put).collect(), observing)
}

/// The words of a lock. The values of one that knows its holder are processes.
fn of_lock(model: ModelKind, values: u8) -> Vec<Word> {
    let of_process = |acquire: fn(u8) -> Word| {
        (1..=values).map(acquire).chain((1..=values).map(Word::ReleaseBy)).collect()
    };
    match model {
        owned_mutex::OWNER_AWARE => of_process(Word::AcquireBy),
        owned_mutex::REENTRANT => of_process(Word::AcquireAgain),
        mutex::KIND => vec![Word::Acquire, Word::Release],
        _ => match (model.word(), model.count()) {
            ("semaphore", Some(permits)) => vec![Word::Take(permits as u8), Word::Give],
            _ => panic!("{model} has no words here to be tried with"),
        },
    }
}

/// Operations of a model that say nothing.
pub(super) fn silent(model: ModelKind, unknown: &[Word]) -> Vec<(Word, Ending)> {
    let mut silent: Vec<(Word, Ending)> =
        unknown.iter().map(|&word| (word, Ending::Failed)).collect();
    if let Some(read) = observation(model, 0) {
        silent.extend([(read, Ending::Failed), (read, Ending::Unknown)]);
    }
    silent
}

/// All ways to rename values, the one that changes nothing left out. A counter's numbers have no other name. The values of a
/// lock that knows its holder are processes.
pub(super) fn renamings(model: ModelKind, values: u8) -> Vec<Vec<u8>> {
    if matches!(model, counter::KIND | mutex::KIND) || model.count().is_some() {
        return Vec::new();
    }
    let mut all: Vec<Vec<u8>> = vec![vec![0]];
    for _ in 0..values {
        let longer = |names: &Vec<u8>| {
            let names = names.clone();
            let free: Vec<u8> = (1..=values).filter(|value| !names.contains(value)).collect();
            free.into_iter().map(move |value| [names.clone(), vec![value]].concat())
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.retain(|names| names.windows(2).any(|pair| pair[0] > pair[1]));
    all
}
