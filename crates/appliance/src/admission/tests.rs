//! Tokens as they should be and as attackers make them, against keys as they should be and as they are found.

use std::fs::{remove_file, write};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::jwt::Judge;
use super::keeper::File;
use super::keys::KeySet;
use crate::limits::{FILES_SETTLE_LOOKS, JWKS_KEYS_MAX, JWT_KEYS_TRIED_MAX};
use crate::settings::{Jwt, JwtKeys};

#[test]
fn a_good_token_lets_in_as_often_as_it_comes() {
    let provider = Provider::new();
    let judge = judge(&[provider.p256.public("one"), provider.ed25519.public("two")]);
    let one = provider.p256.sign(&json!({"alg": "ES256", "kid": "one"}), &claims());
    let two = provider.ed25519.sign(&json!({"alg": "EdDSA", "kid": "two", "typ": "at+jwt"}), &claims());
    let nameless = provider.ed25519.sign(&json!({"alg": "EdDSA"}), &claims());
    let many = changed(&[("aud", json!(["other", "chat"]))]);
    let many = provider.p256.sign(&json!({"alg": "ES256", "kid": "one"}), &many);
    for token in [&one, &one, &two, &nameless, &many] {
        assert_eq!(judge.judge(token), Ok(()));
    }
}

#[test]
fn claims_are_judged_with_the_leeway_and_no_more() {
    let provider = Provider::new();
    let judge = judge(&[provider.p256.public("one")]);
    let header = json!({"alg": "ES256", "kid": "one"});
    let now = now_unix_s();
    let (expired, early) = (Err("it has expired"), Err("it is not good yet"));
    let lacking = Err("it lacks exp, aud or iss, or has them in another form");
    for (name, value, expected) in [
        ("exp", json!(now - 20), Ok(())),
        ("exp", json!(now - 40), expired),
        ("exp", json!(0), expired),
        ("exp", json!(u64::MAX), Ok(())),
        ("exp", json!(-1), lacking),
        ("exp", json!(1e300), lacking),
        ("exp", json!((now + 60).to_string()), lacking),
        ("exp", Value::Null, lacking),
        ("nbf", json!(now + 20), Ok(())),
        ("nbf", json!(now + 40), early),
        ("nbf", json!("tomorrow"), Err("it is malformed")),
        ("aud", json!("cha"), Err("it is for another audience")),
        ("aud", json!(["a", "b"]), Err("it is for another audience")),
        ("aud", json!([]), Err("it is for another audience")),
        ("aud", json!({"chat": 1}), lacking),
        ("aud", Value::Null, lacking),
        ("iss", json!("https://id.example.net"), Err("it is of another issuer")),
        ("iss", Value::Null, lacking),
    ] {
        let token = provider.p256.sign(&header, &changed(&[(name, value.clone())]));
        assert_eq!(judge.judge(&token), expected, "{name} = {value}");
    }
    for payload in ["", "[]", "null", "17", r#"{"exp":9999999999,"exp":1,"aud":"chat"}"#, "\u{0}", "{"] {
        let token = provider.p256.sign_text(&header.to_string(), payload);
        assert!(judge.judge(&token).is_err(), "{payload}");
    }
}

#[test]
fn forgeries_and_rubbish_are_refused() {
    let provider = Provider::new();
    let rsa = json!({"kty": "RSA", "kid": "rsa", "n": MODULUS, "e": "AQAB"});
    let judge = judge(&[provider.p256.public("one"), rsa.clone()]);
    let es256 = |more: Value| {
        let mut header = json!({"alg": "ES256", "kid": "one"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        provider.p256.sign(&header, &claims())
    };
    let good = es256(json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (symmetric, forged) = (Err("it is not signed with a private key"), Err("its signature is wrong"));
    let (missing, header) =
        (Err("it names a key that is not there"), Err("its header is not one of a signed token"));
    let none = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(&claims().to_string()));
    let modulus = URL_SAFE_NO_PAD.decode(MODULUS).unwrap();
    let other = Provider::new().p256;
    let table = [
        ("no algorithm", none.clone(), header),
        (
            "no algorithm, in capitals",
            none.replacen(&encoded(r#"{"alg":"none"}"#), &encoded(r#"{"alg":"NONE"}"#), 1),
            header,
        ),
        ("the modulus as the secret", hs256(&modulus, "rsa"), symmetric),
        ("the public key as the secret", hs256(rsa.to_string().as_bytes(), "rsa"), symmetric),
        ("another's key", other.sign(&json!({"alg": "ES256", "kid": "one"}), &claims()), forged),
        ("a key that is not there", es256(json!({"kid": "two"})), missing),
        ("the key of another algorithm", es256(json!({"kid": "rsa"})), missing),
        ("another algorithm of the key's kind", es256(json!({"alg": "ES384"})), missing),
        (
            "a key that it brings along",
            other.sign(&json!({"alg": "ES256", "jwk": other.public("x"), "kid": "x"}), &claims()),
            missing,
        ),
        (
            "an extension",
            es256(json!({"crit": ["b64"], "b64": false})),
            Err("it has extensions that must be understood"),
        ),
        ("a name that is a number", es256(json!({"kid": 1})), header),
        ("no signature", format!("{head}."), forged),
        ("half of a signature", format!("{head}.{}", &signature[..40]), forged),
        ("a signature of zeros", format!("{head}.{}", URL_SAFE_NO_PAD.encode([0; 64])), forged),
        (
            "a signature in DER",
            format!("{head}.{}", URL_SAFE_NO_PAD.encode([0x30, 6, 2, 1, 1, 2, 1, 1])),
            forged,
        ),
        ("another text behind it", format!("{good}.x"), header),
        ("padding", format!("{good}="), Err("it is malformed")),
        ("a blank", format!(" {good}"), header),
        ("five parts", "a.b.c.d.e".to_owned(), header),
        ("nothing", String::new(), header),
        ("dots", "...".to_owned(), header),
        ("a megabyte", "a".repeat(1 << 20), Err("it is too long")),
        ("a megabyte behind it", good.clone() + &"A".repeat(1 << 20), Err("it is too long")),
    ];
    for (name, token, expected) in table {
        assert_eq!(judge.judge(&token), expected, "{name}");
    }
    for end in 0..good.len() {
        assert!(judge.judge(&good[..end]).is_err(), "cut at {end}");
    }
    assert_eq!(judge.judge(&good), Ok(()));
}

#[test]
fn a_published_signature_is_understood() {
    // RFC 7515 A.2: signed by RS256, with an `exp` that is long over and no `aud`.
    let payload =
        encoded("{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}");
    let token = format!("{}.{payload}.{SIGNATURE}", encoded(r#"{"alg":"RS256"}"#));
    let key = json!({"kty": "RSA", "n": MODULUS, "e": "AQAB"});
    let lacking = Err("it lacks exp, aud or iss, or has them in another form");
    assert_eq!(judge(std::slice::from_ref(&key)).judge(&token), lacking);
    let mut zero = URL_SAFE_NO_PAD.decode(MODULUS).unwrap();
    zero.insert(0, 0);
    let prefixed = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(zero), "e": "AQAB"});
    assert_eq!(judge(&[prefixed]).judge(&token), lacking);
    let of_another = json!({"kty": "RSA", "alg": "PS256", "n": MODULUS, "e": "AQAB"});
    assert_eq!(judge(&[of_another]).judge(&token), Err("it names a key that is not there"));
    let token = token.replace("cC4hiUPo", "cC4hiUPp");
    assert_eq!(judge(&[key]).judge(&token), Err("its signature is wrong"));
}

#[test]
fn without_a_name_or_with_a_name_twice_a_few_keys_are_tried() {
    let provider = Provider::new();
    let others = |count| (0..count).map(|_| Provider::new().p256.public("one"));
    let named = provider.p256.sign(&json!({"alg": "ES256", "kid": "one"}), &claims());
    let nameless = provider.p256.sign(&json!({"alg": "ES256"}), &claims());
    for (before, expected) in
        [(JWT_KEYS_TRIED_MAX - 1, Ok(())), (JWT_KEYS_TRIED_MAX, Err("its signature is wrong"))]
    {
        let keys: Vec<_> = others(before).chain([provider.p256.public("one")]).collect();
        assert_eq!(judge(&keys).judge(&named), expected);
        assert_eq!(judge(&keys).judge(&nameless), expected);
    }
}

#[test]
fn sets_without_a_key_of_use_are_refused_and_keys_of_no_use_are_passed_over() {
    let key = Provider::new().p256.public("one");
    let with = |name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let set = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let many = vec![key.clone(); JWKS_KEYS_MAX + 1];
    let rsa =
        |bits: usize| json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(vec![0xFF; bits / 8]), "e": "AQAB"});
    let of_no_use = [
        json!({"kty": "oct", "k": "c2VjcmV0LXNlY3JldA"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": key["x"], "y": key["y"]}),
        json!({"kty": "EC", "crv": "P-521", "x": key["x"], "y": key["y"]}),
        json!({"kty": "EC", "crv": "P-384", "x": key["x"], "y": key["y"]}),
        json!({"kty": "EC", "crv": "P-256", "x": key["x"]}),
        json!({"kty": "OKP", "crv": "X25519", "x": key["x"]}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}),
        rsa(1_024),
        rsa(16_384),
        json!({"kty": "RSA", "n": "AA", "e": "AQAB"}),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("HS256")),
        with("alg", json!("RS256")),
        with("alg", json!("ES512")),
        with("kid", json!(7)),
        json!("key"),
    ];
    let none = "has no key that verifies signatures";
    for (text, expected) in [
        (String::new(), "is not JSON"),
        ("<html>".to_owned(), "is not JSON"),
        ("[".repeat(100_000), "is not JSON"),
        ("[]".to_owned(), "has no list of keys"),
        (r#"{"keys":{}}"#.to_owned(), "has no list of keys"),
        (key.to_string(), "has no list of keys"),
        (set(&[]), none),
        (set(&of_no_use), none),
        (set(&many), "has 65 keys"),
        (set(&[key.clone(), with("d", json!("AA"))]), "has a private key in it"),
    ] {
        let Err(refusal) = KeySet::parse(text.as_bytes()) else { panic!("{text} was taken") };
        assert_eq!(refusal.wrong, expected);
        assert!(!refusal.right.is_empty());
    }
    let mixed: Vec<_> = of_no_use.into_iter().chain([key.clone(), rsa(2_048), rsa(8_192)]).collect();
    assert_eq!(KeySet::parse(set(&mixed).as_bytes()).unwrap().count(), 3);
}

#[test]
fn a_file_that_changes_is_taken_and_one_that_is_wrong_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    let (old, new) = (Provider::new().p256, Provider::new().p256);
    let put = |key: &Signer| write(&path, json!({"keys": [key.public("one")]}).to_string()).unwrap();
    let token = |key: &Signer| key.sign(&json!({"alg": "ES256", "kid": "one"}), &claims());
    let judge = Judge::new(&settings());
    let mut file = File::new(&path);
    file.look(&judge, false);
    assert_eq!(judge.judge(&token(&old)), Err("there are no keys yet"));
    put(&old);
    file.look(&judge, false);
    assert_eq!(judge.judge(&token(&old)), Ok(()));
    put(&new);
    file.look(&judge, false);
    assert_eq!((judge.judge(&token(&new)), judge.judge(&token(&old)).is_err()), (Ok(()), true));
    for text in ["", "{", r#"{"keys":[]}"#] {
        let failures = judge.numbers().failures;
        write(&path, text).unwrap();
        for _ in 0..FILES_SETTLE_LOOKS + 3 {
            file.look(&judge, false);
        }
        assert_eq!(judge.numbers().failures, failures + 1, "told once: {text}");
        assert_eq!(judge.judge(&token(&new)), Ok(()));
    }
    remove_file(&path).unwrap();
    file.look(&judge, true);
    assert_eq!((judge.judge(&token(&new)), judge.numbers().keys), (Ok(()), 1));
}

/// An identity provider's private keys.
struct Provider {
    p256: Signer,
    ed25519: Signer,
}

enum Signer {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Provider {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let p256 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self {
            p256: Signer::P256(EcdsaKeyPair::from_pkcs8(algorithm, p256.as_ref(), &random).unwrap()),
            ed25519: Signer::Ed25519(Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap()),
        }
    }
}

impl Signer {
    fn public(&self, id: &str) -> Value {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": part(x), "y": part(y), "use": "sig"})
            }
            Self::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": part(key.public_key().as_ref())})
            }
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = match self {
            Self::P256(key) => key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn judge(keys: &[Value]) -> Judge {
    let judge = Judge::new(&settings());
    judge.replace(KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap());
    judge
}

fn settings() -> Jwt {
    Jwt {
        audience: vec!["chat".to_owned(), "talk".to_owned()],
        issuer: Some("https://id.example.org".to_owned()),
        leeway_s: 30,
        keys: JwtKeys::File("".into()),
    }
}

fn claims() -> Value {
    json!({"iss": "https://id.example.org", "aud": "chat", "exp": now_unix_s() + 60, "sub": "somebody"})
}

fn changed(changes: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}

fn hs256(secret: &[u8], id: &str) -> String {
    let header = encoded(&json!({"alg": "HS256", "kid": id}).to_string());
    let message = format!("{header}.{}", encoded(&claims().to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn encoded(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Of RFC 7515 A.2.
const MODULUS: &str = "\
    ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
    T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
    dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
    GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// Of RFC 7515 A.2.
const SIGNATURE: &str = "\
    cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9\
    uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB\
    _eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq\
    Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
