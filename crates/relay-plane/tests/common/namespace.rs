//! A network of the test's own. Not a test.

use std::process::Command;

/// Routes and queues of one's own need no root: the test starts itself anew in namespaces.
pub(crate) fn inside(name: &str, set_up: &str, test: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let inside = Command::new("unshare")
        .args(["-Urn", "sh", "-c", &format!("{set_up} && exec \"$0\" --exact \"$1\"")])
        .arg(std::env::current_exe().expect("this test"))
        .arg(name)
        .env(INSIDE, "1")
        .output()
        .expect("unshare; install it: apt-get install util-linux iproute2");
    let said = String::from_utf8_lossy(&inside.stdout) + String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

const INSIDE: &str = "GINNEL_TEST_IN_NAMESPACE";
