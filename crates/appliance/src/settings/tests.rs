//! What a configuration may not say, and how it is told.
//!
//! The binary's own tests repeat the cases that a shell sees; here are all of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::memory::Kernel;

#[test]
fn the_defaults_are_accepted_and_the_default_file_says_the_same() {
    let none = accepted(None, &[]);
    let folder = Folder::new();
    let file = folder.write("ginnel.toml", &default_file());
    assert_eq!(none.to_json(), accepted(Some(&file), &[]).to_json());
    let shown = folder.write("shown.toml", &none.to_toml());
    assert_eq!(none.to_json(), accepted(Some(&shown), &[]).to_json());
}

#[test]
fn searches_have_a_budget_or_none() {
    let of = |variables: &[(&str, &str)]| accepted(None, variables).matching.searches;
    assert_eq!(of(&[]), Searches { per_s: 1, burst: 60 });
    let [rate, burst] = ["GINNEL_MATCH_SEARCHES_PER_ADDRESS_S", "GINNEL_MATCH_SEARCHES_BURST"];
    assert_eq!(of(&[(rate, "7"), (burst, "840")]), Searches { per_s: 7, burst: 840 });
    let none = Searches { per_s: u32::MAX, burst: u32::MAX };
    assert_eq!(of(&[(rate, "0"), (burst, "100000")]), none);
}

#[test]
fn rows_19_and_25_mistakes_are_told_with_line_key_reason_and_remedy() {
    let folder = Folder::new();
    folder.write_secrets();
    for (text, line, key, wrong, right) in MISTAKES {
        let file = folder.write("ginnel.toml", text);
        let problems = refused(Some(&file), &[]);
        let told = problems.to_string();
        let problem = problems.0.iter().find(|problem| problem.key.as_deref() == Some(*key));
        let problem = problem.unwrap_or_else(|| panic!("{text}\n{told}"));
        assert_eq!((problem.line, problem.file.as_ref()), (Some(*line), Some(&file)), "{text}\n{told}");
        assert!(problem.wrong.contains(wrong) && problem.right.contains(right), "{text}\n{told}");
        assert!(told.contains(&format!("ginnel.toml:{line}: {key}: ")), "{text}\n{told}");
    }
}

#[test]
fn row_44_a_debug_print_of_secrets_tells_nothing() {
    let folder = Folder::new();
    folder.write_secrets();
    let file = folder.write("ginnel.toml", "[relay]\nsecret_file = \"secrets\"");
    let settings = accepted(Some(&file), &[]);
    assert_eq!(format!("{:?}", settings.relay.shared_secrets), "[[secret], [secret]]");
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let folder = Folder::new();
    let file = folder.write("ginnel.toml", "[log]\nlevel = 1\ncolour = 2\n[relay]\nports = \"9-8\"\n");
    let problems = refused(Some(&file), &[("GINNEL_MATCH_ROOMS", "perhaps")]);
    let lines: Vec<_> = problems.0.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [None, Some(2), Some(3), Some(5)]);
}

#[test]
fn shared_secrets_are_read_one_a_line_in_their_order() {
    let folder = Folder::new();
    folder.write_secrets();
    let file = folder.write("ginnel.toml", "[relay]\nsecret_file = \"secrets\"");
    let settings = accepted(Some(&file), &[]);
    let secrets: Vec<_> = settings.relay.shared_secrets.iter().map(Secret::expose).collect();
    assert_eq!(secrets, [b"2f1c9be07a6d4e58", b"9be07a6d4e582f1c"]);
    assert!(settings.relay.openness().ends_with("one of the 2 shared secrets may reach the Internet."));
    for shown in [settings.to_toml(), settings.to_json().to_string()] {
        assert!(shown.contains("secret_file") && !shown.contains("2f1c9be07a6d4e58"), "{shown}");
    }
}

#[test]
fn discovery_takes_the_first_pair_of_each_family() {
    let folder = Folder::new();
    let text = "[server]\nexternal = [\"203.0.113.5/10.0.0.5\", \"203.0.113.6/10.0.0.6\"]\n\
                [listen]\nturn = [\"127.0.0.1:7\", \"10.0.0.5:9\", \"[2001:db8::1]:9\", \"10.0.0.6:9\", \
                \"[2001:db8::2]:9\", \"10.0.0.7:9\", \"10.0.0.5:10\"]\n\
                [relay]\nnat_discovery = true\nnat_discovery_port = 10";
    let settings = accepted(Some(&folder.write("ginnel.toml", text)), &[]);
    let told = |endpoints: [(std::net::SocketAddr, std::net::SocketAddr); 4]| {
        endpoints.map(|(local, public)| format!("{local} as {public}"))
    };
    let [ipv4, ipv6] = settings.relay.discovery.as_slice() else { panic!("one of each family") };
    let expected = [
        "10.0.0.5:9 as 203.0.113.5:9",
        "10.0.0.5:10 as 203.0.113.5:10",
        "10.0.0.6:9 as 203.0.113.6:9",
        "10.0.0.6:10 as 203.0.113.6:10",
    ];
    assert_eq!(told(ipv4.endpoints()), expected);
    assert_eq!(told(ipv6.endpoints())[3], "[2001:db8::2]:10 as [2001:db8::2]:10");
    let off = folder.write("off.toml", &text.replace("nat_discovery = true", "nat_discovery = false"));
    assert!(accepted(Some(&off), &[]).relay.discovery.is_empty());
}

#[test]
fn who_leaves_out_md5_is_told_of_browsers() {
    let folder = Folder::new();
    for (list, noticed) in [("[\"sha256\"]", true), ("[\"md5\", \"sha256\"]", false)] {
        let file = folder.write("ginnel.toml", &format!("[relay]\npassword_algorithms = {list}"));
        let notices = accepted(Some(&file), &[]).notices;
        assert_eq!(notices.iter().any(|notice| notice.contains("browsers")), noticed, "{list}");
    }
}

#[test]
fn two_users_of_one_name_are_refused_with_both_lines() {
    let folder = Folder::new();
    folder.write_secrets();
    let user = "[[relay.user]]\nname = \"alice\"\npassword_file = \"good\"\n";
    let file = folder.write("ginnel.toml", &format!("{user}{user}"));
    let told = refused(Some(&file), &[]).to_string();
    assert!(told.contains(":4: relay.user: ") && told.contains("line 1"), "{told}");
    assert!(!told.contains("alice"), "{told}");
}

#[test]
fn variables_override_the_file_and_errors_name_them() {
    let folder = Folder::new();
    let file = folder.write("ginnel.toml", "[listen]\nturn = [\"127.0.0.1:1\"]\n[log]\nlevel = \"warn\"");
    let variables = [
        ("GINNEL_LISTEN_TURN", "127.0.0.1:2, [::1]:3"),
        ("GINNEL_LISTEN_WEB", ""),
        ("GINNEL_LOG_LEVEL", "debug"),
        ("GINNEL_RELAY_LIMITS_ALLOCATIONS", "0"),
        ("GINNEL_SERVICE_PORT_HTTPS", "8443"),
    ];
    let settings = accepted(Some(&file), &variables);
    assert_eq!(settings.listen.turn.len(), 2);
    assert!(settings.listen.web.is_empty());
    assert_eq!(settings.log.level, LevelFilter::DEBUG);
    assert_eq!(settings.relay.limits.allocations, None);
    assert!(settings.to_toml().contains("level = \"debug\"  # GINNEL_LOG_LEVEL"));

    for (name, value, told) in [
        ("GINNEL_LISTEN_TURN", "nowhere", "GINNEL_LISTEN_TURN: listen.turn: is not an address"),
        ("GINNEL_SERVER_WORKERS", "two", "GINNEL_SERVER_WORKERS: server.workers: is not what"),
        ("GINNEL_LOG_LEVLE", "info", "GINNEL_LOG_LEVLE: is not a setting; did you mean GINNEL_LOG_LEVEL?"),
        ("GINNEL_RELAY_USER", "[{", "GINNEL_RELAY_USER: relay.user: is not what"),
    ] {
        let problems = refused(Some(&file), &[(name, value)]).to_string();
        assert!(problems.starts_with(told), "{problems}");
    }
}

#[test]
fn secrets_come_from_beside_the_file_or_from_the_service_manager() {
    let (folder, credentials) = (Folder::new(), Folder::new());
    folder.write_secrets();
    let file = folder.write(
        "ginnel.toml",
        "relay.user = [{ name = \"a\", password_file = \"good\", peers = \"public\" }]",
    );
    let password = |settings: &Settings| settings.relay.users[0].password.expose().to_owned();
    let settings = accepted(Some(&file), &[]);
    assert_eq!(password(&settings), b"not-a-guess-4711");
    assert_eq!(settings.relay.users[0].peers, Peers::Public);
    credentials.write_mode("good", b"from-the-manager-1\n", 0o400);
    let path = credentials.0.path().to_str().unwrap();
    let settings = accepted(Some(&file), &[("CREDENTIALS_DIRECTORY", path)]);
    assert_eq!(password(&settings), b"from-the-manager-1");
    let shown = format!("{}{}", settings.to_toml(), settings.to_json());
    assert!(shown.contains("password_file") && !shown.contains("from-the-manager"), "{shown}");
}

#[test]
fn state_is_kept_where_the_file_says_or_where_the_service_manager_does() {
    let folder = Folder::new();
    let variables = [("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")];
    let file = folder.write("ginnel.toml", "");
    assert_eq!(accepted(Some(&file), &[]).tls.state, None);
    let given = accepted(Some(&file), &variables).tls.state;
    assert_eq!(given.as_deref(), Some(Path::new("/var/lib/one")));
    let file = folder.write("ginnel.toml", "tls.state = \"kept\"");
    let named = accepted(Some(&file), &variables).tls.state;
    assert_eq!(named, Some(folder.0.path().join("kept")));
}

#[test]
fn files_that_are_no_configuration_are_refused_without_waiting() {
    let folder = Folder::new();
    let fifo = folder.0.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let large = folder.write("large", &"#".repeat(CONFIG_BYTES_MAX as usize + 1));
    let latin = folder.write_mode("latin", b"# \xe4", 0o644);
    for (path, wrong) in [
        (fifo.as_path(), "is not a regular file"),
        (folder.0.path(), "is not a regular file"),
        (large.as_path(), "is larger than 1048576 bytes"),
        (latin.as_path(), "is not UTF-8"),
        (&folder.0.path().join("absent"), "cannot be read"),
    ] {
        let told = refused(Some(path), &[]).to_string();
        assert!(told.starts_with(&format!("{}: {wrong}", path.display())), "{told}");
    }
}

#[test]
fn without_ipv6_defaults_shrink_and_explicit_addresses_are_refused() {
    let settings = Settings::load(None, &environment(&[], false)).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!((settings.listen.turn.len(), settings.listen.web.len()), (1, 1));
    assert!(settings.notices.iter().any(|notice| notice.contains("listen.turn")), "{:?}", settings.notices);
    let explicit = environment(&[("GINNEL_LISTEN_TURN", "[::]:3478")], false);
    let told = Settings::load(None, &explicit).map(|_| ()).unwrap_err().to_string();
    assert!(told.contains("listen.turn: is an IPv6 address"), "{told}");
}

#[test]
fn who_opens_the_admin_page_to_others_is_told_of_which_port() {
    for (address, port) in [("0.0.0.0:9641", "port 9641"), ("0.0.0.0:0", "the port that the system chooses")]
    {
        let notices = accepted(None, &[("GINNEL_LISTEN_ADMIN", address)]).notices;
        assert!(notices.iter().any(|notice| notice.contains(&format!("reaches {port} "))), "{notices:?}");
    }
}

#[test]
fn certificate_and_key_must_belong_together() {
    let folder = Folder::new();
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (made(), made());
    folder.write("cert.pem", &one.cert.pem());
    folder.write_mode("key.pem", one.signing_key.serialize_pem().as_bytes(), 0o600);
    folder.write_mode("other.pem", other.signing_key.serialize_pem().as_bytes(), 0o600);
    folder.write_mode("open.pem", one.signing_key.serialize_pem().as_bytes(), 0o644);
    let tls = |key: &str| format!("[tls]\nmode = \"files\"\ncertificate = \"cert.pem\"\nkey = \"{key}\"");
    let file = folder.write("ginnel.toml", &tls("key.pem"));
    assert!(matches!(accepted(Some(&file), &[]).tls.source, Source::Files(_)));
    for (key, wrong) in [("other.pem", "is not the key of the certificate"), ("open.pem", "every user")] {
        let file = folder.write("ginnel.toml", &tls(key));
        let told = refused(Some(&file), &[]).to_string();
        assert!(told.contains(":4: tls.key: ") && told.contains(wrong), "{told}");
    }
}

#[test]
fn a_refusal_quotes_no_value() {
    let rows = [
        "[listen]\nweb = [\"198.51.100.7:x\"]",
        "[relay]\ndeny = [\"198.51.100.7/8\"]",
        "[log]\nlevel = \"198.51.100.7\"",
    ];
    let folder = Folder::new();
    for text in rows {
        let file = folder.write("ginnel.toml", text);
        let told = refused(Some(&file), &[]).to_string();
        assert!(!told.contains("198.51.100.7"), "{told}");
    }
}

#[test]
fn limits_that_need_more_memory_than_there_is_are_refused_with_what_fits() {
    let folder = Folder::new();
    folder.write_secrets();
    let public = "[relay]\nsecret_file = \"secrets\"\nlimits.allocations = 10000\n[server]\nworkers = 2\n";
    let file = folder.write("ginnel.toml", public);
    let on = |gib: usize, variables: &[(&str, &str)]| {
        let mut environment = environment(variables, true);
        environment.machine.allowed = Some(gib << 30);
        environment.machine.kernel.udp_bytes_max = gib << 27;
        Settings::load(Some(&file), &environment)
    };
    assert!(on(8, &[]).is_ok());
    let Err(told) = on(1, &[]) else { panic!("ten thousand sockets do not fit") };
    let problem = &told.0[0];
    assert_eq!((problem.line, problem.key.as_deref()), (Some(3), Some("relay.limits.allocations")));
    assert!(problem.wrong.starts_with("could need "), "{told}");
    let fit: usize = problem.right.split(' ').nth(1).unwrap().parse().unwrap();
    let variable = "GINNEL_RELAY_LIMITS_ALLOCATIONS";
    assert!(on(1, &[(variable, &fit.to_string())]).is_ok());
    assert!(on(1, &[(variable, &(fit + 1).to_string())]).is_err());
    // With no limit there are as many as there are numbers.
    assert!(on(1, &[(variable, "0")]).is_err());
}

#[test]
fn a_small_machine_carries_the_defaults_with_fewer_connections() {
    let on = |mib: usize| {
        let mut environment = environment(&[("GINNEL_SERVER_WORKERS", "2")], true);
        environment.machine.allowed = Some(mib << 20);
        environment.machine.kernel.udp_bytes_max = mib << 17;
        Settings::load(None, &environment).unwrap_or_else(|told| panic!("{told}")).memory
    };
    let (small, large) = (on(1024), on(65_536));
    assert!(small.connections < large.connections && small.connections_per_prefix < small.connections);
    assert_eq!(large.connections, crate::limits::WEB_CONNECTIONS_MAX);
    assert!(small.signal_connections < large.signal_connections);
    let ((signal, matcher), most) = (small.signal_limits(), signal_plane::Limits::default());
    assert!(signal.connections_per_prefix_max < signal.connections_max);
    assert_eq!(signal.connections_max, matcher.connections_max);
    assert_eq!(large.signal_limits().0.connections_max, most.connections_max);
    assert!(signal.outbound_total_bytes_max < large.messages_bytes && !small.is_short());
}

fn accepted(file: Option<&Path>, variables: &[(&str, &str)]) -> Settings {
    Settings::load(file, &environment(variables, true)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn refused(file: Option<&Path>, variables: &[(&str, &str)]) -> Problems {
    Settings::load(file, &environment(variables, true)).map(|_| ()).unwrap_err()
}

/// One with memory for everything.
const MACHINE: Machine = Machine {
    allowed: Some(64 << 30),
    kernel: Kernel { receive_bytes_max: 212_992, send_bytes_max: 212_992, udp_bytes_max: 4 << 30 },
};

fn environment(variables: &[(&str, &str)], ipv6: bool) -> Environment {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Environment {
        variables: variables.iter().map(own).collect(),
        ipv6,
        machine: MACHINE,
        sockets: Vec::new(),
    }
}

/// A folder that goes away with the test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        self.write_mode(name, text.as_bytes(), 0o644)
    }

    fn write_mode(&self, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn write_secrets(&self) {
        for (name, content) in [
            ("good", &b"not-a-guess-4711\n"[..]),
            ("empty", b"\n"),
            ("short", b"aB3\n"),
            ("guess", b"ChangeMe!\n"),
            ("binary", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8"),
            ("secrets", b"2f1c9be07a6d4e58\r\n9be07a6d4e582f1c\n"),
            ("gap", b"2f1c9be07a6d4e58\n\n9be07a6d4e582f1c\n"),
            ("example", b"your-turn-secret\n"),
        ] {
            self.write_mode(name, content, 0o600);
        }
        self.write_mode("many", &b"2f1c9be07a6d4e58\n".repeat(5), 0o600);
        self.write("open", "not-a-guess-4711\n");
    }
}

/// Each row: a file, the line and the key that must be named, and words of what is wrong and what is right.
const MISTAKES: &[(&str, usize, &str, &str, &str)] = &[
    ("[listen]\nturm = []", 2, "listen.turm", "is not a key", "did you mean turn?"),
    ("realm = \"a\"", 1, "realm", "is not a key", "did you mean realm in [relay]?"),
    ("[lisen]\nturn = []", 1, "lisen", "is not a key", "did you mean listen?"),
    ("[log]\ncolour = 1", 2, "log.colour", "is not a key", "[log] has level, format"),
    ("log = 1", 1, "log", "is a section", "write [log]"),
    ("[log]\nlevel = \"info\"\nlevel = \"warn\"", 3, "level", "is written twice", "keep one"),
    ("[log]\n[match]\n[log]", 3, "log", "is written twice", "keep one"),
    ("version = 2", 1, "version", "not what belongs", "it must be 1"),
    ("[server]\nworkers = \"2\"", 2, "server.workers", "not what belongs", "a whole number from 0 to 256"),
    ("[server]\nworkers = 257", 2, "server.workers", "not what belongs", "from 0 to 256"),
    ("[server]\nworkers = 1.5", 2, "server.workers", "not what belongs", "a whole number"),
    ("[match]\nrooms = 1", 2, "match.rooms", "not what belongs", "true or false"),
    (
        "[match]\nsearches_per_address_s = -1",
        2,
        "match.searches_per_address_s",
        "not what belongs",
        "from 0 to 10000",
    ),
    ("[match]\nsearches_burst = 0", 2, "match.searches_burst", "not what belongs", "from 1 to 100000"),
    ("[match]\nsearches_burst = 121", 2, "match.searches_burst", "comes back in 120 seconds", "120 at most"),
    (
        "[match]\nsearches_burst = 601\nsearches_per_address_s = 5",
        2,
        "match.searches_burst",
        "comes back in 120 seconds",
        "600 at most, or match.searches_per_address_s higher",
    ),
    ("[match]\nroom_size = 9", 2, "match.room_size", "not what belongs", "from 2 to 8"),
    ("[log]\nlevel = \"loud\"", 2, "log.level", "not what belongs", "\"info\""),
    (
        "[listen]\nturn = [\n  \"0.0.0.0:1\",\n  7,\n]",
        4,
        "listen.turn",
        "not what belongs",
        "a list of texts",
    ),
    ("[listen]\nturn = \"0.0.0.0:3478\"", 2, "listen.turn", "not what belongs", "a list of texts"),
    ("[listen]\nturn = []\nturns = []\nweb = []", 2, "listen.turn", "is empty", "name an address"),
    ("[listen]\nturn = [\"0.0.0.0:65536\"]", 2, "listen.turn", "not an address", "up to 65535"),
    (
        "[listen]\nturn = [\"[::ffff:127.0.0.1]:1\"]",
        2,
        "listen.turn",
        "nothing can listen",
        "of this machine",
    ),
    ("[listen]\nturns = [\"0.0.0.0:3478\"]", 2, "listen.turns", "taken", "listen.turn has it"),
    (
        "[listen]\nweb = []\nhttp = [\"0.0.0.0:80\"]",
        3,
        "listen.http",
        "listen.web is empty",
        "fill listen.web",
    ),
    ("[listen]\ntrusted_proxies = [\"10.0.0.1/8\"]", 2, "listen.trusted_proxies", "has bits", "write"),
    ("[relay]\nurls = [\"stun:a.example\"]", 2, "relay.urls", "is not a TURN URL", "turn:chat.example.org"),
    (
        "[relay]\nurls = [\"turn:a:1?transport=udp\", \"turn:A:1?transport=udp\"]",
        2,
        "relay.urls",
        "twice",
        "keep one",
    ),
    ("[listen]\nlocal = [\"0.0.0.0:80\"]", 2, "listen.local", "must be a loopback", "listen.web"),
    (
        "[listen]\nturn = [\"0.0.0.0:1\"]\nweb = [\"127.0.0.1:1\"]",
        3,
        "listen.web",
        "taken",
        "listen.turn has it",
    ),
    ("[listen]\nadmin = \"127.0.0.1:8080\"", 2, "listen.admin", "taken", "listen.local has it"),
    ("[listen]\nturn = [\"0.0.0.0:8443\"]", 2, "listen.turn", "taken", "listen.web has it"),
    ("[listen]\nturn = [\"0.0.0.0:50000\"]", 2, "listen.turn", "one of relay.ports", "another port"),
    ("[server]\nnames = [\"https://a.b\"]", 2, "server.names", "not a host name", "without scheme"),
    ("[server]\norigins = [\"https://a.b/\"]", 2, "server.origins", "not a web origin", "without a path"),
    ("[server]\nexternal = [\"a\"]", 2, "server.external", "not a public address", "write"),
    (
        "[server]\nexternal = [\"192.0.2.1\",\n\"192.0.2.2\"]",
        3,
        "server.external",
        "second address",
        "keep one",
    ),
    ("[relay]\nrealm = \"\"", 2, "relay.realm", "is not a realm", "1 to 127"),
    ("[relay]\nports = \"49152\"", 2, "relay.ports", "not a range", "49152-65535"),
    ("[relay]\nports = \"49152-65536\"", 2, "relay.ports", "not a range", "up to 65535"),
    ("[relay]\nports = \"60000-50000\"", 2, "relay.ports", "ends swapped", "lower port first"),
    ("[relay]\nports = \"80-50000\"", 2, "relay.ports", "below port 1024", "1024"),
    ("[relay]\nports = \"8000-9000\"", 2, "relay.ports", "holds port 8443", "listen.web"),
    ("[relay]\npeers = \"all\"", 2, "relay.peers", "not what belongs", "\"partner\""),
    ("[relay]\ndeny = [\n\"10.0.0.1/8\"]", 3, "relay.deny", "bits set behind", "first address"),
    ("[relay]\nallow = [\"10.0.0.9-10.0.0.5\"]", 2, "relay.allow", "swapped", "lower address first"),
    ("[relay]\nallow = [\"::ffff:10.0.0.5\"]", 2, "relay.allow", "inside an IPv6", "IPv4 address itself"),
    ("[relay]\nnat64 = [\"10.0.0.0/8\"]", 2, "relay.nat64", "not an IPv6 prefix", "2001:db8:64::/96"),
    ("[relay]\nnat64 = [\"2001:db8::/33\"]", 2, "relay.nat64", "does not know", "/48"),
    ("[relay]\nnat64 = [\"2001:db8::1/96\"]", 2, "relay.nat64", "behind its prefix", "first address"),
    ("[relay]\nnat64 = [\"2001:db8:0:0:ff00::/96\"]", 2, "relay.nat64", "64 to 71", "zeros"),
    ("[relay.limits]\nallocations = -1", 2, "relay.limits.allocations", "not what", "from 0"),
    ("[relay]\nlimits = { lifetime_max_s = 5 }", 2, "relay.limits.lifetime_max_s", "not what", "from 600"),
    ("[relay]\nuser = [1]", 2, "relay.user", "not what", "{ name, password_file, peers, tcp }"),
    ("[[relay.user]]\nname = \"a:b\"\npassword_file = \"good\"", 2, "relay.user", "not a user name", "colon"),
    ("[[relay.user]]\nname = \"a\"", 1, "relay.user", "no password_file", "add password_file"),
    ("[[relay.user]]\nname = 1\npassword_file = \"good\"", 2, "relay.user", "not a text", "quotes"),
    ("[[relay.user]]\npasword_file = \"good\"", 2, "relay.user", "field", "did you mean password_file?"),
    (
        "[[relay.user]]\nname = \"a\"\npassword_file = \"good\"\npeers = \"partner\"",
        4,
        "relay.user",
        "peers",
        "no session",
    ),
    (
        "[[relay.user]]\nname = \"a\"\npassword_file = \"good\"\ntcp = true",
        4,
        "relay.user",
        "peers are public",
        "add peers",
    ),
    (
        "[[relay.user]]\nname = \"a\"\npassword_file = \"good\"\npeers = \"public\"\ntcp = 1",
        5,
        "relay.user",
        "neither true nor false",
        "tcp = true",
    ),
    (
        "[[relay.user]]\nname = \"a\"\npassword_file = \"absent\"",
        3,
        "relay.user",
        "cannot be read",
        "create it",
    ),
    ("[[relay.user]]\nname = \"a\"\npassword_file = \"open\"", 3, "relay.user", "every user", "chmod o="),
    (
        "[[relay.user]]\nname = \"a\"\npassword_file = \"empty\"",
        3,
        "relay.user",
        "no password",
        "openssl rand",
    ),
    (
        "[[relay.user]]\nname = \"a\"\npassword_file = \"short\"",
        3,
        "relay.user",
        "fewer than 8",
        "openssl rand",
    ),
    (
        "[[relay.user]]\nname = \"a\"\npassword_file = \"guess\"",
        3,
        "relay.user",
        "tries first",
        "openssl rand",
    ),
    ("[[relay.user]]\nname = \"a\"\npassword_file = \"binary\"", 3, "relay.user", "one line", "openssl rand"),
    (
        "[[relay.user]]\nname = \"a\"\npassword_file = \".\"",
        3,
        "relay.user",
        "regular file",
        "name a regular",
    ),
    (
        "[[relay.user]]\nname = \"1900000000\"\npassword_file = \"good\"",
        2,
        "relay.user",
        "not a user name",
        "digits only",
    ),
    (
        "[relay]\nnat_discovery = true",
        2,
        "relay.nat_discovery",
        "needs two addresses",
        "listen.turn = [\"192.0.2.1:3478\"",
    ),
    (
        "[listen]\nturn = [\"127.0.0.1:1\", \"127.0.0.2:2\", \"127.0.0.3:0\", \"[::]:1\"]\n\
         [relay]\nnat_discovery = true",
        4,
        "relay.nat_discovery",
        "two addresses of one family with one port",
        "or set it to false",
    ),
    (
        "[listen]\nturn = [\"127.0.0.1:9\", \"127.0.0.2:9\"]\n\
         [relay]\nnat_discovery = true\nnat_discovery_port = 9",
        5,
        "relay.nat_discovery_port",
        "is port 9, which listen.turn has",
        "choose a port",
    ),
    (
        "[listen]\nturn = [\"127.0.0.1:9\", \"127.0.0.2:9\"]\n\
         [relay]\nnat_discovery = true\nnat_discovery_port = 8443",
        5,
        "relay.nat_discovery_port",
        "which listen.web has",
        "choose a port",
    ),
    (
        "[listen]\nturn = [\"127.0.0.1:9\", \"127.0.0.2:9\"]\n\
         [relay]\nnat_discovery = true\nnat_discovery_port = 50000",
        5,
        "relay.nat_discovery_port",
        "which relay.ports has",
        "choose a port",
    ),
    (
        "[server]\nexternal = [\"203.0.113.5/10.0.0.5\"]\n\
         [listen]\nturn = [\"10.0.0.5:9\", \"10.0.0.6:9\"]\n[relay]\nnat_discovery = true",
        2,
        "server.external",
        "no public address for one of the two",
        "203.0.113.6/10.0.0.6",
    ),
    ("[relay]\nalternates = [\"turn.example.org:3478\"]", 2, "relay.alternates", "not the address", "a name"),
    ("[relay]\nalternates = [\"0.0.0.0:3478\"]", 2, "relay.alternates", "not the address", "192.0.2.9:3478"),
    (
        "[relay]\nalternates = [\"192.0.2.8:3478\",\n\"192.0.2.9:3478\"]",
        3,
        "relay.alternates",
        "second server",
        "keep one",
    ),
    ("[relay]\nsecret_file = \"absent\"", 2, "relay.secret_file", "cannot be read", "create it"),
    ("[relay]\nsecret_file = \"open\"", 2, "relay.secret_file", "every user", "chmod o="),
    ("[relay]\nsecret_file = \"empty\"", 2, "relay.secret_file", "no secret", "openssl rand"),
    ("[relay]\nsecret_file = \"gap\"", 2, "relay.secret_file", "no secret", "openssl rand"),
    ("[relay]\nsecret_file = \"guess\"", 2, "relay.secret_file", "fewer than 16", "openssl rand"),
    ("[relay]\nsecret_file = \"example\"", 2, "relay.secret_file", "tries first", "openssl rand"),
    ("[relay]\nsecret_file = \"many\"", 2, "relay.secret_file", "has 5 lines", "4 at most"),
    (
        "[relay]\nsecret_file = \"good\"\nusername_anonymity = true",
        3,
        "relay.username_anonymity",
        "does not go with relay.secret_file",
        "remove one of the two",
    ),
    (
        "[relay]\npassword_algorithms = [\"md5\",\n\"sha1\"]",
        3,
        "relay.password_algorithms",
        "no algorithm",
        "\"sha256\"",
    ),
    ("[relay]\npassword_algorithms = []", 2, "relay.password_algorithms", "has no algorithm", "[\"md5\"]"),
    (
        "[relay]\npassword_algorithms = [\"md5\", \"md5\"]",
        2,
        "relay.password_algorithms",
        "twice",
        "remove one",
    ),
    ("[tls]\nmode = \"acme\"", 2, "server.names", "is empty, but", "name the hosts"),
    ("[tls]\nmode = \"acme\"", 2, "tls.state", "is empty, but", "name a folder"),
    ("server.names = [\"::1\"]\n[tls]\nmode = \"acme\"", 1, "server.names", "holds an address", "host names"),
    ("[tls]\nmode = \"acme\"\nkey = \"good\"", 3, "tls.key", "is set, but", "mode = \"files\""),
    ("[tls.acme]\ncontact = \"a@b\"", 2, "tls.acme.contact", "is set, but", "mode = \"acme\""),
    (
        "[tls]\nmode = \"acme\"\nacme.directory = \"http://a\"",
        3,
        "tls.acme.directory",
        "is no https URL",
        "URL that the CA gives",
    ),
    ("[tls]\nmode = \"acme\"\nacme.root = \"absent\"", 3, "tls.acme.root", "cannot be read", "create it"),
    ("[tls]\ncertificate = \"c\"", 2, "tls.certificate", "is set, but", "mode = \"files\""),
    ("[tls]\nmode = \"files\"\ncertificate = \"c\"", 2, "tls.key", "is empty, but", "set tls.key"),
    (
        "[tls]\nmode = \"files\"\ncertificate = \"absent\"\nkey = \"good\"",
        3,
        "tls.certificate",
        "cannot be read",
        "create it",
    ),
    (
        "[tls]\nmode = \"files\"\ncertificate = \"good\"\nkey = \"good\"",
        3,
        "tls.certificate",
        "no certificate",
        "BEGIN CERTIFICATE",
    ),
    ("[match]\nadmission = \"token\"", 2, "match.token_file", "is empty, but", "set match.token_file"),
    ("[match]\ntoken_file = \"good\"", 2, "match.token_file", "is set, but", "admission = \"token\""),
    (
        "[match]\nadmission = \"token\"\ntoken_file = \"short\"",
        3,
        "match.token_file",
        "fewer than 16",
        "openssl rand",
    ),
    ("[match]\nadmission = \"jwt\"", 2, "match.jwt.audience", "is empty, but", "name this server as"),
    ("[match]\nadmission = \"jwt\"", 2, "match.jwt.keys_file", "is empty, but", "or match.jwt.keys_url"),
    ("[match.jwt]\naudience = [\"chat\"]", 2, "match.jwt.audience", "is set, but", "admission = \"jwt\""),
    ("[match.jwt]\nkeys_url = \"https://a\"", 2, "match.jwt.keys_url", "is set, but", "or remove it"),
    (
        "[match]\nadmission = \"jwt\"\njwt.keys_file = \"good\"\njwt.keys_url = \"https://a\"",
        2,
        "match.jwt.keys_file",
        "and so is match.jwt.keys_url",
        "keep one",
    ),
    (
        "[match]\nadmission = \"jwt\"\njwt.keys_file = \"good\"",
        3,
        "match.jwt.keys_file",
        "is not JSON",
        "jwks_uri",
    ),
    (
        "[match]\nadmission = \"jwt\"\njwt.keys_file = \"absent\"",
        3,
        "match.jwt.keys_file",
        "cannot be read",
        "create it",
    ),
    (
        "[match]\nadmission = \"jwt\"\njwt.keys_url = \"http://a\"",
        3,
        "match.jwt.keys_url",
        "is no https URL",
        "jwks_uri",
    ),
    (
        "[match]\nadmission = \"jwt\"\njwt.keys_url = \"https://a\"\njwt.keys_root = \"good\"",
        4,
        "match.jwt.keys_root",
        "no certificate of a CA",
        "BEGIN CERTIFICATE",
    ),
    (
        "[match]\nadmission = \"jwt\"\njwt.keys_file = \"good\"\njwt.keys_root = \"good\"",
        4,
        "match.jwt.keys_root",
        "no match.jwt.keys_url",
        "remove it",
    ),
    ("[match]\nexposure = \"all\"", 2, "match.exposure", "not what belongs here", "\"consent\""),
];
