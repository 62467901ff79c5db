//! With a hundred thousand waiting, a match looks at as many queue entries as with a hundred.

use std::time::Duration;

use match_core::{Config, ConnectionId, Inbound, Matcher, Now, Output};

#[test]
fn a_match_costs_the_same_in_any_crowd() {
    let (few, many) = (cost_of_a_match(100), cost_of_a_match(100_000));
    assert_eq!(few, many);
    assert!(many < 100, "{many}");
}

/// Fills a queue with people who share no language, then counts what it takes to serve one who finds a
/// partner.
fn cost_of_a_match(crowd: usize) -> u64 {
    let mut config = Config::default();
    config.limits.connections_max = crowd + 2;
    config.limits.waiting_max = crowd + 2;
    config.limits.work.total_burst = u32::MAX;
    let mut matcher = Matcher::new(config, [1; 32]);
    for i in 0..crowd {
        find(&mut matcher, &format!("x{i}"), r#"["music"]"#);
    }
    find(&mut matcher, "en", r#"["chess","music"]"#);
    let before = matcher.counters();
    assert_eq!(before.waiting, crowd as u64 + 1);
    find(&mut matcher, "en", r#"["music","chess"]"#);
    let after = matcher.counters();
    assert_eq!(after.matches_total, 1);
    after.looked_at_total - before.looked_at_total
}

fn find(matcher: &mut Matcher, lang: &str, tags: &str) -> ConnectionId {
    let now = Now { mono: Duration::from_secs(1), unix_s: 0 };
    let id = matcher.handle_opened(None, now).unwrap_or_else(|| panic!("there is room for all"));
    matcher.handle_message(id, Inbound::parse(r#"{"t":"hello","v":1}"#), now);
    let find = format!(r#"{{"t":"find","want":{{"media":"text","langs":["{lang}"],"tags":{tags}}}}}"#);
    matcher.handle_message(id, Inbound::parse(&find), now);
    while let Some(output) = matcher.poll_output() {
        assert!(!matches!(output, Output::Close { .. }));
    }
    id
}
