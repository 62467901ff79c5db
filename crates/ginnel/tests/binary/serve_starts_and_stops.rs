//! `ginnel serve` tells what it does, answers on its admin listener, and ends when it is asked to.

use std::net::TcpListener;

use crate::common::{Serving, get, ginnel, text, until, upgraded};

#[test]
fn it_tells_what_it_listens_on_and_sigterm_ends_it_with_0() {
    let mut serving = Serving::start(&mut ginnel(&["serve"]));
    serving.until_told("Open http://localhost:");
    let told = serving.told.join("\n");
    for key in ["listen.web", "listen.local", "listen.admin"] {
        assert!(told.contains(key), "{told}");
    }
    assert!(told.contains("The relay is closed"), "{told}");
    assert!(!told.contains("127.0.0.1"), "{told}");
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn ctrl_c_ends_it_with_0() {
    let mut serving = Serving::start(&mut ginnel(&["serve"]));
    serving.until_told("Open ");
    serving.signal("INT");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn the_admin_pages_answer() {
    let mut serving = Serving::start(&mut ginnel(&["serve"]));
    serving.until_told("Open ");
    let port = serving.port("listen.admin");
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 200 "));
    assert!(get(port, "/privacy").contains("<th scope=\"row\">clients"));
    assert!(get(port, "/readyz").starts_with("HTTP/1.1 200 "));
    assert!(get(port, "/").starts_with("HTTP/1.1 404 "));
    let metrics = get(port, "/metrics");
    assert!(metrics.contains("\nginnel_connections{listener=\"admin\"} "), "{metrics}");
    assert!(metrics.contains("\nprocess_start_time_seconds "), "{metrics}");
    assert!(!metrics.contains("127.0.0.1"), "{metrics}");
}

#[test]
fn a_port_in_use_is_one_clear_error_with_key_port_and_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for key in ["turns", "web", "local", "admin"] {
        let variable = format!("GINNEL_LISTEN_{}", key.to_uppercase());
        let output = ginnel(&["serve"]).env(&variable, format!("127.0.0.1:{port}")).output().unwrap();
        assert_eq!(output.status.code(), Some(4));
        let told = text(&output.stderr);
        let start = format!("listen.{key}: cannot listen on port {port} of an IPv4 loopback address: ");
        assert!(told.contains(&start), "{told}");
        let remedy = format!("or choose another port in listen.{key} ({variable})");
        assert!(told.contains("stop the program that uses it") && told.contains(&remedy), "{told}");
        assert!(!told.contains("127.0.0.1"), "{told}");
    }
}

#[test]
fn the_page_answers_on_loopback_without_tls_whatever_the_server_is_called() {
    let mut serving = Serving::start(ginnel(&["serve"]).env("GINNEL_SERVER_NAMES", "chat.example.org"));
    serving.until_told("Open ");
    let page = get(serving.port("listen.local"), "/");
    assert!(
        page.starts_with("HTTP/1.1 200 ") && page.contains("content-security-policy: default-src 'none'")
    );
}

/// A client that does not answer the close holds the graceful stop up, which makes it observable.
#[test]
fn while_it_stops_it_is_not_ready_and_a_second_signal_ends_it_at_once() {
    let mut serving = Serving::start(&mut ginnel(&["serve"]));
    serving.until_told("Open ");
    let _deaf = upgraded(serving.port("listen.local"));
    serving.signal("TERM");
    serving.until_logged("\"stopping\"");
    until(|| get(serving.port("listen.admin"), "/readyz").starts_with("HTTP/1.1 503 "));
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(130));
}

#[test]
fn a_client_that_never_closes_does_not_hold_the_stop_up_for_long() {
    let mut serving = Serving::start(&mut ginnel(&["serve"]));
    serving.until_told("Open ");
    let _deaf = upgraded(serving.port("listen.local"));
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn a_closed_standard_output_does_not_stop_it() {
    let mut serving = Serving::start_deaf(&mut ginnel(&["serve"]), true);
    serving.until_logged("\"started\"");
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn a_closed_log_does_not_stop_it() {
    let mut serving = Serving::start_deaf(ginnel(&["serve"]).env("GINNEL_LOG_LEVEL", "trace"), false);
    serving.until_told("Open ");
    assert!(get(serving.port("listen.admin"), "/healthz").ends_with("ok\n"));
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn the_log_is_json_where_no_terminal_is_and_holds_no_address() {
    let mut serving = Serving::start(ginnel(&["serve"]).env("GINNEL_LOG_LEVEL", "trace"));
    serving.until_told("Open ");
    get(serving.port("listen.admin"), "/metrics");
    serving.signal("TERM");
    let logged = serving.until_logged("\"stopped\"");
    for line in &logged {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        assert!(!line.contains("127.0.0.1"), "{line}");
    }
}
