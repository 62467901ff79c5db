//! The certificate and key of two files, taken over when both have changed and belong together.
//!
//! The files are looked at every few seconds, not watched through the kernel: what stands behind the names
//! is replaced in many ways (a link that is turned round two folders above, a bind mount, a network file
//! system), of which `stat` sees all and inotify some, and two calls of `stat` cost nothing.

use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::made;
use crate::limits::FILES_SETTLE_LOOKS;
use crate::settings::{CertificateFiles, Identity, identity, load_certificate};

/// The two files and what was last seen of them.
pub(crate) struct Files {
    of: CertificateFiles,
    seen: Option<[Identity; 2]>,
    /// Looks in a row at which they were no certificate to use.
    wrong_looks: u32,
}

/// What a look found.
pub(crate) enum Found {
    /// What is in use already, or nothing that could be told yet.
    Nothing,
    /// A certificate to use from now on.
    New(Arc<CertifiedKey>),
    /// Files that cannot be used: what is wrong with them and the remedy.
    Wrong(String),
}

impl Files {
    /// Nothing seen yet.
    pub(crate) fn new(of: CertificateFiles) -> Self {
        Self { of, seen: None, wrong_looks: 0 }
    }

    /// Looks. The two files are written one after the other, so what is wrong is told only when it stays, and
    /// once; or at once when somebody `asked`.
    pub(crate) fn look(&mut self, current: &CertifiedKey, now_unix_s: u64, asked: bool) -> Found {
        let seen = Some([identity(&self.of.certificate), identity(&self.of.key)]);
        if seen == self.seen && self.wrong_looks == 0 && !asked {
            return Found::Nothing;
        }
        if seen != self.seen {
            (self.seen, self.wrong_looks) = (seen, 0);
        }
        match self.load(now_unix_s) {
            Ok(certified) => {
                self.wrong_looks = 0;
                let is_new = certified.cert != current.cert;
                if is_new { Found::New(Arc::new(certified)) } else { Found::Nothing }
            }
            Err(wrong) => {
                self.wrong_looks = self.wrong_looks.saturating_add(1);
                let is_told = asked || self.wrong_looks == FILES_SETTLE_LOOKS;
                if is_told { Found::Wrong(wrong) } else { Found::Nothing }
            }
        }
    }

    fn load(&self, now_unix_s: u64) -> Result<CertifiedKey, String> {
        let certified = load_certificate(&self.of.certificate, &self.of.key)
            .map_err(|(key, refusal)| format!("{key}: {}; {}", refusal.wrong, refusal.right))?;
        let (path, right) = (self.of.certificate.display(), "renew it");
        match made::validity(&certified) {
            Some(validity) if validity.covers(now_unix_s) => Ok(certified),
            Some(validity) if validity.until_unix_s < now_unix_s => {
                Err(format!("tls.certificate: {path} holds a certificate that has expired; {right}"))
            }
            _ => Err(format!(
                "tls.certificate: {path} holds a certificate that is not valid yet; check the clock here"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, remove_file, rename, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::super::made::Validity;
    use super::*;

    #[test]
    fn files_that_change_at_different_moments_are_taken_when_they_match() {
        let (folder, mut files, first) = scene();
        assert!(matches!(files.look(&first, NOW, false), Found::Nothing));
        let pem = pem(NOW);
        write_certificate(&folder, &pem);
        assert!(matches!(files.look(&first, NOW, false), Found::Nothing), "it may be half of a change");
        write_key(&folder, &pem);
        let Found::New(second) = files.look(&first, NOW, false) else { panic!("they match") };
        assert!(second.cert != first.cert);
        assert!(matches!(files.look(&second, NOW, false), Found::Nothing));
    }

    #[test]
    fn a_link_that_is_turned_round_above_is_seen() {
        let (folder, mut files, first) = scene();
        for (name, made) in [("one", NOW), ("two", NOW - 1)] {
            let inner = folder.path().join(name);
            create_dir(&inner).unwrap();
            let pem = pem(made);
            write(inner.join("cert.pem"), &*pem).unwrap();
            write(inner.join("key.pem"), &*pem).unwrap();
            set_permissions(inner.join("key.pem"), Permissions::from_mode(0o600)).unwrap();
        }
        for name in ["cert.pem", "key.pem"] {
            remove_file(folder.path().join(name)).unwrap();
            symlink(format!("current/{name}"), folder.path().join(name)).unwrap();
        }
        symlink("one", folder.path().join("current")).unwrap();
        let Found::New(one) = files.look(&first, NOW, false) else { panic!("they are others") };
        symlink("two", folder.path().join("next")).unwrap();
        rename(folder.path().join("next"), folder.path().join("current")).unwrap();
        assert!(matches!(files.look(&one, NOW, false), Found::New(_)));
    }

    #[test]
    fn what_stays_wrong_is_told_once_or_when_asked() {
        let (folder, mut files, first) = scene();
        let (one, other) = (pem(NOW), pem(NOW));
        let (old, young) = (pem(NOW - 10 * DAY_S), pem(NOW + 2 * DAY_S));
        for (certificate, key, told) in [
            (one.as_str(), other.as_str(), "is not the key of the certificate in "),
            ("nothing", &one, "holds no certificate"),
            (&old, &old, "has expired; renew it"),
            (&young, &young, "is not valid yet"),
            (&one, "nothing", "holds no private key"),
        ] {
            write_certificate(&folder, certificate);
            write_key(&folder, key);
            let looks: Vec<_> = (0..FILES_SETTLE_LOOKS + 3)
                .filter_map(|_| match files.look(&first, NOW, false) {
                    Found::Wrong(wrong) => Some(wrong),
                    Found::Nothing => None,
                    Found::New(_) => panic!("nothing of this is to be used"),
                })
                .collect();
            assert_eq!(looks.len(), 1, "{told}");
            assert!(looks[0].contains(told), "{looks:?}");
            assert!(matches!(files.look(&first, NOW, true), Found::Wrong(_)));
        }
    }

    fn scene() -> (TempDir, Files, CertifiedKey) {
        let folder = tempfile::tempdir().unwrap();
        let pem = pem(NOW);
        write_certificate(&folder, &pem);
        write_key(&folder, &pem);
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let certified = || load_certificate(&certificate, &key).ok().unwrap();
        let (of_files, first) = (Arc::new(certified()), certified());
        let files = Files::new(CertificateFiles { certificate, key, certified: of_files });
        (folder, files, first)
    }

    /// Certificate and key in one text; either reader takes its part.
    fn pem(from_unix_s: u64) -> made::Pem {
        let validity = Validity { from_unix_s, until_unix_s: from_unix_s + DAY_S };
        made::make(&["localhost".to_owned()].into(), validity).unwrap()
    }

    fn write_certificate(folder: &TempDir, pem: &str) {
        write(folder.path().join("cert.pem"), pem).unwrap();
    }

    fn write_key(folder: &TempDir, pem: &str) {
        write(folder.path().join("key.pem"), pem).unwrap();
        set_permissions(folder.path().join("key.pem"), Permissions::from_mode(0o600)).unwrap();
    }

    const NOW: u64 = 1_800_000_000;
    const DAY_S: u64 = 86_400;
}
