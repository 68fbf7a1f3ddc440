//! Writes files that are either whole or as they were before, whatever ends the writer.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// Writes a file: under another name beside it, synced, and renamed.
///
/// # Errors
/// Where that cannot be done; then nothing of it is left.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Two writers of one file (the index, of two runs that end together) must not share this one.
    let fresh = path.with_file_name(format!("{name}.{}.partial", std::process::id()));
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&fresh)))
}

/// Writes a file of one JSON value.
///
/// # Errors
/// Where it cannot be written; then nothing of it is left.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    text.push(b'\n');
    write_whole(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_stays_as_it_was_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.json");
        write_json(&path, &1).unwrap();
        write_whole(&path, b"2\n").unwrap();
        // A folder of the name cannot be replaced by a file.
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("inside")).unwrap();
        write_whole(&taken, b"3\n").unwrap_err();
        let mut left: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["one.json", "taken"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
    }
}
