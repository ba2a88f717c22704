//! TLS to browsers, with a certificate that is read again when it was renewed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::followed_files::{FollowedFiles, Reads};
use crate::error::CommandError;
use crate::pull::check_only_ours;
use crate::system::{Disk, Files as _, shell};

/// What others than owner and group may not do with a key.
const OTHERS_READ: u32 = 0o007;

/// A certificate with its key, followed as they are renewed.
pub(super) type Tls = FollowedFiles<2, TlsAcceptor>;

/// Reads both, or says why they cannot be used.
pub(super) fn read(certificate: PathBuf, key: PathBuf) -> Result<Tls, CommandError> {
    let reads = Reads {
        read: |[certificate, key]| acceptor(certificate, key),
        // What a certificate has become cannot be seen from outside.
        is_same: |_, _| false,
        trouble: "the certificate is the one of before, the files have changed",
    };
    FollowedFiles::read([certificate, key], reads)
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, CommandError> {
    let read = |path: &Path| {
        let unreadable = || CommandError::refused(format!("cannot read {}", path.display()));
        let entry = Disk.read(path).map_err(|error| unreadable().caused_by(&error))?;
        let bytes = entry.bytes().ok_or_else(|| unreadable().because("there is no such file"))?;
        Ok::<_, CommandError>(bytes.to_vec())
    };
    let no_pem = |path: &Path, what: &str| {
        CommandError::refused(format!("{} has no {what} in PEM", path.display()))
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(certificate)?).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| no_pem(certificate, "certificate"))?;
    check_only_ours(key)?;
    if key.metadata().is_ok_and(|now| now.mode() & OTHERS_READ != 0) {
        return Err(CommandError::refused(format!("{} is not safe to use", key.display()))
            .because("others may read the key")
            .hint(format!("chmod o-rwx {}", shell::path(key))));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| no_pem(key, "key"))?;
    let cannot = |source: rustls::Error| {
        let both = format!("{} and {}", certificate.display(), key.display());
        CommandError::refused(format!("cannot use {both}")).caused_by(&source)
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().map_err(cannot)?;
    let mut config =
        config.with_no_client_auth().with_single_cert(chain, private).map_err(cannot)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
