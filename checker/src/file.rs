//! Opens what is to be read. Only files: a device has no end, and a pipe without a writer no beginning.

use std::fs::{File, FileType};
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
    if file_type.is_dir() {
        return Some("folder");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_fifo() {
            return Some("pipe");
        }
        if file_type.is_socket() {
            return Some("socket");
        }
    }
    Some("device")
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
