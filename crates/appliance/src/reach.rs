//! Why a server that we ask could not be reached, in what an operator can act on.
//!
//! Names and addresses that libraries put into their errors stay out.

use std::error::Error;
use std::io;

/// What stood in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its certificate.
    Untrusted,
    /// The network, or this machine.
    Io(io::ErrorKind),
    /// Something else, such as another protocol.
    Other,
}

/// The cause that an error goes back to.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> Cause {
    let mut next = Some(error);
    while let Some(inner) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = inner.downcast_ref() {
            return Cause::Untrusted;
        }
        next = match inner.downcast_ref::<io::Error>() {
            // The source of an io::Error is that of what it wraps, which is shown in this way only.
            Some(io) => match io.get_ref() {
                Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
                None => return Cause::Io(io.kind()),
            },
            None => inner.source(),
        };
    }
    Cause::Other
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn the_cause_is_found_however_often_it_is_wrapped() {
        let untrusted = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let once = || io::Error::new(io::ErrorKind::InvalidData, untrusted());
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for (error, expected) in [
            (once(), Cause::Untrusted),
            (io::Error::other(once()), Cause::Untrusted),
            (refused(), Cause::Io(io::ErrorKind::ConnectionRefused)),
            (io::Error::other(refused()), Cause::Io(io::ErrorKind::ConnectionRefused)),
            (io::Error::other("it speaks something else"), Cause::Other),
        ] {
            assert_eq!(cause(&error), expected, "{error}");
        }
    }
}
