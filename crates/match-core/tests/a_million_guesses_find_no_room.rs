//! Row 147: guessing room codes, a million times, finds nothing and learns nothing; the room's own people
//! meet as ever.

use std::time::Duration;

use match_core::{Config, ConnectionId, Inbound, Matcher, Now, Output};

#[test]
fn row_147_a_million_guesses_find_no_room() {
    let mut matcher = Matcher::new(Config::default(), [1; 32]);
    let mut open = || greeted(&mut matcher);
    let (host, guest, stranger, guesser) = (open(), open(), open(), open());
    let code = say(&mut matcher, host, r#"{"t":"open"}"#);
    let code = code.split('"').nth(7).map(str::to_owned).unwrap_or_else(|| panic!("a code: {code}"));
    let mut answer = None;
    for i in 0_u64..1_000_000 {
        // A code of the right form; the real one differs in its last characters only from every 64th.
        let guess = format!("{}{:06}", &code[..16], i);
        let heard = say(&mut matcher, guesser, &format!(r#"{{"t":"join","room":"{guess}"}}"#));
        assert_eq!(*answer.get_or_insert_with(|| heard.clone()), heard);
    }
    let join = format!(r#"{{"t":"join","room":"{code}"}}"#);
    assert_eq!(say(&mut matcher, guest, &join), "matched matched ");
    assert_eq!(Some(say(&mut matcher, stranger, &join)), answer, "a full room looks like none");
    assert_eq!(matcher.counters().matches_total, 1);
}

fn greeted(matcher: &mut Matcher) -> ConnectionId {
    let id = matcher.handle_opened(None, NOW).unwrap_or_else(|| panic!("there is room"));
    say(matcher, id, r#"{"t":"hello","v":1}"#);
    id
}

/// Says something and gives what comes of it.
fn say(matcher: &mut Matcher, from: ConnectionId, message: &str) -> String {
    matcher.handle_message(from, Inbound::parse(message), NOW);
    std::iter::from_fn(|| matcher.poll_output())
        .map(|output| match output {
            Output::Send { message, .. } => message.to_json(),
            Output::Forward { frame, .. } => frame.as_str().to_owned(),
            Output::Matched(_) => "matched ".to_owned(),
            _ => "something else".to_owned(),
        })
        .collect()
}

const NOW: Now = Now { mono: Duration::from_secs(1), unix_s: 1 };
