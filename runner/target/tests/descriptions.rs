//! Descriptions of servers, right ones and wrong ones: every wrong one has its message beside it.
//!
//! `UPDATE_GOLDENFILES=1 cargo test -p whitewater-target --test descriptions` writes the messages anew.

#![expect(clippy::unwrap_used, reason = "what is missing here fails the test")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use whitewater_target::description::{Description, Flaw, read, schema};

fn files(folder: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/descriptions").join(folder);
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    found.sort();
    found
}

fn described(name: &str, path: &Path) -> Result<Description, Flaw> {
    let text = fs::read_to_string(path).unwrap();
    read(name, &text, &|variable| (variable == "ZK_CP").then(|| "/usr/share/java/*".into()))
}

#[test]
fn every_right_file_is_read() {
    let files = files("good");
    assert!(files.len() >= 11, "{} files", files.len());
    for (name, path) in files {
        if let Err(flaw) = described(&name, &path) {
            panic!("{flaw}");
        }
    }
}

#[test]
fn every_wrong_file_is_told_by_its_line_what_was_seen_and_what_to_write() {
    let files = files("bad");
    assert!(files.len() >= 30, "{} files", files.len());
    let is_update = env::var_os("UPDATE_GOLDENFILES").is_some();
    let mut differing = Vec::new();
    for (name, path) in files {
        let Err(flaw) = described(&name, &path) else { panic!("{name} is taken") };
        let message = format!("{flaw}\n");
        let golden = path.with_extension("txt");
        if is_update {
            fs::write(&golden, &message).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if message != expected {
            differing.push(format!("--- {name}: expected\n{expected}--- seen\n{message}"));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn the_schema_knows_every_key_and_what_it_is_for() {
    let schema = schema();
    let keys = schema["properties"].as_object().unwrap();
    for key in
        ["ports", "command", "join", "files", "lists", "client", "status", "promises", "errors"]
    {
        let description = keys[key]["description"].as_str().unwrap_or_default();
        assert!(description.len() > 10, "`{key}` is described as “{description}”");
    }
    assert_eq!(schema["additionalProperties"], false);
}
