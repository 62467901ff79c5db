//! Tokens that PyJWT signs let people in, by keys in a file and by keys from an HTTPS server; keys are rolled
//! over, and what an identity provider does wrong changes nothing.
//!
//! RFC 7515, RFC 7517, RFC 7519, RFC 8725.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use interop::{Appliance, LOOPBACK, PATIENCE, free_address, fresh_folder, limited, python, wait_for};
use serde_json::{Value, json};

#[test]
fn of_every_kind_of_key_and_no_other() {
    let mut provider = Provider::start(&[]);
    let kinds = [
        ("rsa", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..]),
        ("p256", &["ES256"]),
        ("p384", &["ES384"]),
        ("ed25519", &["EdDSA"]),
    ];
    let keys: Vec<Value> = kinds.iter().map(|(kind, _)| provider.ask(&json!(["make", kind, kind]))).collect();
    let folder = fresh_folder();
    fs::write(folder.join("jwks.json"), json!({"keys": &keys}).to_string()).unwrap();
    let appliance = serve(folder, "keys_file = \"jwks.json\"");
    for (kind, algorithms) in kinds {
        for algorithm in algorithms {
            let token = provider.token(kind, algorithm, &claims(&[]));
            assert_eq!(provider.enter(&appliance, Some(&token)), "welcome", "{kind} {algorithm}");
        }
    }
    let now = now_unix_s();
    for (what, wrong) in [
        ("expired", claims(&[("exp", json!(now - 60))])),
        ("not yet good", claims(&[("nbf", json!(now + 60))])),
        ("for somebody else", claims(&[("aud", json!("mail"))])),
        ("of somebody else", claims(&[("iss", json!("https://id.example.net"))])),
        ("for ever", claims(&[("exp", Value::Null)])),
    ] {
        let token = provider.token("p256", "ES256", &wrong);
        assert_eq!(provider.enter(&appliance, Some(&token)), "not-admitted", "{what}");
    }
    let unsigned = provider.ask(&json!(["unsigned", claims(&[])]));
    let symmetric = provider.ask(&json!(["symmetric", keys[0]["n"], "rsa", claims(&[])]));
    for token in [unsigned.as_str(), symmetric.as_str(), Some("rubbish"), None] {
        assert_eq!(provider.enter(&appliance, token), "not-admitted", "{token:?}");
    }
    provider.ask(&json!(["make", "p256", "p256"]));
    let of_another = provider.token("p256", "ES256", &claims(&[]));
    assert_eq!(provider.enter(&appliance, Some(&of_another)), "not-admitted");

    let log = appliance.log();
    for told in ["it has expired", "its signature is wrong", "it is not signed with a private key"] {
        assert!(log.contains(told), "{told} is not in\n{log}");
    }
    for secret in ["somebody@example.org", "eyJ", "mail", "id.example"] {
        assert!(!log.contains(secret), "{secret} is in\n{log}");
    }
    assert!((appliance.metric("ginnel_admission_keys") - 4.0).abs() < 0.5);
}

#[test]
fn of_a_file_that_is_written_anew() {
    let mut provider = Provider::start(&[]);
    let first = provider.ask(&json!(["make", "first", "p256"]));
    let second = provider.ask(&json!(["make", "second", "ed25519"]));
    let folder = fresh_folder();
    fs::write(folder.join("jwks.json"), json!({"keys": [first]}).to_string()).unwrap();
    let appliance = serve(folder, "keys_file = \"jwks.json\"");
    let (old, new) =
        (provider.token("first", "ES256", &claims(&[])), provider.token("second", "EdDSA", &claims(&[])));
    let mut enters = |token: &str| provider.enter(&appliance, Some(token)) == "welcome";
    assert!(enters(&old) && !enters(&new));

    appliance.write_private("jwks.json", &json!({"keys": [first, second]}).to_string());
    appliance.signal("HUP");
    wait_for("both keys", PATIENCE, || enters(&new));
    assert!(enters(&old));

    appliance.write_private("jwks.json", "{");
    appliance.signal("HUP");
    let told = "match.jwt.keys_file: ";
    wait_for(told, PATIENCE, || {
        appliance.log().contains(told) && appliance.log().contains("is not JSON; give")
    });
    assert!(enters(&old) && enters(&new));

    // Without being asked it looks by itself.
    appliance.write_private("jwks.json", &json!({"keys": [second]}).to_string());
    wait_for("the old key to end", PATIENCE, || !enters(&old));
    assert!(enters(&new));
}

#[test]
fn of_a_server_that_rolls_over_its_keys_and_fails_in_every_way() {
    let folder = fresh_folder();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("id.pem"), folder.join("id.key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut provider = Provider::start(&[&certificate, &key]);
    let port = provider.port;
    provider.ask(&json!(["make", "first", "rsa"]));
    provider.ask(&json!(["serve", "refused", ["first"]]));
    let url = format!("keys_url = \"https://localhost:{port}/keys\"\nkeys_root = \"id.pem\"");
    let appliance = serve(folder, &url);
    let logged = |what: &str| wait_for(what, PATIENCE, || appliance.log().contains(what));
    logged("match.jwt.keys_url: answered with 503");
    logged("there are no keys of admission, and nobody is let in");
    let token = provider.token("first", "RS256", &claims(&[]));
    assert_eq!(provider.enter(&appliance, Some(&token)), "not-admitted");

    // It is asked again by itself, soon.
    provider.ask(&json!(["serve", "well", ["first"]]));
    logged("new keys of admission are in use");
    assert_eq!(provider.enter(&appliance, Some(&token)), "welcome");

    for (how, told) in [
        ("refused", "the keys of admission in use stay"),
        ("elsewhere", "answered with 302"),
        ("rubbish", "what is there is not JSON"),
        ("endless", "gave more than 262144 bytes"),
        ("cut", "broke off"),
    ] {
        provider.ask(&json!(["serve", how, ["first"]]));
        let failures = appliance.metric("ginnel_admission_key_failures_total");
        appliance.signal("HUP");
        logged(told);
        appliance.wait_for_metric("ginnel_admission_key_failures_total", failures + 1.0);
        assert_eq!(provider.enter(&appliance, Some(&token)), "welcome", "{how}");
    }

    provider.ask(&json!(["serve", "well", ["first"]]));
    appliance.signal("HUP");
    logged("the keys of admission have not changed");
    // A token of a new key has it fetched, long before its time, and not for each such token.
    provider.ask(&json!(["make", "second", "p384"]));
    provider.ask(&json!(["serve", "well", ["second"]]));
    let before = provider.ask(&json!(["asked"])).as_u64().unwrap();
    let new = provider.token("second", "ES384", &claims(&[]));
    wait_for("the new key", PATIENCE, || provider.enter(&appliance, Some(&new)) == "welcome");
    assert_eq!(provider.ask(&json!(["asked"])).as_u64().unwrap(), before + 1);
    assert_eq!(provider.enter(&appliance, Some(&token)), "not-admitted");
}

#[test]
fn of_no_server_whose_certificate_nobody_vouches_for() {
    let folder = fresh_folder();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("id.pem"), folder.join("id.key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut provider = Provider::start(&[&certificate, &key]);
    provider.ask(&json!(["make", "first", "rsa"]));
    provider.ask(&json!(["serve", "well", ["first"]]));
    let appliance = serve(folder, &format!("keys_url = \"https://localhost:{}/keys\"", provider.port));
    let told = "has a certificate that is not trusted here; set match.jwt.keys_root";
    wait_for(told, PATIENCE, || appliance.log().contains(told));
    let token = provider.token("first", "RS256", &claims(&[]));
    assert_eq!(provider.enter(&appliance, Some(&token)), "not-admitted");
    assert_eq!(provider.ask(&json!(["asked"])), 0);
}

/// The running script.
struct Provider {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u64,
}

impl Provider {
    fn start(arguments: &[&PathBuf]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/identity_provider.py");
        let mut process = limited(python())
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let questions = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut provider = Self { process, questions, answers, port: 0 };
        provider.port = provider.answer().as_u64().unwrap_or_default();
        provider
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.questions, "{question}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("an answer; what went wrong is on standard error")
    }

    fn token(&mut self, kid: &str, algorithm: &str, claims: &Value) -> String {
        self.ask(&json!(["token", kid, algorithm, claims])).as_str().unwrap().to_owned()
    }

    /// What the appliance says to somebody with this token.
    fn enter(&mut self, appliance: &Appliance, token: Option<&str>) -> String {
        let url = format!("ws://{}/signal", appliance.local);
        self.ask(&json!(["enter", url, token])).as_str().unwrap().to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(folder: PathBuf, keys: &str) -> Appliance {
    let [turn, turns, web, local, admin] = [(); 5].map(|()| free_address(LOOPBACK));
    let configuration = format!(
        "[listen]\nturn = [\"{turn}\"]\nturns = [\"{turns}\"]\nweb = [\"{web}\"]\nlocal = [\"{local}\"]\n\
         admin = \"{admin}\"\n\
         [relay]\nports = \"61000-65535\"\n[match]\nadmission = \"jwt\"\n\
         [match.jwt]\naudience = [\"chat\"]\nissuer = \"https://id.example.org\"\n{keys}\n\
         [log]\nlevel = \"trace\"\n"
    );
    Appliance::start_in(folder, &configuration, [turn, turns, web, local, admin])
}

/// Good ones, with changes; null takes one away.
fn claims(changes: &[(&str, Value)]) -> Value {
    let mut claims = json!({
        "iss": "https://id.example.org",
        "aud": "chat",
        "sub": "somebody@example.org",
        "exp": now_unix_s() + 300,
    });
    for (name, value) in changes {
        let claims = claims.as_object_mut().unwrap();
        match value {
            Value::Null => claims.remove(*name),
            value => claims.insert((*name).to_owned(), value.clone()),
        };
    }
    claims
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
