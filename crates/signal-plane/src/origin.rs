//! Which web origins may open the signaling: one rule for every transport (RFC 6454).
//!
//! It is not authentication. It keeps a stranger's page from using a visitor's browser; a program that sends
//! no `Origin` has no visitor whose authority it could borrow.

use hyper::header::{HeaderMap, ORIGIN};

/// Whether a request's `Origin` may open the signaling.
///
/// `allowed` is compared byte for byte; if it is empty, the one allowed origin is the request's own: the
/// scheme it came by and `host`, the `Host` header. Two `Origin` headers and `null` are refused; none is
/// allowed.
pub fn is_allowed_origin(headers: &HeaderMap, allowed: &[String], secure: bool, host: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return !headers.contains_key(ORIGIN);
    };
    let Ok(origin) = origin.to_str() else { return false };
    if origin == "null" {
        return false;
    }
    if allowed.is_empty() {
        let scheme = if secure { "https://" } else { "http://" };
        return origin.strip_prefix(scheme).is_some_and(|rest| rest.eq_ignore_ascii_case(host));
    }
    allowed.iter().any(|one| one == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origins: &[&str], allowed: &[&str], secure: bool) -> bool {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, origin.parse().unwrap());
        }
        let allowed: Vec<_> = allowed.iter().map(|one| (*one).to_owned()).collect();
        is_allowed_origin(&headers, &allowed, secure, "chat.example.org:8443")
    }

    #[test]
    fn row_124_the_same_origin_by_default() {
        assert!(check(&[], &[], true));
        assert!(check(&["https://chat.example.org:8443"], &[], true));
        let long = format!("https://{}", "x".repeat(10_000));
        for origin in [
            "null",
            "",
            "https://chat.example.org",
            "http://chat.example.org:8443",
            "https://chat.example.org:8443.evil",
            "https://chat.example.org:8443/",
            "https://evil-chat.example.org:8443",
            "chat.example.org:8443",
            &long,
        ] {
            assert!(!check(&[origin], &[], true), "{origin}");
        }
        assert!(!check(&["https://chat.example.org:8443"; 2], &[], true));
    }

    #[test]
    fn row_124_a_list_is_exact_and_replaces_the_default() {
        let allowed = ["https://a.example", "null"];
        assert!(check(&["https://a.example"], &allowed, false));
        assert!(check(&[], &allowed, false));
        for origin in ["https://a.example:443", "https://A.example", "null", "http://chat.example.org:8443"] {
            assert!(!check(&[origin], &allowed, false), "{origin}");
        }
    }
}
