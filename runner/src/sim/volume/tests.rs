//! The disk against what may be on it after a crash.

use std::collections::BTreeSet;

use super::*;

const CALM: DiskHabits = DiskHabits {
    sync_ns: (1_000_000, 1_000_000),
    slow_in_a_million: 0,
    slow_ns: (0, 0),
    failing_in_a_million: 0,
};

fn volume(seed: u64) -> MemoryVolume {
    MemoryVolume::new(1, CALM, Chance::new(seed, 0))
}

#[test]
fn what_was_synced_survives_and_the_rest_is_kept_lost_or_torn() {
    let mut left = BTreeSet::new();
    for seed in 0..60 {
        let volume = volume(seed);
        let mut file = volume.create("a").unwrap();
        file.write_at(b"durable", 0).unwrap();
        file.sync().unwrap();
        volume.sync().unwrap();
        file.write_at(b"-loose-", 7).unwrap();
        volume.crash(volume.now_ns(), Crash::Power);
        left.insert(String::from_utf8(volume.read("a").unwrap()).unwrap());
    }
    assert!(left.iter().all(|content| content.starts_with("durable")), "{left:?}");
    assert!(left.contains("durable") && left.contains("durable-loose-"), "{left:?}");
    assert!(left.contains("durable-lo"), "torn in the middle: {left:?}");
}

#[test]
fn a_crash_comes_before_what_had_still_to_happen() {
    let volume = volume(1);
    volume.begin(5_000_000);
    let mut file = volume.create("a").unwrap();
    file.write_at(b"x", 0).unwrap();
    let before_sync = volume.now_ns();
    file.sync().unwrap();
    volume.rename("a", "b").unwrap();
    volume.crash(before_sync, Crash::Process);
    assert_eq!(volume.names().unwrap(), ["a"]);
    assert_eq!(volume.read("a").unwrap(), b"x");
}

#[test]
fn what_a_killed_process_did_not_sync_is_read_by_the_next_and_lost_by_a_power_loss() {
    let mut left = BTreeSet::new();
    for seed in 0..60 {
        let volume = volume(seed);
        let mut file = volume.create("a").unwrap();
        file.write_at(b"durable", 0).unwrap();
        file.sync().unwrap();
        volume.sync().unwrap();
        file.write_at(b"-loose-", 7).unwrap();
        volume.rename("a", "b").unwrap();
        volume.crash(volume.now_ns(), Crash::Process);
        for _ in 0..2 {
            assert_eq!(volume.names().unwrap(), ["b"]);
            assert_eq!(volume.read("b").unwrap(), b"durable-loose-");
            volume.begin(volume.now_ns());
        }
        volume.crash(volume.now_ns(), Crash::Power);
        let name = volume.names().unwrap().concat();
        let content = String::from_utf8(volume.read(&name).unwrap()).unwrap();
        left.insert((name, content));
    }
    for name in ["a", "b"] {
        for content in ["durable", "durable-loose-"] {
            assert!(left.contains(&(name.into(), content.into())), "{left:?}");
        }
    }
}

#[test]
fn whoever_syncs_a_file_makes_durable_what_a_killed_process_left_in_it() {
    for seed in 0..20 {
        let volume = volume(seed);
        let mut file = volume.create("a").unwrap();
        volume.sync().unwrap();
        file.write_at(b"x", 0).unwrap();
        volume.crash(volume.now_ns(), Crash::Process);
        volume.open("a").unwrap().sync().unwrap();
        volume.crash(volume.now_ns(), Crash::Power);
        assert_eq!(volume.read("a").unwrap(), b"x");
    }
}

/// Two renames over the same name, neither of them synced: a power loss may leave the first one.
#[test]
fn a_name_that_comes_back_brings_its_content() {
    let mut found = BTreeSet::new();
    for seed in 0..60 {
        let volume = volume(seed);
        for content in [b"first", b"later"] {
            let mut file = volume.create("t").unwrap();
            file.write_at(content, 0).unwrap();
            file.sync().unwrap();
            volume.rename("t", "a").unwrap();
            volume.crash(volume.now_ns(), Crash::Process);
        }
        volume.crash(volume.now_ns(), Crash::Power);
        if let Ok(content) = volume.read("a") {
            found.insert(content);
        }
    }
    assert_eq!(found, [b"first".to_vec(), b"later".to_vec()].into());
}

#[test]
fn an_unsynced_rename_may_be_undone_and_a_synced_one_may_not() {
    let mut found = BTreeSet::new();
    for seed in 0..30 {
        let volume = volume(seed);
        volume.create("a").unwrap().sync().unwrap();
        volume.sync().unwrap();
        volume.rename("a", "b").unwrap();
        if seed % 2 == 0 {
            volume.sync().unwrap();
        }
        volume.crash(volume.now_ns(), Crash::Power);
        found.insert((seed % 2, volume.names().unwrap().concat()));
    }
    let expected = [(0, "b"), (1, "a"), (1, "b")].map(|(is_loose, name)| (is_loose, name.into()));
    assert_eq!(found, expected.into());
}

#[test]
fn a_sync_can_fail() {
    let volume = volume(1);
    volume.fail_syncs(1_000_000);
    assert!(volume.create("a").unwrap().sync().is_err());
    volume.calm_down();
    assert!(volume.create("b").unwrap().sync().is_ok());
}

/// Does what a script says: one step a line or between semicolons, `fail` for a sync that fails.
fn carry_out(volume: &MemoryVolume, script: &str) {
    for step in script.split(';').map(str::trim) {
        let words: Vec<&str> = step.split(' ').collect();
        match words[..] {
            ["create", name] => drop(volume.create(name).unwrap()),
            ["write", name, text, offset] => {
                let offset = offset.parse().unwrap();
                volume.open(name).unwrap().write_at(text.as_bytes(), offset).unwrap();
            }
            ["allocate", name, bytes] => {
                volume.open(name).unwrap().allocate(bytes.parse().unwrap()).unwrap();
            }
            ["rename", from, to] => volume.rename(from, to).unwrap(),
            ["remove", name] => volume.remove(name).unwrap(),
            ["sync"] => volume.sync().unwrap(),
            ["sync", name] => volume.open(name).unwrap().sync().unwrap(),
            ["fail"] => {
                volume.fail_syncs(1_000_000);
                volume.sync().unwrap_err();
            }
            ["fail", name] => {
                volume.fail_syncs(1_000_000);
                volume.open(name).unwrap().sync().unwrap_err();
            }
            ["kill"] => volume.crash(volume.now_ns(), Crash::Process),
            ["cut"] => volume.crash(volume.now_ns(), Crash::Power),
            _ => panic!("no such step: {step}"),
        }
        volume.fail_syncs(0);
    }
}

/// Every file and its content, as a process reads them.
fn seen(volume: &MemoryVolume) -> String {
    let mut names = volume.names().unwrap();
    names.sort();
    let file = |name: &String| {
        let content = String::from_utf8(volume.read(name).unwrap()).unwrap();
        format!("{name}={}", content.replace('\0', "0"))
    };
    names.iter().map(file).collect::<Vec<_>>().join(" ")
}

/// What may be there after a script, whatever the disk does.
fn possible(script: &str) -> BTreeSet<String> {
    let states = (0..400).map(|seed| {
        let volume = volume(seed);
        carry_out(&volume, script);
        let first = seen(&volume);
        volume.begin(volume.now_ns());
        assert_eq!(seen(&volume), first, "{script}: what was read once is read again");
        first
    });
    states.collect()
}

/// After a sync that failed nothing that succeeds later makes durable what it was to.
#[test]
fn what_failed_to_be_synced_is_durable_only_when_it_is_done_again() {
    for (script, expected) in [
        // Bytes.
        ("create a; sync; write a x 0; sync a; cut", &["a=x"][..]),
        ("create a; sync; write a x 0; fail a; cut", &["a=", "a=x"]),
        ("create a; sync; write a x 0; fail a; sync a; cut", &["a=", "a=x"]),
        ("create a; sync; write a x 0; fail a; sync a; sync a; sync; cut", &["a=", "a=x"]),
        ("create a; sync; write a x 0; fail a; kill; sync a; cut", &["a=", "a=x"]),
        ("create a; sync; write a x 0; fail a; write a x 0; sync a; cut", &["a=x"]),
        ("create a; sync; write a x 0; fail a; write a x 0; fail a; sync a; cut", &["a=", "a=x"]),
        // What was sure before stays, and what is written behind it becomes sure.
        ("create a; sync; write a x 0; sync a; write a y 1; fail a; sync a; cut", &["a=x", "a=xy"]),
        ("create a; sync; write a x 0; fail a; write a y 1; sync a; cut", &["a=0y", "a=xy"]),
        ("create a; sync; write a xx 0; fail a; write a y 0; sync a; cut", &["a=y", "a=yx"]),
        // One file's failure says nothing of another one.
        (
            "create a; create b; sync; write a x 0; write b y 0; fail a; sync b; cut",
            &["a= b=y", "a=x b=y"],
        ),
        // Lengths: filled up, and cut off.
        ("create a; sync; allocate a 2; fail a; sync a; cut", &["a=", "a=00"]),
        ("create a; sync; write a x 0; sync a; create a; sync a; cut", &["a="]),
        ("create a; sync; write a x 0; sync a; create a; fail a; sync a; cut", &["a=", "a=x"]),
        // Names: created, renamed, removed.
        ("create a; fail; sync; cut", &["", "a="]),
        ("create a; sync; rename a b; fail; sync; cut", &["a=", "b="]),
        ("create a; sync; rename a b; fail; kill; sync; cut", &["a=", "b="]),
        ("create a; sync; rename a b; fail; rename b c; sync; cut", &["a= c=", "c="]),
        ("create a; sync; remove a; fail; sync; cut", &["", "a="]),
        ("create a; sync; remove a; fail; create b; sync; cut", &["a= b=", "b="]),
        // Done again, under the same name.
        ("create t; sync t; rename t a; fail; create t; sync t; rename t a; sync; cut", &["a="]),
        // In order: the second one is never there without the first one.
        (
            "create a; create b; sync; rename a c; rename b d; fail; sync; cut",
            &["a= b=", "b= c=", "c= d="],
        ),
    ] {
        let expected = expected.iter().map(|state| (*state).to_owned()).collect();
        assert_eq!(possible(script), expected, "{script}");
    }
}

/// The page cache may drop what it takes for written, so the next process reads one or the other.
#[test]
fn what_failed_to_be_synced_may_be_gone_for_the_next_process_too() {
    let script = "create a; sync; write a x 0; fail a; kill";
    assert_eq!(possible(script), ["a=", "a=x"].map(String::from).into());
    let unsynced = "create a; sync; write a x 0; kill";
    assert_eq!(possible(unsynced), ["a=x"].map(String::from).into());
}
