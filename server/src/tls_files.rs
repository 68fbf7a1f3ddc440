//! Where the certificates of a node lie: part of its settings, read when it serves.

use std::path::PathBuf;

/// Where the certificates lie, all in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The own certificate, with the chain behind it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The certificate of the CA that signed everyone's.
    pub ca: PathBuf,
}
