//! TLS to browsers, with a certificate that is read again when it was renewed.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::followed_file::Stamp;
use crate::error::CommandError;
use crate::pull::check_only_ours;
use crate::system::{Disk, Files as _, shell};

/// What others than owner and group may not do with a key.
const OTHERS_READ: u32 = 0o007;

/// A certificate with its key, as they are on the disk.
pub(super) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    known: Mutex<Known>,
}

struct Known {
    acceptor: TlsAcceptor,
    stamps: [Option<Stamp>; 2],
    /// Why what is there is not what is shown. Told once.
    trouble: Option<CommandError>,
}

impl Tls {
    /// Reads both, or says why they cannot be used.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, CommandError> {
        let stamps = [Stamp::of(certificate), Stamp::of(key)];
        let acceptor = acceptor(certificate, key)?;
        let known = Mutex::new(Known { acceptor, stamps, trouble: None });
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), known })
    }

    /// Speaks with the certificate that is there now. While that has an error the former one is shown.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = [Stamp::of(&self.certificate), Stamp::of(&self.key)];
        if stamps != known.stamps {
            known.stamps = stamps;
            match acceptor(&self.certificate, &self.key) {
                Ok(acceptor) => known.acceptor = acceptor,
                Err(error) => {
                    let message = "the certificate is the one of before, the files have changed";
                    known.trouble = Some(CommandError::refused(message).caused_by(&error));
                }
            }
        }
        known.acceptor.clone()
    }

    /// Why the files as they are do not hold, once.
    pub(super) fn trouble(&self) -> Option<CommandError> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).trouble.take()
    }
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
