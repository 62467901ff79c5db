//! Passwords and shared secrets in files: read, and refused where somebody would guess them.
//!
//! It knows what makes a secret weak, not what a secret is for.

use std::path::{Path, PathBuf};

use super::draft::{Draft, Place};
use super::matching::AdmissionToken;
use super::source::{Folders, Refusal, Secret, read_secret};
use crate::limits::{
    PASSWORD_BYTES_MIN, PASSWORD_FILE_BYTES_MAX, SHARED_SECRET_BYTES_MIN, SHARED_SECRETS_FILE_BYTES_MAX,
    SHARED_SECRETS_MAX, TOKENS_FILE_BYTES_MAX,
};

/// A static user's password; nothing if it was refused.
pub(super) fn read_password(
    draft: &mut Draft,
    folders: &Folders,
    key: &str,
    file: &str,
    place: Place,
) -> Option<Secret> {
    let path = folders.resolve(file);
    let password = match read_secret(&path, PASSWORD_FILE_BYTES_MAX) {
        Ok(content) => trimmed(&content),
        Err(refusal) => {
            let refusal = refusal.of(&path);
            draft.refuse(key, place, &refusal.wrong, &refusal.right);
            return None;
        }
    };
    let shown = path.display();
    let Some(weakness) = weakness(password.expose(), "password", PASSWORD_BYTES_MIN) else {
        return Some(password);
    };
    let right = format!("make one: (umask 077; openssl rand -hex 16 > {shown})");
    draft.refuse(key, place, &format!("{shown} {weakness}"), &right);
    None
}

/// The file of shared secrets and what is in it; nothing if there is none or it was refused.
pub(super) fn read_shared_secrets(draft: &mut Draft, folders: &Folders) -> (Option<PathBuf>, Vec<Secret>) {
    let key = "relay.secret_file";
    let (file, place) = (draft.text(key), draft.place(key));
    if file.is_empty() {
        return (None, Vec::new());
    }
    let path = folders.resolve(&file);
    match load_shared_secrets(&path) {
        Ok(secrets) => (Some(path), secrets),
        Err(refusal) => {
            draft.refuse(key, place, &refusal.wrong, &refusal.right);
            (None, Vec::new())
        }
    }
}

/// The shared secrets in a file, one a line.
pub(crate) fn load_shared_secrets(path: &Path) -> Result<Vec<Secret>, Refusal> {
    let content = read_secret(path, SHARED_SECRETS_FILE_BYTES_MAX).map_err(|refusal| refusal.of(path))?;
    let content = trimmed(&content);
    let shown = path.display();
    let lines = content.expose().split(|byte| *byte == b'\n');
    let secrets: Vec<_> =
        lines.map(|line| Secret::new(line.strip_suffix(b"\r").unwrap_or(line).to_vec())).collect();
    if secrets.len() > SHARED_SECRETS_MAX {
        let wrong = format!("{shown} has {} lines", secrets.len());
        let right = format!("keep one secret a line, {SHARED_SECRETS_MAX} at most: the new one and old ones");
        return Err(Refusal::new(wrong, right));
    }
    let weak = secrets.iter().find_map(|secret| weakness(secret.expose(), "secret", SHARED_SECRET_BYTES_MIN));
    match weak {
        Some(weakness) => {
            let make = format!("make one: (umask 077; openssl rand -hex 32 > {shown})");
            Err(Refusal::new(format!("{shown} {weakness}"), make))
        }
        None => Ok(secrets),
    }
}

/// The tokens of admission, one a line, those that are good once behind the word `once`; none if the file was
/// refused.
pub(super) fn read_tokens(draft: &mut Draft, folders: &Folders, key: &str) -> Vec<AdmissionToken> {
    let (path, place) = (folders.resolve(&draft.text(key)), draft.place(key));
    let content = match read_secret(&path, TOKENS_FILE_BYTES_MAX) {
        Ok(content) => trimmed(&content),
        Err(refusal) => {
            let refusal = refusal.of(&path);
            draft.refuse(key, place, &refusal.wrong, &refusal.right);
            return Vec::new();
        }
    };
    let line = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let single = line.strip_prefix(b"once ");
        let secret = Secret::new(single.unwrap_or(line).to_vec());
        AdmissionToken { secret, is_single_use: single.is_some() }
    };
    let tokens: Vec<_> = content.expose().split(|byte| *byte == b'\n').map(line).collect();
    let weak =
        tokens.iter().find_map(|token| weakness(token.secret.expose(), "token", SHARED_SECRET_BYTES_MIN));
    if let Some(weakness) = weak {
        let shown = path.display();
        let right = format!("make one: (umask 077; openssl rand -hex 16 >> {shown})");
        draft.refuse(key, place, &format!("{shown} {weakness}"), &right);
        return Vec::new();
    }
    tokens
}

/// What is wrong with a secret, as a predicate to its file's name.
fn weakness(secret: &[u8], noun: &str, bytes_min: usize) -> Option<String> {
    if secret.is_empty() {
        Some(format!("holds no {noun}"))
    } else if secret.len() < bytes_min {
        Some(format!("holds a {noun} of fewer than {bytes_min} bytes"))
    } else if is_guessable(secret) {
        Some(format!("holds a {noun} that everyone tries first"))
    } else if std::str::from_utf8(secret).is_err() || secret.iter().any(u8::is_ascii_control) {
        Some("does not hold one line of text".to_owned())
    } else {
        None
    }
}

/// Without the line's end that editors and `echo` add.
fn trimmed(content: &Secret) -> Secret {
    let bytes = content.expose();
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    Secret::new(bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec())
}

/// One character repeated, characters in a row, or words of examples and of lists of default passwords,
/// perhaps with digits between them.
fn is_guessable(password: &[u8]) -> bool {
    let lower = password.to_ascii_lowercase();
    let repeated = lower.iter().all(|byte| *byte == lower[0]);
    let letters: Vec<u8> = lower.iter().copied().filter(u8::is_ascii_alphabetic).collect();
    let counted = ROWS.iter().any(|row| {
        let long = row.repeat(2 + lower.len() / row.len());
        long.as_bytes().windows(lower.len()).any(|run| run == lower)
    });
    repeated || counted || (!letters.is_empty() && is_made_of_guesses(&letters))
}

fn is_made_of_guesses(letters: &[u8]) -> bool {
    letters.is_empty()
        || GUESSES.iter().filter_map(|guess| letters.strip_prefix(guess.as_bytes())).any(is_made_of_guesses)
}

/// Characters in the order in which people and documents count them up.
const ROWS: &[&str] = &["0123456789", "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz"];

/// What stands in examples; letters only.
const GUESSES: &[&str] = &[
    "admin",
    "administrator",
    "changeit",
    "changeme",
    "changethis",
    "default",
    "example",
    "ginnel",
    "letmein",
    "my",
    "north",
    "password",
    "passwort",
    "qwerty",
    "qwertyuiop",
    "replaceme",
    "secret",
    "shared",
    "static",
    "top",
    "turn",
    "your",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_examples_are_guessable() {
        for password in [
            "changeme",
            "Change-Me!",
            "PASSWORD",
            "password123",
            "12345678",
            "aaaaaaaa",
            "secret_01",
            "your-shared-secret",
            "changeme-changeme",
            "0123456789abcdef0123456789abcdef",
            "01234567890123456789012345",
        ] {
            assert!(is_guessable(password.as_bytes()), "{password}");
        }
        for password in ["kRx7-mwQ2", "correct horse", "a1b2c3d4e5", "4815162342481516", "my dog is north"] {
            assert!(!is_guessable(password.as_bytes()), "{password}");
        }
    }

    #[test]
    fn only_the_line_end_is_trimmed() {
        for (content, password) in [("a b \n", "a b "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("", "")] {
            assert_eq!(trimmed(&Secret::new(content.into())).expose(), password.as_bytes());
        }
    }
}
