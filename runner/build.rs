//! Tells the binary which commit it was built from, so that a report can say so.

use std::path::Path;
use std::process::Command;

fn main() {
    // Changes with every commit and checkout. Absent in a source archive: then nothing is known.
    let head = Path::new("../.git/logs/HEAD");
    if head.exists() {
        println!("cargo::rerun-if-changed={}", head.display());
    } else {
        println!("cargo::rerun-if-changed=build.rs");
    }
    println!("cargo::rustc-env=WHITEWATER_COMMIT={}", commit().unwrap_or_default());
}

/// The abbreviated commit, with `-dirty` where the sources differ from it.
fn commit() -> Option<String> {
    let arguments = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
