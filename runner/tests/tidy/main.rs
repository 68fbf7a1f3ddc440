//! Style as a test: what every source file of the workspace has to look like.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

mod circles;
mod glossary;
mod literals;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file beyond this holds more than one idea.
const LINES_MAX: usize = 600;
/// Names that say nothing: a thing lives where its noun lives.
const BANNED_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "misc", "manager"];
/// Crates whose sources are examined.
const FOLDERS: [&str; 5] = ["proto", "server", "checker", "reports", "runner"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust source of the workspace, with its path from the root.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 50, "only {} sources found: is the list of folders right?", found.len());
    found.sort();
    found
}

/// Fails with all offenders at once.
fn assert_none(what: &str, offenders: Vec<String>) {
    assert!(offenders.is_empty(), "{what}:\n  {}", offenders.join("\n  "));
}

#[test]
fn files_are_short() {
    let is_long = |(path, text): (PathBuf, String)| {
        let lines = text.lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", path.display()))
    };
    assert_none("more than 600 lines", sources().into_iter().filter_map(is_long).collect());
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let offenders = sources().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    let names = offenders.map(|(path, _)| path.display().to_string());
    assert_none("no `//!` in the first line", names.collect());
}

#[test]
fn no_file_is_a_grab_bag() {
    let is_banned = |path: &Path| {
        path.components().any(|part| {
            let name = Path::new(&part).file_stem().unwrap_or_default();
            BANNED_NAMES.iter().any(|banned| name == *banned)
        })
    };
    let offenders = sources().into_iter().filter(|(path, _)| is_banned(path));
    assert_none(
        "a name that says nothing",
        offenders.map(|(path, _)| path.display().to_string()).collect(),
    );
}

#[test]
fn generated_types_stay_behind_their_doors() {
    let doors =
        ["server/src/rpc/", "runner/client/src/node.rs", "runner/client/src/member.rs", "proto/"];
    let offenders = sources().into_iter().filter(|(path, text)| {
        let path = path.to_str().unwrap();
        let is_door = doors.iter().any(|door| path.starts_with(door));
        let is_test = path.contains("/tests/");
        !is_door && !is_test && text.contains(concat!("whitewater_", "proto"))
    });
    assert_none(
        "generated types outside their doors",
        offenders.map(|(path, _)| path.display().to_string()).collect(),
    );
}

#[test]
fn dependencies_point_down() {
    let upward = [
        (
            "server/raft/",
            &["whitewater_server", "whitewater_checker", "whitewater_reports", "tokio"][..],
        ),
        ("server/src/", &["whitewater_checker", "whitewater_reports"]),
        ("checker/src/", &["whitewater_server", "whitewater_reports", "tokio"]),
        ("reports/src/", &["whitewater_server", "tokio"]),
    ];
    let mut offenders = Vec::new();
    for (path, text) in sources() {
        let path = path.to_str().unwrap();
        let banned = upward.iter().filter(|(folder, _)| path.starts_with(folder));
        for name in banned.flat_map(|(_, names)| names.iter()) {
            if text.contains(&format!("use {name}")) || text.contains(&format!("{name}::")) {
                offenders.push(format!("{path} uses {name}"));
            }
        }
    }
    assert_none("imports against the direction of dependencies", offenders);
}

#[test]
fn unsafe_code_has_one_home() {
    let home = "runner/redirect/src/kernel.rs";
    let crates = CRATES.map(|sources| root().join(sources).with_file_name("Cargo.toml"));
    let inherits =
        |path: &PathBuf| fs::read_to_string(path).unwrap().contains("[lints]\nworkspace = true\n");
    let (bound, others): (Vec<PathBuf>, Vec<PathBuf>) = crates.into_iter().partition(inherits);
    assert!(
        bound.len() + 1 == CRATES.len(),
        "the lints of the workspace do not hold in {others:?}"
    );
    let is_outside = |(path, text): &(PathBuf, String)| {
        let is_unsafe = |line: &str| {
            line.contains(concat!("unsafe", " {")) || line.contains(concat!("unsafe", " fn"))
        };
        path.to_str() != Some(home) && text.lines().any(is_unsafe)
    };
    let offenders = sources().into_iter().filter(is_outside);
    assert_none(
        "unsafe code outside its home",
        offenders.map(|(path, _)| path.display().to_string()).collect(),
    );
}

#[test]
fn the_checker_takes_only_event_types_from_the_protocol() {
    // The trace vocabulary and the plain values that its fields are made of; nothing that acts.
    let allowed =
        ["event", "Chain", "HardState", "Index", "Membership", "NodeId", "Position", "Term"];
    let mut offenders = Vec::new();
    for (path, text) in sources() {
        if !path.starts_with("checker/src") && !path.starts_with("reports/src") {
            continue;
        }
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for taken in line.split("whitewater_raft::").skip(1) {
                let list = match taken.strip_prefix('{') {
                    Some(list) => list.split('}').next().unwrap_or_default(),
                    None => taken,
                };
                let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
                for name in names {
                    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
                    if !allowed.contains(&&name[..end.unwrap_or(name.len())]) {
                        offenders.push(format!("{}: {}", path.display(), line.trim()));
                    }
                    if !taken.starts_with('{') {
                        break; // What follows a single path belongs to the code around it.
                    }
                }
            }
        }
    }
    assert_none("more than the trace vocabulary", offenders);
}

/// The sources of each crate.
const CRATES: [&str; 10] = [
    "server/raft/src",
    "server/src",
    "checker/src",
    "reports/src",
    "runner/src",
    "runner/redirect/src",
    "runner/processes/src",
    "runner/client/src",
    "runner/target/src",
    "runner/bench/src",
];

/// Where circles are: all files of one are of a line here, a folder standing for what is in it.
const CIRCLES: [(&str, &[&str]); 2] = [
    // The roles of the protocol are one value, a file for each.
    ("server/raft/src", &["leader.rs", "raft.rs", "read.rs"]),
    // A simulated world, and those who live in it.
    ("runner/src", &["sim/"]),
];

#[test]
fn files_form_no_circle_where_none_is_named() {
    let sources = sources();
    let mut found = Vec::new();
    for folder in CRATES {
        let own = sources.iter().filter_map(|(path, text)| {
            let name = path.to_str()?.strip_prefix(folder)?.strip_prefix('/')?;
            Some((name, text.as_str()))
        });
        let circles = circles::Crate::new(own).circles();
        found.extend(circles.into_iter().map(|circle| (folder, circle)));
    }
    let is_named = |(folder, circle): &(&str, BTreeSet<String>), place: &(&str, &[&str])| {
        let is_in = |name: &String| {
            place.1.iter().any(|part| name == part || part.ends_with('/') && name.starts_with(part))
        };
        *folder == place.0 && circle.iter().all(is_in)
    };
    let fresh = found.iter().filter(|circle| !CIRCLES.iter().any(|place| is_named(circle, place)));
    assert_none(
        "files that need each other (move what both need to a file of its own)",
        fresh.map(|(folder, circle)| format!("{folder}: {circle:?}")).collect(),
    );
    let gone = CIRCLES.iter().filter(|place| !found.iter().any(|circle| is_named(circle, place)));
    assert_none(
        "no circle is here any more (strike the line)",
        gone.map(|(folder, files)| format!("{folder}: {files:?}")).collect(),
    );
}

#[test]
fn only_the_run_folder_names_its_files() {
    let owner = Path::new("checker/src/run_folder/mod.rs");
    let text = fs::read_to_string(root().join(owner)).unwrap();
    let names: Vec<String> = literals::of(owner, &text).into_iter().map(|(_, name)| name).collect();
    let (files, others): (Vec<&str>, Vec<&str>) = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.contains('{') && !name.starts_with('.'))
        .partition(|name| name.contains('.'));
    assert!(files.contains(&"run.json") && others.contains(&"trace"), "{files:?} {others:?}");
    let mut offenders = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path != owner) {
        for (line, literal) in literals::of(path, text) {
            // A command line that a person may copy is written as a whole.
            let said = literal.replace("runs/latest/plan.json", "");
            let names_file = files.iter().any(|name| said.contains(name));
            let is_within = others.iter().any(|name| said.starts_with(&format!("{name}/")));
            let is_joined =
                others.contains(&said.as_str()) && text.contains(&format!(".join(\"{said}\")"));
            let is_template = text.lines().nth(line - 1).unwrap().contains("template(path");
            if (names_file || is_within || is_joined) && !is_template {
                offenders.push(format!("{}:{line}: {literal:?}", path.display()));
            }
        }
    }
    assert_none("a file of the run folder is named outside the module that owns it", offenders);
}

/// What a document names as a path of this repository: a word that begins with a crate's folder.
fn paths_named(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || "/_.-".contains(c);
    let words = text.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches(['.', '-']));
    let is_path = |word: &&str| {
        word.split_once('/')
            .is_some_and(|(folder, rest)| FOLDERS.contains(&folder) && !rest.is_empty())
    };
    words.filter(is_path).collect()
}

#[test]
fn paths_in_the_documents_exist() {
    let mut documents = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    let mut named = 0;
    let mut offenders = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for path in paths_named(&text) {
            named += 1;
            if !root().join(path).exists() {
                offenders.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(named > 20, "only {named} paths are named: is the rule for what a path is right?");
    assert_none("paths that do not exist", offenders);
}

#[test]
fn a_name_that_stands_in_two_packages_is_in_the_glossary() {
    let page = fs::read_to_string(root().join("docs/style.md")).unwrap();
    let words = glossary::words(&page);
    assert!(words.len() >= 60, "{} words: is the glossary still there?", words.len());
    let sources = sources();
    let shared = glossary::shared(sources.iter().map(|(path, _)| path.as_path()));
    let missing = shared.into_iter().filter(|(name, _)| !words.contains(&name.as_str()));
    assert_none(
        "names in two packages that docs/style.md does not explain",
        missing.map(|(name, packages)| format!("{name}: {packages:?}")).collect(),
    );
    let mut ordered = words.clone();
    ordered.sort_unstable();
    ordered.dedup();
    assert_eq!(words, ordered, "the glossary is in order, each word once");
}
