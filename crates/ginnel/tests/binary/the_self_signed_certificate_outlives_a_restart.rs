//! With a state directory the self-signed certificate is the same after a restart; without one it is not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{Folder, Serving, ginnel, text};
use crate::tls::certificate_of;

#[test]
fn with_a_state_directory_only() {
    let folder = Folder::new();
    let state = folder.path().join("state");
    let served = |state: Option<&Path>| {
        let mut serving =
            Serving::start(ginnel(&["serve"]).envs(state.map(|state| ("STATE_DIRECTORY", state))));
        serving.until_told("Open ");
        certificate_of(serving.port("listen.web"))
    };
    assert_eq!(served(Some(&state)), served(Some(&state)));
    assert_ne!(served(None), served(None));
    for file in std::fs::read_dir(&state).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_state_file_that_others_can_read_is_one_clear_error() {
    let folder = Folder::new();
    let file = folder.write("self-signed.pem", "a key?", 0o644);
    let state = file.parent().unwrap();
    let output = ginnel(&["serve"]).env("GINNEL_TLS_STATE", state).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("tls.state: ") && told.contains("run: chmod 600 "), "{told}");
}
