//! What answers of a target mean for its description: pure, from what came back.

use bytes::Bytes;
use whitewater_target::{Answer, Answered, Next, Setback};

use super::facts::Facts;

/// What a request came to.
pub(super) type Came = Result<Answer, Setback>;

/// What came back, in words.
pub(super) fn in_words(came: &Came) -> String {
    match came {
        Ok(answer) => match &answer.result {
            Answered::Opened(_) => "a session".into(),
            Answered::Value(None) => "absent".into(),
            Answered::Value(Some(value)) => format!("the value {}", shown(value)),
            Answered::Written => "done".into(),
            Answered::Mismatch(None) => "not swapped".into(),
            Answered::Mismatch(Some(seen)) => format!("not swapped, it holds {}", shown(seen)),
        },
        Err(setback) => {
            let next = match &setback.next {
                Next::Leader { node, .. } => format!("taken as “ask n{node}”"),
                Next::Later => "taken as “not now”".into(),
                Next::Elsewhere => "taken as “ask another node”".into(),
                Next::NewSession => "taken as “the session is gone”".into(),
                Next::GiveUp => "taken as “the request is wrong”".into(),
            };
            let certainty =
                if setback.is_indefinite { "may have happened" } else { "did not happen" };
            format!("{} ({next}; {certainty})", setback.reason)
        }
    }
}

fn shown(value: &Bytes) -> String {
    const SHOWN_MAX: usize = 60;
    let text = String::from_utf8_lossy(value);
    let more = if text.chars().count() > SHOWN_MAX { "…" } else { "" };
    format!("`{}{more}`", text.chars().take(SHOWN_MAX).collect::<String>())
}

/// A read of what was just written.
pub(super) fn judge_read(facts: &mut Facts, what: &str, wanted: &str, came: &Came) {
    let seen = in_words(came);
    match came {
        Ok(Answer { result: Answered::Value(Some(value)), .. }) if value == wanted.as_bytes() => {
            facts.good(what, "the value that was written");
        }
        Ok(Answer { result: Answered::Value(Some(_)), .. }) => facts.wrong(
            what,
            format!("{seen}, and `{wanted}` was written"),
            "read: value = the JSON pointer to the value alone (\"text\" where the body is the value), and {key} in the request",
        ),
        Ok(Answer { result: Answered::Value(None), .. }) => facts.wrong(
            what,
            format!("absent, and `{wanted}` was written and acknowledged"),
            "write: `ok`, what only a success answers ([[errors]] for what else comes with 200), if the write was none; read: \
             `absent` matches too much, or `value` points to nothing; or reads are stale: [promises] reads = \"stale\"",
        ),
        Ok(_) | Err(_) => facts.wrong(what, seen, "read: the request, or [[errors]] that take its answer for a failure"),
    }
}

/// A read of a key that was never written.
pub(super) fn judge_absent(facts: &mut Facts, came: &Came) {
    let what = "a read of an absent key";
    match came {
        Ok(Answer { result: Answered::Value(None), .. }) => facts.good(what, "absent"),
        Ok(_) => facts.wrong(
            what,
            format!("{}, though nothing was ever written there", in_words(came)),
            "read: absent = { status = 404 }, or what else the answer has where a key is absent",
        ),
        Err(_) => facts.wrong(
            what,
            in_words(came),
            "read: absent = { status = 404 }, or what else the answer has where a key is absent",
        ),
    }
}

/// A cas from the value that is there, and one from another; `after` is what a read showed then.
pub(super) fn judge_cas(facts: &mut Facts, hit: &Came, miss: &Came, after: &Came, new: &str) {
    let advice = "cas: `swapped`, what of the answer says that the value was set";
    match hit {
        Ok(Answer { result: Answered::Written, .. }) => {
            facts.good("a cas from the value that is there", "done");
        }
        _ => facts.wrong("a cas from the value that is there", in_words(hit), advice),
    }
    let holds_new = matches!(after, Ok(Answer { result: Answered::Value(Some(value)), .. }) if value == new.as_bytes());
    let what = "a cas from another value";
    match miss {
        Ok(Answer { result: Answered::Mismatch(_), .. }) if holds_new => facts.good(what, in_words(miss)),
        Ok(Answer { result: Answered::Written, .. }) if holds_new => facts.wrong(
            what,
            "taken as done, and nothing was changed",
            advice,
        ),
        Ok(Answer { result: Answered::Written, .. }) => facts.wrong(
            what,
            format!("done, and a read shows {}", in_words(after)),
            "cas: the request does not compare; leave `cas` out",
        ),
        Ok(_) => facts.wrong(what, format!("{}, and a read shows {}", in_words(miss), in_words(after)), advice),
        Err(setback) if setback.is_indefinite => facts.wrong(
            what,
            in_words(miss),
            "[[errors]] means = \"mismatch\" for what a cas that does not match is answered with: as it is, every such cas \
             counts as unknown",
        ),
        Err(_) => facts.limited(
            what,
            in_words(miss),
            "cas: `value`, what is there instead, if the answer has it; [[errors]] means = \"mismatch\", if this is a miss: as \
             it is, it says nothing of the value",
        ),
    }
}

/// A write with a majority stopped.
pub(super) fn judge_without_majority(facts: &mut Facts, stopped: &str, came: &Came) {
    let what = format!("a write with {stopped} stopped");
    match came {
        Ok(_) => facts.wrong(
            what,
            "acknowledged, though no majority can have it",
            "either an answer that is an error is taken for success ([[errors]], `ok`), or the server acknowledges before it commits",
        ),
        Err(setback) if setback.is_indefinite => {
            facts.good(what, format!("{} (may have happened)", setback.reason));
        }
        Err(setback) => facts.limited(
            what,
            format!("{} (taken as: did not happen)", setback.reason),
            "[[errors]] means = \"unknown\" for this answer, unless the server is known to drop what it could not commit",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Standing;
    use super::*;

    fn ok(result: Answered) -> Came {
        Ok(Answer { result, node: 0, term: None })
    }

    fn value(text: &str) -> Came {
        ok(Answered::Value(Some(Bytes::copy_from_slice(text.as_bytes()))))
    }

    fn no(is_indefinite: bool, next: Next) -> Came {
        Err(Setback { is_indefinite, next, reason: "HTTP 500".into() })
    }

    fn standing(judge: impl Fn(&mut Facts)) -> Standing {
        let mut facts = Facts::default();
        judge(&mut facts);
        facts.tried.last().unwrap().standing
    }

    #[test]
    fn a_read_is_good_only_where_it_shows_what_was_written() {
        let read = |came: Came| standing(|facts| judge_read(facts, "a read", "7", &came));
        assert_eq!(read(value("7")), Standing::Good);
        for wrong in [value("\"7\""), ok(Answered::Value(None)), no(false, Next::Later)] {
            assert_eq!(read(wrong), Standing::Wrong);
        }
        let absent = |came: Came| standing(|facts| judge_absent(facts, &came));
        assert_eq!(absent(ok(Answered::Value(None))), Standing::Good);
        assert_eq!(absent(value("")), Standing::Wrong);
        assert_eq!(absent(no(false, Next::GiveUp)), Standing::Wrong);
    }

    #[test]
    fn a_cas_that_misses_must_be_told_from_one_that_hits() {
        let missed = || ok(Answered::Mismatch(None));
        let cas = |hit: Came, miss: Came, after: Came| {
            let mut facts = Facts::default();
            judge_cas(&mut facts, &hit, &miss, &after, "8");
            (facts.tried[0].standing, facts.tried[1].standing)
        };
        let done = || ok(Answered::Written);
        assert_eq!(cas(done(), missed(), value("8")), (Standing::Good, Standing::Good));
        assert_eq!(cas(missed(), missed(), value("8")).0, Standing::Wrong);
        assert_eq!(cas(done(), done(), value("8")).1, Standing::Wrong, "success whatever comes");
        assert_eq!(cas(done(), done(), value("9")).1, Standing::Wrong, "nothing is compared");
        assert_eq!(cas(done(), no(true, Next::Later), value("8")).1, Standing::Wrong);
        assert_eq!(cas(done(), no(false, Next::GiveUp), value("8")).1, Standing::Limited);
    }

    #[test]
    fn what_is_acknowledged_without_a_majority_is_wrong() {
        let write = |came: Came| standing(|facts| judge_without_majority(facts, "n2 n3", &came));
        assert_eq!(write(ok(Answered::Written)), Standing::Wrong);
        assert_eq!(write(no(true, Next::Elsewhere)), Standing::Good);
        assert_eq!(write(no(false, Next::Later)), Standing::Limited);
    }
}
