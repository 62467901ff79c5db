//! Row 42 with the running binary: a secret is rolled over with the old and the new one side by side, and a
//! file that cannot be used changes nothing.

use interop::{Appliance, OLD_SECRET, PATIENCE, SECRET, limited, wait_for};

/// Whether coturn's client gets two allocations with a credential that it mints from a secret.
fn gets_in(appliance: &Appliance, secret: &str) -> bool {
    let output = limited("turnutils_uclient")
        .args(["-c", "-y", "-m", "2", "-n", "1", "-u", "alice", "-W", secret])
        .args(["-p", &appliance.turn.port().to_string(), "127.0.0.1"])
        .output()
        .expect("turnutils_uclient; install it: apt-get install coturn");
    output.status.success()
}

#[test]
fn row_42_new_secrets_are_taken_from_the_file_and_old_ones_end() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let new = "a-secret-that-nobody-had-before";
    let logged = |what: &str| wait_for(what, PATIENCE, || appliance.log().contains(what));
    assert!(gets_in(&appliance, SECRET) && !gets_in(&appliance, new));

    appliance.write_private("secrets", &format!("{new}\n{SECRET}\n"));
    appliance.signal("HUP");
    logged("new shared secrets are in use");
    assert!(gets_in(&appliance, new) && gets_in(&appliance, SECRET) && !gets_in(&appliance, OLD_SECRET));

    appliance.write_private("secrets", "short\n");
    appliance.signal("HUP");
    logged("the shared secrets in use stay");
    assert!(gets_in(&appliance, new) && gets_in(&appliance, SECRET));

    // Without being asked it looks by itself.
    appliance.write_private("secrets", &format!("{new}\n"));
    wait_for("the old secret to end", PATIENCE, || !gets_in(&appliance, SECRET));
    assert!(gets_in(&appliance, new));
}
