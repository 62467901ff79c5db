//! The configuration: one file, the environment and defaults, read once and checked whole.
//!
//! Keys are listed in `keys.rs`; each section has its reader. Nothing is started here.

mod acme;
mod discovery;
mod draft;
mod inherited;
mod jwt;
mod keys;
mod listen;
mod matching;
mod nat64;
mod passwords;
mod problem;
mod range;
#[cfg(test)]
mod reference;
mod relay;
mod render;
mod server;
mod source;
#[cfg(test)]
mod tests;
mod tls;
mod turn_urls;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;

use crate::limits::CONFIG_BYTES_MAX;
use crate::memory::{Machine, Memory, mb};
use crate::sockets::Sockets;
use draft::Draft;
use source::Folders;

pub use acme::Acme;
pub use discovery::Discovery;
pub(crate) use draft::variable;
pub use jwt::{Jwt, JwtKeys};
pub(crate) use jwt::{load_keys, load_roots};
pub use listen::Listen;
pub use matching::{Admission, AdmissionToken, Matching, Privacy, Searches};
pub(crate) use passwords::load_shared_secrets;
pub use problem::{Problem, Problems};
pub use range::Range;
pub use relay::{Limits, Peers, Relay, User};
pub use render::default_file;
pub use server::{External, Server};
pub use source::Secret;
pub(crate) use source::{Identity, Refusal, identity, read_private};
pub(crate) use tls::load_certificate;
pub use tls::{CertificateFiles, Source, Tls};

/// A configuration that was checked whole: what it says is possible, and the files it names are read.
pub struct Settings {
    /// `[listen]`
    pub listen: Listen,
    /// `[server]`
    pub server: Server,
    /// `[tls]`
    pub tls: Tls,
    /// `[relay]`
    pub relay: Relay,
    /// `[match]`
    pub matching: Matching,
    /// `[privacy]`
    pub privacy: Privacy,
    /// `[log]`
    pub log: Log,
    /// What relay and signaling may need of the machine's memory; it has as much.
    pub memory: Memory,
    /// What the operator should know, though nothing is wrong; one sentence each.
    pub notices: Vec<String>,
    draft: Draft,
}

/// `[log]`: what is logged and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The most talkative level that is written.
    pub level: LevelFilter,
    /// How a line looks.
    pub format: Format,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a reading depends on besides the file.
pub struct Environment {
    variables: BTreeMap<String, String>,
    ipv6: bool,
    machine: Machine,
    /// Of the service manager: names and addresses.
    sockets: Vec<(String, SocketAddr)>,
}

impl Settings {
    /// Reads the file, if one is named, and the environment.
    ///
    /// # Errors
    ///
    /// Every mistake that could be found in one reading.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, Problems> {
        let text = file.map(read_file).transpose()?;
        let mut draft = Draft::new(text, &environment.variables);
        let folders = Folders::new(file, &environment.variables);
        let mut notices = Vec::new();
        inherited::read(&mut draft, &environment.sockets, &mut notices);
        let listen = Listen::read(&mut draft, environment.ipv6, &mut notices);
        let server = Server::read(&mut draft);
        let tls = Tls::read(&mut draft, &folders, &listen, &server);
        let mut relay = Relay::read(&mut draft, &listen, &folders, &mut notices);
        relay.discovery = discovery::read(&mut draft, &listen, &server, &relay.ports);
        let (matching, privacy) = (Matching::read(&mut draft, &folders), Privacy::read(&draft));
        let log = Log::read(&draft);
        // Those for TCP and for UDP have the same addresses.
        let inherited = environment.sockets.iter().collect::<BTreeSet<_>>().len();
        let memory = Memory::of(&relay, &listen, server.workers, inherited, &environment.machine);
        refuse_if_short(&mut draft, &memory);
        if !draft.problems.is_empty() {
            let mut problems = std::mem::take(&mut draft.problems);
            problems.sort_by_key(|problem| problem.line);
            return Err(Problems(problems));
        }
        Ok(Self { listen, server, tls, relay, matching, privacy, log, memory, notices, draft })
    }
}

impl Environment {
    /// The variables of this process and the abilities of this machine.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let variables = std::env::vars_os().filter_map(text).collect();
        let (ipv6, machine) = (listen::machine_has_ipv6(), Machine::here());
        Self { variables, ipv6, machine, sockets: Vec::new() }
    }

    /// The same with sockets that are open already.
    #[must_use]
    pub fn with(mut self, sockets: &Sockets) -> Self {
        self.sockets = sockets.named().to_vec();
        self
    }
}

impl Log {
    fn read(draft: &Draft) -> Self {
        let level = draft.text("log.level").parse().expect("the key is a choice of level names");
        let format = match draft.text("log.format").as_str() {
            "text" => Format::Text,
            "json" => Format::Json,
            _ => Format::Auto,
        };
        Self { level, format }
    }
}

/// A relay that may be killed for want of memory takes everybody's calls with it.
fn refuse_if_short(draft: &mut Draft, memory: &Memory) {
    let key = "relay.limits.allocations";
    if !memory.is_short() {
        return;
    }
    let allowed = memory.allowed.map(mb).unwrap_or_default();
    let wrong = format!("could need {} MB of memory, and there are {allowed}", mb(memory.total()));
    let right = match memory.allocations_that_fit() {
        Some(fit) => format!("write {fit} or less, or give it more memory"),
        None => {
            "give it more memory, or lower server.workers: so much is needed with no allocation".to_owned()
        }
    };
    draft.refuse(key, draft.place(key), &wrong, &right);
}

fn read_file(path: &Path) -> Result<(PathBuf, String), Problems> {
    let refuse = |source::Refusal { wrong, right }| {
        let file = Some(path.to_owned());
        Problems(vec![Problem { file, line: None, variable: None, key: None, wrong, right }])
    };
    let bytes = source::read(path, CONFIG_BYTES_MAX).map_err(refuse)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| refuse(source::Refusal::new("is not UTF-8 text", "save it as UTF-8")))?;
    Ok((path.to_owned(), text))
}
