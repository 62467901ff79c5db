//! `ginnel credentials`: a time-limited credential for other software, minted from the shared secret.
//!
//! It starts nothing and asks nobody: the relay recognises what was minted with a secret that it has.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use appliance::credentials::{CannotMint, mint};
use appliance::settings::{Environment, Settings};
use serde_json::json;

use crate::exit::{self, CONFIGURATION, USAGE};

pub(crate) fn run(file: Option<&Path>, user: Option<&str>, ttl: Duration, json: bool) -> ExitCode {
    let settings = match Settings::load(file, &Environment::of_process()) {
        Ok(settings) => settings,
        Err(problems) => return exit::fail(CONFIGURATION, problems),
    };
    let minted = match mint(&settings, user, ttl) {
        Ok(minted) => minted,
        Err(error @ (CannotMint::Name | CannotMint::Time)) => return exit::fail(USAGE, error),
        Err(error) => return exit::fail(CONFIGURATION, error),
    };
    if json {
        // The members that `RTCIceServer` has, under its names.
        exit::print(json!({
            "urls": minted.urls,
            "username": minted.username,
            "credential": minted.password,
            "expires_unix_s": minted.expires_unix_s,
        }));
    } else {
        exit::print(format_args!("user name  {}\npassword   {}", minted.username, minted.password));
        minted.urls.iter().for_each(|url| exit::print(format_args!("url        {url}")));
    }
    ExitCode::SUCCESS
}

/// Reads a time like `90s`, `30m`, `1h`, `7d`; a bare number means seconds.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let (digits, unit_s) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1),
        Some(b'm') => (&text[..text.len() - 1], 60),
        Some(b'h') => (&text[..text.len() - 1], 3_600),
        Some(b'd') => (&text[..text.len() - 1], 86_400),
        _ => (text, 1),
    };
    let number: u32 = digits.parse().map_err(|_| "write it like 90s, 30m, 1h or 7d".to_owned())?;
    Ok(Duration::from_secs(u64::from(number) * unit_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("30m", 1_800), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "1w", "1.5h", "-1h", "1 h", "99999999999"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
