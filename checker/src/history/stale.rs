//! A history without the reads that a target with stale reads may answer so.

use std::collections::HashMap;

use super::{Function, History, Outcome, Value};

impl History {
    /// The same operations as a target is held to that promises stale reads: a read that shows what was written
    /// before it ended says nothing, whatever was written since, and counts as not answered. Reads of what nobody wrote,
    /// or only wrote later, stay. Returns how many were left out as well.
    pub(crate) fn without_stale_reads(&self) -> (History, u64) {
        let mut kept = self.clone();
        let mut written: HashMap<(u32, Value), u32> = HashMap::new();
        for operation in &self.operations {
            let value = match operation.function {
                Function::Write | Function::Append => operation.value,
                Function::Cas => operation.second,
                _ => continue,
            };
            let first = written.entry((operation.key, value)).or_insert(operation.invoked);
            *first = operation.invoked.min(*first);
        }
        let mut left_out = 0;
        for operation in &mut kept.operations {
            if operation.function != Function::Read || operation.outcome != Outcome::Ok {
                continue;
            }
            let writer = written.get(&(operation.key, operation.value));
            let is_possible = operation.value == self.initial(operation.key)
                || writer.is_some_and(|invoked| *invoked < operation.completed);
            if is_possible {
                operation.outcome = Outcome::Fail;
                left_out += 1;
            }
        }
        (kept, left_out)
    }
}

#[cfg(test)]
mod tests {
    use crate::options::Options;
    use crate::target::{Promised, Reads};
    use crate::verdict::Verdict;

    /// Lines `PROCESS TYPE F VALUE`, one nanosecond apart, on one key.
    fn verdict(lines: &[&str], reads: Reads) -> Verdict {
        let event = |(at, line): (usize, &&str)| {
            let words: Vec<&str> = line.split(' ').collect();
            let [process, kind, f, value] = words[..] else { panic!("{line}") };
            format!(
                r#"{{"process":{process},"type":"{kind}","f":"{f}","key":"k","value":{value},"time_ns":{at}}}"#
            )
        };
        let text: Vec<String> = lines.iter().enumerate().map(event).collect();
        let input = Box::new(std::io::Cursor::new(text.join("\n").into_bytes()));
        let source = crate::history::read_from("test", input, &Options::default()).unwrap();
        let promised = Promised { reads, ..Promised::default() };
        let judged = crate::history_check::judged(&source, promised, &Options::default());
        judged.unwrap().verdict
    }

    #[test]
    fn a_stale_read_is_no_violation_where_reads_may_be_stale() {
        let both = ["1 invoke write 1", "1 ok write 1", "1 invoke write 2", "1 ok write 2"];
        let read = |value| [&both[..], &["2 invoke read null", value]].concat();
        assert_eq!(verdict(&read("2 ok read 1"), Reads::Linearizable), Verdict::Violation);
        assert_eq!(verdict(&read("2 ok read 1"), Reads::Stale), Verdict::Pass);
        assert_eq!(verdict(&read("2 ok read null"), Reads::Stale), Verdict::Pass);
        assert_eq!(verdict(&read("2 ok read 7"), Reads::Stale), Verdict::Violation);
        let early = ["2 invoke read null", "2 ok read 1", "1 invoke write 1", "1 ok write 1"];
        assert_eq!(verdict(&early, Reads::Stale), Verdict::Violation);
    }

    #[test]
    fn what_a_cas_saw_is_held_against_it_all_the_same() {
        let lines = [
            "1 invoke write 1",
            "1 ok write 1",
            "1 invoke write 2",
            "1 ok write 2",
            "1 invoke cas [1,3]",
            "1 ok cas [1,3]",
        ];
        assert_eq!(verdict(&lines, Reads::Stale), Verdict::Violation);
    }
}
