//! `[tls.acme]`: the server that certificates are obtained from, and whether that can work at all.
//!
//! Nothing is asked of it here.

use std::path::PathBuf;

use super::draft::Draft;
use super::keys::key as key_of;
use super::listen::Listen;
use super::server::Server;
use super::source::{Folders, read};
use crate::limits::PEM_BYTES_MAX;

/// An ACME server and how to deal with it.
#[derive(Clone)]
pub struct Acme {
    /// The URL of its directory.
    pub directory: String,
    /// Whom it may write to, as a URL.
    pub contact: Option<String>,
    /// The certificate of the CA that vouches for the server itself, where it is not one that this machine
    /// trusts.
    pub root: Option<PathBuf>,
    /// Whether `listen.http` is there to prove our names (HTTP-01); else `listen.web` does (TLS-ALPN-01).
    pub http: bool,
}

impl Acme {
    /// Reads the section; `state` says whether there is a state directory.
    pub(super) fn read(
        draft: &mut Draft,
        folders: &Folders,
        listen: &Listen,
        server: &Server,
        state: bool,
    ) -> Self {
        let mode = draft.place("tls.mode");
        if server.names.is_empty() {
            let right = "name the hosts that the certificate is to be for";
            draft.refuse("server.names", mode, "is empty, but tls.mode is \"acme\"", right);
        }
        if server.names.iter().any(|name| name.parse::<std::net::IpAddr>().is_ok()) {
            let (wrong, right) = ("holds an address, and tls.mode is \"acme\"", "keep to host names");
            draft.refuse("server.names", draft.place("server.names"), wrong, right);
        }
        if listen.web.is_empty() {
            let right = "name an address and a port that are reached as port 443";
            draft.refuse("listen.web", mode, "is empty, but tls.mode is \"acme\"", right);
        }
        if !state {
            let right = "name a folder: who asks for a certificate at each start is soon refused";
            draft.refuse("tls.state", mode, "is empty, but tls.mode is \"acme\"", right);
        }
        let directory = draft.text("tls.acme.directory");
        if !directory.starts_with("https://") {
            let right = "write the URL that the CA gives for its ACME directory";
            draft.refuse("tls.acme.directory", draft.place("tls.acme.directory"), "is no https URL", right);
        }
        let contact = Some(draft.text("tls.acme.contact")).filter(|contact| !contact.is_empty());
        let root = Some(draft.text("tls.acme.root")).filter(|root| !root.is_empty());
        let root = root.map(|root| folders.resolve(&root));
        if let Some(Err(refusal)) =
            root.as_ref().map(|root| read(root, PEM_BYTES_MAX).map_err(|r| r.of(root)))
        {
            draft.refuse("tls.acme.root", draft.place("tls.acme.root"), &refusal.wrong, &refusal.right);
        }
        let contact = contact.map(|contact| match contact.split_once(':') {
            Some(_) => contact,
            None => format!("mailto:{contact}"),
        });
        Self { directory, contact, root, http: !listen.http.is_empty() }
    }

    /// Refuses what is written in the section when another mode is chosen.
    pub(super) fn refuse_unused(draft: &mut Draft) {
        for key in ["tls.acme.directory", "tls.acme.contact", "tls.acme.root"] {
            let default = key_of(key).map_or("", |key| key.default).trim_matches('"');
            if draft.text(key) != default {
                let wrong = format!("is set, but tls.mode is \"{}\"", draft.text("tls.mode"));
                draft.refuse(key, draft.place(key), &wrong, "set tls.mode = \"acme\", or remove it");
            }
        }
    }
}
