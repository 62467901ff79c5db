//! Exit codes, and text to the standard streams that may be closed.
//!
//! The codes are part of the interface: scripts rely on them.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Writes to standard output. A reader that went away is no reason to fail.
pub(crate) fn print(text: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Writes an error to standard error, if anyone reads it, and makes the exit code.
pub(crate) fn fail(code: u8, text: impl Display) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "{text}");
    ExitCode::from(code)
}

/// The system could not be started or went down.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong: the code that clap uses too.
pub(crate) const USAGE: u8 = 2;
/// The configuration was refused.
pub(crate) const CONFIGURATION: u8 = 3;
/// An address could not be listened on.
pub(crate) const LISTEN: u8 = 4;
/// A second signal ended the graceful stop.
pub(crate) const INTERRUPTED: u8 = 130;

/// The codes, for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done, or stopped by SIGTERM or Ctrl-C
  1    the system could not be started or go on, or a load could not
  2    the command line is wrong
  3    the configuration is wrong
  4    an address cannot be listened on
  130  a second signal ended the graceful stop";
