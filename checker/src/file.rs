//! Opens what is to be read. Only files: a device has no end, and a pipe without a writer no beginning.

use std::fs::{File, FileType};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::error::CheckError;

/// Opens a file for reading.
///
/// # Errors
/// Where it is not there, may not be read, or is no file but a device, a pipe, a socket or a folder.
pub(crate) fn open(path: &Path) -> Result<File, CheckError> {
    let metadata = std::fs::metadata(path).map_err(CheckError::read(path))?;
    match what(metadata.file_type()) {
        None => File::open(path).map_err(CheckError::read(path)),
        Some(what) => Err(CheckError::NotAFile { path: path.to_owned(), what }),
    }
}

/// What something is that is no file.
fn what(file_type: FileType) -> Option<&'static str> {
    if file_type.is_file() {
        return None;
    }
    Some(match file_type {
        other if other.is_dir() => "folder",
        other if other.is_fifo() => "pipe",
        other if other.is_socket() => "socket",
        _ => "device",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_folders_are_refused() {
        for (path, what) in [("/dev/full", "device"), ("/dev/null", "device"), ("/", "folder")] {
            let error = open(Path::new(path)).unwrap_err().to_string();
            assert_eq!(error, format!("{path}: this is a {what}; copy what it holds to a file"));
        }
        assert!(matches!(open(Path::new("/no/such/file")), Err(CheckError::Read { .. })));
    }
}
