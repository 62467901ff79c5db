//! The table of all configuration keys: the one place where a key, its default and its meaning are written.
//!
//! The default file and the reference are printed from it, and what is not in it is refused. What a value
//! means beyond its type is decided by the readers beside this file.

/// One key of the configuration.
pub(crate) struct Key {
    /// Section and name, as in `listen.turn`.
    pub(crate) path: &'static str,
    /// What may stand there.
    pub(crate) kind: Kind,
    /// The default, in TOML.
    pub(crate) default: &'static str,
    /// What it is for, in one line.
    pub(crate) meaning: &'static str,
}

/// The type of a value.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A whole number within bounds.
    Number { min: i64, max: i64 },
    /// A list of texts.
    Texts,
    /// A list of static users.
    Users,
}

impl Key {
    /// The section, or nothing for a key that stands above all sections.
    pub(crate) fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The name within its section.
    pub(crate) fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }

    /// The environment variable that overrides it.
    pub(crate) fn variable(&self) -> String {
        format!("GINNEL_{}", self.path.replace('.', "_").to_uppercase())
    }
}

impl Kind {
    /// What may stand there, for people.
    pub(crate) fn description(self) -> String {
        match self {
            Self::Text => "a text in quotes".to_owned(),
            Self::Choice(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::Switch => "true or false".to_owned(),
            Self::Number { min, max } if min == max => format!("{min}"),
            Self::Number { min, max } => format!("a whole number from {min} to {max}"),
            Self::Texts => "a list of texts in quotes".to_owned(),
            Self::Users => "a list of { name, password_file, peers, tcp }".to_owned(),
        }
    }
}

/// The key of that path.
pub(crate) fn key(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Who a relayed packet may go to, as configured for session credentials.
pub(crate) const PEERS: &[&str] = &["partner", "appliance", "public"];

/// The same for static users, who have no session and so no partner.
pub(crate) const USER_PEERS: &[&str] = &["appliance", "public"];

/// Which addresses one side of a session may be shown of the other.
pub(crate) const EXPOSURES: &[&str] = &["relay", "consent", "direct"];

/// The names within one entry of `relay.user`, with what each is for.
pub(crate) const USER_FIELDS: &[(&str, &str)] = &[
    ("name", "user name, without a colon"),
    ("password_file", "file that holds the password: 8 bytes or more, not readable by everyone"),
    ("peers", "\"appliance\" (the default) or \"public\""),
    ("tcp", "true for one that is \"public\" and may relay TCP though tcp_allocations is off"),
];

/// All keys, in the order of the default file; the keys of a section stand together.
pub(crate) const KEYS: &[Key] = &[
    Key {
        path: "version",
        kind: Kind::Number { min: 1, max: 1 },
        default: "1",
        meaning: "Version of this file's format.",
    },
    Key {
        path: "listen.turn",
        kind: Kind::Texts,
        default: r#"["0.0.0.0:3478", "[::]:3478"]"#,
        meaning: "Addresses for STUN and TURN over UDP and TCP.",
    },
    Key {
        path: "listen.turns",
        kind: Kind::Texts,
        default: r#"["0.0.0.0:5349", "[::]:5349"]"#,
        meaning: "Addresses for TURN over TLS, and over UDP for TURN over DTLS.",
    },
    Key {
        path: "listen.web",
        kind: Kind::Texts,
        default: r#"["0.0.0.0:8443", "[::]:8443"]"#,
        meaning: "Addresses for the page and the signaling over HTTPS, and for TURN over TLS; over UDP for \
                  QUIC, STUN, TURN and TURN over DTLS.",
    },
    Key {
        path: "listen.local",
        kind: Kind::Texts,
        default: r#"["127.0.0.1:8080"]"#,
        meaning: "Loopback addresses for the same over plain HTTP, which browsers on this machine trust.",
    },
    Key {
        path: "listen.admin",
        kind: Kind::Text,
        default: r#""127.0.0.1:9641""#,
        meaning: "Address for /metrics, /privacy, /healthz and /readyz; keep it on loopback or behind a \
                  firewall.",
    },
    Key {
        path: "listen.http",
        kind: Kind::Texts,
        default: "[]",
        meaning: "Addresses, usually port 80, that send people to listen.web.",
    },
    Key {
        path: "listen.trusted_proxies",
        kind: Kind::Texts,
        default: "[]",
        meaning: "Proxies, like \"10.0.0.5\" or \"10.0.0.0/24\". On `turn`, `turns`, `web` and `http` \
                  they must begin each connection on TCP with a header of the PROXY protocol (1 or 2), \
                  which is believed; on `local` they are believed what `address_header` says.",
    },
    Key {
        path: "listen.address_header",
        kind: Kind::Choice(&["x-forwarded-for", "forwarded"]),
        default: r#""x-forwarded-for""#,
        meaning: "The HTTP header by which `trusted_proxies` tell `local` a client's address; they must set \
                  or extend it in every request.",
    },
    Key {
        path: "server.names",
        kind: Kind::Texts,
        default: "[]",
        meaning: "Host names that are this server; empty: any name a client used. The first stands in the \
                  TURN URLs that clients are given, the others are as good for the page and the signaling.",
    },
    Key {
        path: "server.external",
        kind: Kind::Texts,
        default: "[]",
        meaning: "Public address behind a 1:1 NAT, \"PUBLIC\" or \"PUBLIC/LOCAL\"; several of a family only \
                  in the second form.",
    },
    Key {
        path: "server.origins",
        kind: Kind::Texts,
        default: "[]",
        meaning: "Web origins that may use the signaling, like https://chat.example.org, our own \
                  included; empty: our own only.",
    },
    Key {
        path: "server.workers",
        kind: Kind::Number { min: 0, max: 256 },
        default: "0",
        meaning: "Relay threads; 0: one per core.",
    },
    Key {
        path: "server.drain_s",
        kind: Kind::Number { min: 0, max: 86_400 },
        default: "0",
        meaning: "How long SIGTERM waits for the last allocation to end, in seconds; meanwhile /readyz says \
                  no, the page takes no new visitors, and a second signal ends the wait.",
    },
    Key {
        path: "tls.mode",
        kind: Kind::Choice(&["self-signed", "files", "acme"]),
        default: r#""self-signed""#,
        meaning: "Where the certificate of TLS, DTLS and QUIC on `listen.web` and `listen.turns` comes from: \
                  made by us, from files, or from an ACME server.",
    },
    Key {
        path: "tls.certificate",
        kind: Kind::Text,
        default: r#""""#,
        meaning: r#"Certificate chain in PEM, our own first; for mode = "files"."#,
    },
    Key {
        path: "tls.key",
        kind: Kind::Text,
        default: r#""""#,
        meaning: r#"Private key in PEM, not readable by everyone; for mode = "files"."#,
    },
    Key {
        path: "tls.state",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "Folder in which certificates that were made or obtained outlive a restart, ours alone; \
                  empty: `$STATE_DIRECTORY` if there is one, else they live in memory.",
    },
    Key {
        path: "tls.acme.directory",
        kind: Kind::Text,
        default: r#""https://acme-v02.api.letsencrypt.org/directory""#,
        meaning: "URL of the ACME server's directory; with mode = \"acme\" you agree to its terms. It must \
                  reach us by every one of `server.names`: by `listen.http` on port 80 if that is set, else \
                  by `listen.web` on port 443.",
    },
    Key {
        path: "tls.acme.contact",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "Mail address that the ACME server may write to; may be empty.",
    },
    Key {
        path: "tls.acme.root",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "PEM file with the CA certificate of a private ACME server; empty: those that this machine \
                  trusts.",
    },
    Key {
        path: "relay.realm",
        kind: Kind::Text,
        default: r#""ginnel""#,
        meaning: "TURN realm; changing it changes every static user's key.",
    },
    Key {
        path: "relay.urls",
        kind: Kind::Texts,
        default: "[]",
        meaning: "TURN URLs that clients are given, like \"turns:chat.example.org:443?transport=tcp\", the \
                  first to be tried first; for a server behind a proxy or a port map. Empty: by the first of \
                  `server.names` and the ports in `listen`.",
    },
    Key {
        path: "relay.ports",
        kind: Kind::Text,
        default: r#""49152-65535""#,
        meaning: r#"Ports of relay sockets, UDP and TCP, which exist for "public" credentials only."#,
    },
    Key {
        path: "relay.peers",
        kind: Kind::Choice(PEERS),
        default: r#""partner""#,
        meaning: "Whom people who were paired here may reach through the relay: their partner, any \
                  allocation of this appliance, or the Internet.",
    },
    Key {
        path: "relay.allow",
        kind: Kind::Texts,
        default: "[]",
        meaning: "Ranges opened to \"public\" credentials, like \"10.1.0.0/16\" or \
                  \"10.1.0.5-10.1.0.9\"; SIGHUP reads it anew.",
    },
    Key {
        path: "relay.deny",
        kind: Kind::Texts,
        default: "[]",
        meaning: "Ranges closed to \"public\" credentials, besides private and special ones; beats allow. \
                  SIGHUP reads it anew.",
    },
    Key {
        path: "relay.nat64",
        kind: Kind::Texts,
        default: "[]",
        meaning: "NAT64 prefixes of the networks around, like \"2001:db8:64::/96\": an address behind one is \
                  closed wherever its IPv4 address is; 64:ff9b::/96 always is. SIGHUP reads it anew.",
    },
    Key {
        path: "relay.old_channels",
        kind: Kind::Switch,
        default: "false",
        meaning: "Admits channel numbers 0x5000-0x7FFF, for clients older than RFC 8656.",
    },
    Key {
        path: "relay.icmp",
        kind: Kind::Switch,
        default: "false",
        meaning: "Tells \"public\" credentials what ICMP says of their packets: closed ports, path MTU; \
                  whoever has one can then find out which ports are closed.",
    },
    Key {
        path: "relay.tcp_allocations",
        kind: Kind::Switch,
        default: "false",
        meaning: "Lets every \"public\" credential relay TCP too (RFC 6062), for clients that came by TCP or \
                  TLS: up to 32 connections an allocation, to and from the same addresses and ports as \
                  datagrams; a single static user may with tcp = true.",
    },
    Key {
        path: "relay.nat_discovery",
        kind: Kind::Switch,
        default: "false",
        meaning: "Answers clients that ask how their NAT behaves (RFC 5780); listen.turn must then name two \
                  addresses of this machine with one port, like 192.0.2.1:3478 and 192.0.2.2:3478.",
    },
    Key {
        path: "relay.nat_discovery_port",
        kind: Kind::Number { min: 1, max: 65_535 },
        default: "3479",
        meaning: "The second UDP port of both these addresses, opened where nat_discovery is on.",
    },
    Key {
        path: "relay.mobility",
        kind: Kind::Switch,
        default: "true",
        meaning: "Lets clients that ask for it (RFC 8016; browsers do not) keep their relayed address when \
                  their own address changes.",
    },
    Key {
        path: "relay.alternates",
        kind: Kind::Texts,
        default: "[]",
        meaning: "Another TURN server with the same users or secrets, at most one a family; while this one \
                  stops, newcomers with such credentials are sent there (300 Try Alternate).",
    },
    Key {
        path: "relay.secret_file",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "File of secrets shared with other software (Matrix, Nextcloud, Jitsi), one a line, the one \
                  in use first, 16 bytes or more each, not readable by everyone; credentials made from \
                  them are \"public\".",
    },
    Key {
        path: "relay.user",
        kind: Kind::Users,
        default: "[]",
        meaning: "Static users, for other software.",
    },
    Key {
        path: "relay.password_algorithms",
        kind: Kind::Texts,
        default: r#"["md5"]"#,
        meaning: "How clients may prove a password: \"md5\", which is all that browsers know, and \
                  \"sha256\" for clients that can; with it a challenge has 80 bytes instead of 60.",
    },
    Key {
        path: "relay.username_anonymity",
        kind: Kind::Switch,
        default: "false",
        meaning: "Asks clients to send a hash in place of their user name (RFC 8489, USERHASH). Those who \
                  know it then do: only where they are static users. Browsers do not know it.",
    },
    Key {
        path: "relay.limits.allocations_per_side",
        kind: Kind::Number { min: 0, max: 1_024 },
        default: "16",
        meaning: "Allocations of one side of a session; 0: no limit.",
    },
    Key {
        path: "relay.limits.allocations_per_prefix",
        kind: Kind::Number { min: 0, max: 1_000_000 },
        default: "256",
        meaning: "Allocations of one /24 or /48, which may make 4 times as many a minute; 0: no limit.",
    },
    Key {
        path: "relay.limits.allocations",
        kind: Kind::Number { min: 0, max: 1_000_000 },
        default: "10000",
        meaning: "Allocations in all; 0: no limit.",
    },
    Key {
        path: "relay.limits.session_bps",
        kind: Kind::Number { min: 0, max: 4_000_000_000 },
        default: "0",
        meaning: "Bits a second of a session's side or a static user's allocation, each way; 0: no limit.",
    },
    Key {
        path: "relay.limits.total_bps",
        kind: Kind::Number { min: 0, max: 4_000_000_000 },
        default: "0",
        meaning: "Bits a second in all; who takes more than a fair share loses first; 0: no limit.",
    },
    Key {
        path: "relay.limits.answers_per_address_s",
        kind: Kind::Number { min: 0, max: 1_000_000 },
        default: "10",
        meaning: "Answers a second to one address (IPv6: /64) that has proved nothing; 0: no limit.",
    },
    Key {
        path: "relay.limits.answers_per_prefix_s",
        kind: Kind::Number { min: 0, max: 1_000_000 },
        default: "100",
        meaning: "The same for one /24 (IPv6: /48).",
    },
    Key {
        path: "relay.limits.answers_total_s",
        kind: Kind::Number { min: 0, max: 1_000_000 },
        default: "10000",
        meaning: "The same in all; over one of the three only who asks again is answered.",
    },
    Key {
        path: "relay.limits.lifetime_max_s",
        kind: Kind::Number { min: 600, max: 86_400 },
        default: "3600",
        meaning: "Longest time an allocation lives without a refresh, in seconds.",
    },
    Key {
        path: "match.admission",
        kind: Kind::Choice(&["open", "token", "jwt"]),
        default: r#""open""#,
        meaning: "Who may come in: everybody, those with a token of token_file, or those with one that an \
                  identity provider signed (jwt); under load all have to work for it.",
    },
    Key {
        path: "match.token_file",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "File of tokens, one a line, 16 bytes or more each, \"once \" in front of one that is good \
                  once, not readable by everyone; for admission = \"token\".",
    },
    Key {
        path: "match.ban_s",
        kind: Kind::Number { min: 60, max: 86_400 },
        default: "3600",
        meaning: "How long a place stays banned that was reported from three networks, in seconds.",
    },
    Key {
        path: "match.exposure",
        kind: Kind::Choice(EXPOSURES),
        default: r#""consent""#,
        meaning: "What strangers may learn of each other's address: nothing (relay), nothing until both \
                  agree (consent), or all (direct).",
    },
    Key {
        path: "match.rooms",
        kind: Kind::Switch,
        default: "true",
        meaning: "Whether people may open rooms and share their links.",
    },
    Key {
        path: "match.room_exposure",
        kind: Kind::Choice(EXPOSURES),
        default: r#""consent""#,
        meaning: "The same among those who meet in a room; a link may have got about.",
    },
    Key {
        path: "match.room_size",
        kind: Kind::Number { min: 2, max: 8 },
        default: "2",
        meaning: "People in a room at most; each sends to every other, so more than four need good links.",
    },
    Key {
        path: "match.work_bits",
        kind: Kind::Number { min: 0, max: 20 },
        default: "0",
        meaning: "Proof of work that every browser does to come in, also without load, in bits; 12 is a \
                  moment.",
    },
    Key {
        path: "match.searches_per_address_s",
        kind: Kind::Number { min: 0, max: 10_000 },
        default: "1",
        meaning: "Searches for a partner a second from one address (IPv6: /64), on average; a tenth of it \
                  more for each client that is there. 0: no limit.",
    },
    Key {
        path: "match.searches_burst",
        kind: Kind::Number { min: 1, max: 100_000 },
        default: "60",
        meaning: "The same at once after a silence; as much more for every ten clients that are there. At \
                  most what comes back in two minutes.",
    },
    Key {
        path: "match.resume_s",
        kind: Kind::Number { min: 0, max: 300 },
        default: "30",
        meaning: "How long somebody whose connection broke may come back, in seconds; 0: not at all.",
    },
    Key {
        path: "match.jwt.audience",
        kind: Kind::Texts,
        default: "[]",
        meaning: "For whom tokens must be (\"aud\"), one of these; for admission = \"jwt\", as all of this \
                  section.",
    },
    Key {
        path: "match.jwt.issuer",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "Who must have issued them (\"iss\"); not checked if empty.",
    },
    Key {
        path: "match.jwt.keys_file",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "File with the identity provider's public keys (a JWK Set, RFC 7517); taken again when it \
                  changes.",
    },
    Key {
        path: "match.jwt.keys_url",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "https URL of the same (the provider's jwks_uri), in place of a file.",
    },
    Key {
        path: "match.jwt.keys_root",
        kind: Kind::Text,
        default: r#""""#,
        meaning: "PEM file with the certificate of the CA that vouches for keys_url; if empty, one that this \
                  machine trusts.",
    },
    Key {
        path: "match.jwt.refresh_s",
        kind: Kind::Number { min: 30, max: 86_400 },
        default: "300",
        meaning: "How often keys_url is asked, in seconds.",
    },
    Key {
        path: "match.jwt.leeway_s",
        kind: Kind::Number { min: 0, max: 300 },
        default: "30",
        meaning: "How far the provider's clock may be from this machine's, in seconds.",
    },
    Key {
        path: "privacy.rotate_s",
        kind: Kind::Number { min: 3_600, max: 604_800 },
        default: "86400",
        meaning: "How long one key is used to tell places apart without keeping their addresses, in seconds.",
    },
    Key {
        path: "privacy.require_sealed",
        kind: Kind::Switch,
        default: "true",
        meaning: "Whether set-ups must be sealed between the two, so that the server cannot read them; \
                  if not, it reads and checks those that are not.",
    },
    Key {
        path: "log.level",
        kind: Kind::Choice(&["off", "error", "warn", "info", "debug", "trace"]),
        default: r#""info""#,
        meaning: "What is logged; no level logs an address, a name, a room or a set-up.",
    },
    Key {
        path: "log.format",
        kind: Kind::Choice(&["auto", "text", "json"]),
        default: r#""auto""#,
        meaning: "auto: text on a terminal, JSON otherwise.",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn paths_and_variables_are_unique_and_sections_stand_together() {
        let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
        let variables: BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
        assert_eq!((paths.len(), variables.len()), (KEYS.len(), KEYS.len()));
        let mut sections: Vec<_> = KEYS.iter().map(Key::section).collect();
        sections.dedup();
        let distinct: BTreeSet<_> = sections.iter().collect();
        assert_eq!(distinct.len(), sections.len());
    }

    #[test]
    fn every_meaning_is_one_sentence_line() {
        for key in KEYS {
            assert!(key.meaning.ends_with('.') && !key.meaning.contains('\n'), "{}", key.path);
        }
    }
}
