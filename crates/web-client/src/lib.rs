//! The page and the JavaScript SDK as bytes in the binary, with what a server needs to serve them. It
//! deliberately serves nothing itself and knows no HTTP: `signal-plane` does, and adds the headers.

/// One file of the page, ready to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The file, as it stands in `www/`.
    pub body: &'static [u8],
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `ETag`, quotes included. It changes whenever the body does.
    pub etag: &'static str,
}

/// The file that answers a request path, `/` being the page itself; `None` for every other path. The path is
/// compared as it is: no decoding, no directory, no query.
#[must_use]
pub fn asset(path: &str) -> Option<Asset> {
    let path = if path == "/" { "/index.html" } else { path };
    ASSETS.iter().find(|(known, _)| *known == path).map(|(_, asset)| *asset)
}

/// 64-bit FNV-1a as sixteen hexadecimal digits in quotes. Enough to tell two builds of a file apart, and
/// computable while compiling; nobody gains anything by making two versions of his own file collide.
const fn etag(body: &[u8]) -> [u8; ETAG_BYTES] {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < body.len() {
        hash = (hash ^ body[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    let mut text = [b'"'; ETAG_BYTES];
    let mut digit = 1;
    while digit < ETAG_BYTES - 1 {
        text[digit] = b"0123456789abcdef"[(hash >> 60) as usize];
        hash <<= 4;
        digit += 1;
    }
    text
}

const fn text(bytes: &'static [u8]) -> &'static str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("an etag is ASCII"),
    }
}

macro_rules! assets {
    ($($path:literal: $content_type:expr,)*) => {
        &[$(($path, {
            const BODY: &[u8] = include_bytes!(concat!("../www", $path));
            const ETAG: &[u8] = &etag(BODY);
            Asset { body: BODY, content_type: $content_type, etag: text(ETAG) }
        }),)*]
    };
}

const ETAG_BYTES: usize = 18;

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Alphabetical, and complete: a test compares it with the folder.
const ASSETS: &[(&str, Asset)] = assets! {
    "/app/call.js": JAVASCRIPT,
    "/app/chat.js": JAVASCRIPT,
    "/app/main.js": JAVASCRIPT,
    "/app/media.js": JAVASCRIPT,
    "/app/notices.js": JAVASCRIPT,
    "/app/partner.js": JAVASCRIPT,
    "/app/privacy.js": JAVASCRIPT,
    "/app/view.js": JAVASCRIPT,
    "/app/wishes.js": JAVASCRIPT,
    "/favicon.svg": SVG,
    "/index.html": HTML,
    "/sdk/budget.js": JAVASCRIPT,
    "/sdk/bytes.js": JAVASCRIPT,
    "/sdk/candidates.js": JAVASCRIPT,
    "/sdk/channel.js": JAVASCRIPT,
    "/sdk/courier.js": JAVASCRIPT,
    "/sdk/emitter.js": JAVASCRIPT,
    "/sdk/gate.js": JAVASCRIPT,
    "/sdk/ginnel.js": JAVASCRIPT,
    "/sdk/handshake.js": JAVASCRIPT,
    "/sdk/limits.js": JAVASCRIPT,
    "/sdk/proof-worker.js": JAVASCRIPT,
    "/sdk/proof.js": JAVASCRIPT,
    "/sdk/protocol.js": JAVASCRIPT,
    "/sdk/requests.js": JAVASCRIPT,
    "/sdk/sealing.js": JAVASCRIPT,
    "/sdk/session.js": JAVASCRIPT,
    "/sdk/signaling.js": JAVASCRIPT,
    "/sdk/solver.js": JAVASCRIPT,
    "/sdk/string.js": JAVASCRIPT,
    "/sdk/wire.js": JAVASCRIPT,
    "/style.css": CSS,
};

/// What the page may load and do: its own files and its own server, nothing inline, no string ever turned
/// into markup or script. The one policy of trusted types lets pass the URL of the page's worker only. Media
/// streams are attached as objects, which this policy does not govern.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn files_below(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files_below(&entry.path(), &path, found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_served_and_nothing_else() {
        let mut found = BTreeSet::new();
        files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("www"), "", &mut found);
        let listed: Vec<_> = ASSETS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(listed, found.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn the_root_is_the_page() {
        assert_eq!(asset("/"), asset("/index.html"));
        assert_eq!(asset("/").unwrap().content_type, HTML);
        for path in ["", "/app", "/app/", "/app/../index.html", "/index.html?", "//", "/%69ndex.html"] {
            assert_eq!(asset(path), None, "{path}");
        }
    }

    #[test]
    fn an_etag_is_quoted_and_belongs_to_one_body() {
        assert_eq!(&etag(b"a"), b"\"af63dc4c8601ec8c\"", "a published FNV-1a vector");
        let etags: BTreeSet<_> = ASSETS.iter().map(|(_, asset)| asset.etag).collect();
        assert_eq!(etags.len(), ASSETS.len());
    }

    #[test]
    fn the_page_fits_its_policy() {
        let page = std::str::from_utf8(asset("/").unwrap().body).unwrap();
        for forbidden in
            ["<style", " style=", "javascript:", " onclick=", " onload=", "http://", "https://", "<base"]
        {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=\"").count());
    }

    #[test]
    fn no_file_names_another_host_or_makes_markup_from_text() {
        for (path, asset) in ASSETS {
            let body = std::str::from_utf8(asset.body).unwrap().replace("http://www.w3.org/2000/svg", "");
            for forbidden in ["http://", "https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval("]
            {
                assert!(!body.contains(forbidden), "{path}: {forbidden}");
            }
        }
    }
}
