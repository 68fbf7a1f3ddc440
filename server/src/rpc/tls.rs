//! TLS between nodes, and between clients and nodes: both sides show a certificate of the same CA.
//!
//! One certificate a node serves for both directions, so it needs the host names or addresses that
//! others dial. Without TLS nothing is encrypted and anyone may connect; a mixture does not exist.

use std::path::Path;

use tonic::transport::{
    Certificate, ClientTlsConfig, Endpoint, Error as TransportError, Identity, ServerTlsConfig,
};

use crate::ServeError;
use crate::tls_files::TlsFiles;

/// The certificates.
#[derive(Clone, Debug)]
pub struct Tls {
    identity: Identity,
    ca: Certificate,
}

impl Tls {
    /// Reads them.
    ///
    /// # Errors
    /// Where a file cannot be read, or is not what it should be.
    pub fn load(files: &TlsFiles) -> Result<Tls, ServeError> {
        let identity =
            Identity::from_pem(read(&files.cert, "CERTIFICATE")?, read(&files.key, "PRIVATE KEY")?);
        let ca = Certificate::from_pem(read(&files.ca, "CERTIFICATE")?);
        Ok(Tls { identity, ca })
    }

    pub(super) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new().identity(self.identity.clone()).client_ca_root(self.ca.clone())
    }

    /// An endpoint at `host:port`.
    ///
    /// # Errors
    /// Where that is no address, or a certificate is of no use.
    pub fn endpoint(&self, address: &str) -> Result<Endpoint, TransportError> {
        let own = ClientTlsConfig::new().identity(self.identity.clone());
        let tls = own.ca_certificate(self.ca.clone());
        Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)
    }
}

/// An endpoint at `host:port`, with TLS where there is one.
pub(super) fn endpoint(address: &str, tls: Option<&Tls>) -> Result<Endpoint, TransportError> {
    match tls {
        None => Endpoint::from_shared(format!("http://{address}")),
        Some(tls) => tls.endpoint(address),
    }
}

/// The file, if it holds what it should; rustls would only say that something is missing.
fn read(path: &Path, expected: &str) -> Result<String, ServeError> {
    let wrong = |why: String| ServeError::Config(format!("read {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let has_block =
        text.lines().any(|line| line.starts_with("-----BEGIN") && line.contains(expected));
    if has_block { Ok(text) } else { Err(wrong(format!("it holds no {expected} in PEM form"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_wrong_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let files = TlsFiles { cert: path.clone(), key: path.clone(), ca: path.clone() };
        let error = Tls::load(&files).unwrap_err().to_string();
        assert!(error.contains("ca.pem") && error.contains("No such file"), "{error}");
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
        let error = Tls::load(&files).unwrap_err().to_string();
        assert!(error.contains("no PRIVATE KEY"), "{error}");
    }
}
