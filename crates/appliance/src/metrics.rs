//! `/metrics`: numbers of all parts in Prometheus' text form.
//!
//! Parts count in plain integers and give snapshots; the series are made from those at each scrape. No label
//! holds anything that comes from a client, so the number of series is fixed.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::{Encoder, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use relay_plane::{Traffic, web};

use crate::logs;
use crate::tls::CertificateNumbers;

/// Where the numbers come from, and the text made of them.
#[derive(Default)]
pub struct Metrics {
    relay: Option<Source<RelayNumbers>>,
    signal: Option<Source<SignalNumbers>>,
    listeners: Vec<(&'static str, Source<web::Counters>)>,
    certificates: Option<Source<CertificateNumbers>>,
    admission: Option<Source<Option<AdmissionNumbers>>>,
    start_unix_s: u64,
}

/// Gives a snapshot of one part's numbers.
pub type Source<T> = Box<dyn Fn() -> T + Send + Sync>;

/// The relay's numbers: sums since the start, except `allocations`. Labels are from the relay's fixed lists.
#[derive(Clone, Debug, Default)]
pub struct RelayNumbers {
    /// Packets and bytes by transport.
    pub traffic: Vec<(&'static str, Traffic)>,
    /// Datagrams by verdict.
    pub packets_by_verdict: Vec<(&'static str, u64)>,
    /// Dropped datagrams by reason.
    pub drops_by_reason: Vec<(&'static str, u64)>,
    /// Datagrams the kernel did not take.
    pub send_failures: u64,
    /// Message integrities that were computed to prove a sender.
    pub proofs: u64,
    /// Of requests with a wrong password or of nobody's name.
    pub wrong_passwords: u64,
    /// Answers to who was over an answer budget and asked again.
    pub second_chances: u64,
    /// Allocations that live now.
    pub allocations: u64,
    /// TCP connections of allocations with their peers now.
    pub tcp_connections: u64,
    /// Bytes between them and their peers.
    pub tcp_bytes: Vec<(&'static str, u64)>,
    /// TURN clients on streams now.
    pub streams: u64,
    /// TURN clients on DTLS now.
    pub dtls: u64,
    /// What became of DTLS clients.
    pub dtls_by_outcome: Vec<(&'static str, u64)>,
    /// Streams closed by the relay, by reason.
    pub streams_closed: Vec<(&'static str, u64)>,
    /// Frames that a slow stream client lost, by reason.
    pub stream_frames_lost: Vec<(&'static str, u64)>,
}

/// The numbers of the keys that verify tokens of admission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionNumbers {
    /// Keys in use.
    pub keys: u64,
    /// How long ago they were had, in seconds, if there are any.
    pub age_s: Option<u64>,
    /// Times that they could not be had or used, since the start.
    pub failures: u64,
}

/// The signaling's numbers. Labels are from the signaling's fixed lists.
#[derive(Clone, Debug, Default)]
pub struct SignalNumbers {
    /// Connections now.
    pub connections: u64,
    /// People who wait now.
    pub waiting: u64,
    /// Open rooms now.
    pub rooms: u64,
    /// Sessions now.
    pub sessions: u64,
    /// HTTP requests since the start.
    pub requests: u64,
    /// People whose connection broke and who may still come back, now.
    pub lost: u64,
    /// People who came back, since the start.
    pub resumed: u64,
    /// People asked to work before they came in, since the start.
    pub challenges: u64,
    /// Reports that counted, since the start.
    pub reports: u64,
    /// Bans that came of them, since the start.
    pub bans: u64,
    /// Matches since the start.
    pub matches: u64,
    /// Messages since the start.
    pub messages: u64,
    /// What payloads held for people who may come back take now.
    pub held_bytes: u64,
    /// People for whom too much was held, since the start.
    pub held_dropped: u64,
    /// What waits to be sent now.
    pub outbound_bytes: u64,
    /// Errors told to clients by code, since the start.
    pub errors_by_code: Vec<(&'static str, u64)>,
    /// QUIC connections now.
    pub quic_connections: u64,
    /// QUIC handshakes by outcome, since the start.
    pub quic_handshakes_by_outcome: Vec<(&'static str, u64)>,
    /// Connections and requests refused by reason, since the start.
    pub refusals_by_reason: Vec<(&'static str, u64)>,
}

impl Metrics {
    /// Only the process itself, yet.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start_unix_s: since_epoch.as_secs(), ..Self::default() }
    }

    /// Adds the relay.
    pub fn relay(&mut self, source: Source<RelayNumbers>) {
        self.relay = Some(source);
    }

    /// Adds the signaling.
    pub fn signal(&mut self, source: Source<SignalNumbers>) {
        self.signal = Some(source);
    }

    /// Adds a group of TCP listeners under its name in `[listen]`.
    pub(crate) fn listener(&mut self, name: &'static str, source: Source<web::Counters>) {
        self.listeners.push((name, source));
    }

    /// Adds the keys of admission; they are none where tokens are not verified by keys.
    pub(crate) fn admission(&mut self, source: Source<Option<AdmissionNumbers>>) {
        self.admission = Some(source);
    }

    /// Adds the certificates.
    pub(crate) fn certificates(&mut self, source: Source<CertificateNumbers>) {
        self.certificates = Some(source);
    }

    /// All numbers now, as text.
    pub(crate) fn text(&self) -> String {
        let page = Page(Registry::new());
        if let Some(relay) = &self.relay {
            page.relay(&relay());
        }
        if let Some(signal) = &self.signal {
            page.signal(&signal());
        }
        page.listeners(self.listeners.iter().map(|(name, source)| (*name, source())));
        if let Some(certificates) = &self.certificates {
            page.certificates(certificates());
        }
        if let Some(numbers) = self.admission.as_ref().and_then(|admission| admission()) {
            page.admission(numbers);
        }
        page.counters(
            "ginnel_log_lines_lost_total",
            "Log lines lost to a slow reader.",
            &[],
            [(&[][..], logs::lines_lost())],
        );
        page.gauge("process_start_time_seconds", "Start of the process, Unix time.", self.start_unix_s);
        if let Some(bytes) = resident_bytes() {
            page.gauge("process_resident_memory_bytes", "Resident memory.", bytes);
        }
        page.into_text()
    }
}

/// The series of one scrape.
struct Page(Registry);

impl Page {
    fn relay(&self, numbers: &RelayNumbers) {
        let labels = ["direction", "transport"];
        let both = |of: fn(&Traffic) -> [u64; 2]| {
            numbers.traffic.iter().flat_map(move |(transport, traffic)| {
                let [inward, outward] = of(traffic);
                [(["in", *transport], inward), (["out", *transport], outward)]
            })
        };
        self.counters(
            "ginnel_relay_bytes_total",
            "Bytes of datagrams, frames on streams, and messages in DTLS (its datagrams are udp too).",
            &labels,
            both(|it| [it.in_bytes, it.out_bytes]),
        );
        self.counters(
            "ginnel_relay_transport_packets_total",
            "Datagrams, frames on streams, and messages in DTLS (its datagrams are udp too).",
            &labels,
            both(|it| [it.in_packets, it.out_packets]),
        );
        self.streams(numbers);
        self.gauge("ginnel_relay_dtls_associations", "TURN clients on DTLS now.", numbers.dtls);
        self.counters(
            "ginnel_relay_dtls_clients_total",
            "DTLS clients that were asked for a cookie, accepted, refused, failed, or closed while idle.",
            &["outcome"],
            series(&numbers.dtls_by_outcome),
        );
        self.counters(
            "ginnel_relay_packets_total",
            "Datagrams and frames by verdict.",
            &["verdict"],
            series(&numbers.packets_by_verdict),
        );
        self.counters(
            "ginnel_relay_drops_total",
            "Dropped datagrams and frames by reason.",
            &["reason"],
            series(&numbers.drops_by_reason),
        );
        self.counters(
            "ginnel_relay_send_failures_total",
            "Datagrams the kernel did not take.",
            &[],
            [(&[][..], numbers.send_failures)],
        );
        self.counters(
            "ginnel_relay_proofs_total",
            "Message integrities computed to prove a sender.",
            &[],
            [(&[][..], numbers.proofs)],
        );
        self.counters(
            "ginnel_relay_wrong_passwords_total",
            "Requests with a wrong password, or of nobody's name.",
            &[],
            [(&[][..], numbers.wrong_passwords)],
        );
        self.counters(
            "ginnel_relay_second_chances_total",
            "Answers to who was over an answer budget and asked again.",
            &[],
            [(&[][..], numbers.second_chances)],
        );
        self.gauge("ginnel_relay_allocations", "Allocations now.", numbers.allocations);
    }

    fn streams(&self, numbers: &RelayNumbers) {
        self.gauge("ginnel_relay_streams", "TURN clients on TCP and TLS now.", numbers.streams);
        self.counters(
            "ginnel_relay_streams_closed_total",
            "TURN streams closed by the relay, by reason.",
            &["reason"],
            series(&numbers.streams_closed),
        );
        self.counters(
            "ginnel_relay_stream_frames_lost_total",
            "Frames that clients on TCP and TLS were too slow for, by reason.",
            &["reason"],
            series(&numbers.stream_frames_lost),
        );
        self.gauge(
            "ginnel_relay_tcp_connections",
            "Connections of TCP allocations with peers now.",
            numbers.tcp_connections,
        );
        self.counters(
            "ginnel_relay_tcp_bytes_total",
            "Bytes from and to the peers of TCP allocations.",
            &["direction"],
            series(&numbers.tcp_bytes),
        );
    }

    fn signal(&self, numbers: &SignalNumbers) {
        self.gauge("ginnel_signal_connections", "Signaling connections now.", numbers.connections);
        self.gauge("ginnel_signal_waiting", "People who wait now.", numbers.waiting);
        self.gauge("ginnel_signal_rooms", "Open rooms now.", numbers.rooms);
        self.gauge("ginnel_signal_sessions", "Sessions now.", numbers.sessions);
        self.counters("ginnel_signal_requests_total", "HTTP requests.", &[], [([], numbers.requests)]);
        self.gauge(
            "ginnel_signal_lost",
            "People now who lost their connection and may return.",
            numbers.lost,
        );
        let help = "Bytes of messages that wait to be sent.";
        self.gauge("ginnel_signal_outbound_bytes", help, numbers.outbound_bytes);
        let help = "Bytes of messages held for people who may return.";
        self.gauge("ginnel_signal_held_bytes", help, numbers.held_bytes);
        let help = "Times that all held for somebody was forgotten, as too much was held for all.";
        self.counters("ginnel_signal_held_dropped_total", help, &[], [([], numbers.held_dropped)]);
        for (name, help, value) in [
            ("ginnel_signal_bans_total", "Places that were banned.", numbers.bans),
            ("ginnel_signal_challenges_total", "People asked for a proof of work.", numbers.challenges),
            ("ginnel_signal_reports_total", "Reports that counted.", numbers.reports),
            ("ginnel_signal_resumed_total", "People who came back on another connection.", numbers.resumed),
        ] {
            self.counters(name, help, &[], [([], value)]);
        }
        self.counters("ginnel_signal_matches_total", "Matches.", &[], [([], numbers.matches)]);
        self.counters("ginnel_signal_messages_total", "Signaling messages.", &[], [([], numbers.messages)]);
        self.counters(
            "ginnel_signal_errors_total",
            "Errors told to clients by code.",
            &["code"],
            series(&numbers.errors_by_code),
        );
        self.gauge("ginnel_quic_connections", "QUIC connections now.", numbers.quic_connections);
        self.counters(
            "ginnel_quic_handshakes_total",
            "QUIC handshakes by outcome.",
            &["outcome"],
            series(&numbers.quic_handshakes_by_outcome),
        );
        self.counters(
            "ginnel_signal_refusals_total",
            "Refused connections and requests by reason.",
            &["reason"],
            series(&numbers.refusals_by_reason),
        );
    }

    fn listeners(&self, numbers: impl Iterator<Item = (&'static str, web::Counters)>) {
        let (mut open, mut ended) = (Vec::new(), Vec::new());
        for (name, counters) in numbers {
            open.push((name, counters.open.count));
            ended.extend([
                ([name, "accepted"], counters.handed_over),
                ([name, "too-many"], counters.refused_open),
                ([name, "too-many-of-prefix"], counters.refused_prefix),
                ([name, "too-many-handshakes"], counters.refused_handshakes),
                ([name, "handshake-failed"], counters.handshake_failed),
                ([name, "handshake-late"], counters.handshake_late),
                ([name, "draining"], counters.turned_away),
            ]);
        }
        let gauge = prometheus::IntGaugeVec::new(
            Opts::new("ginnel_connections", "TCP connections now, by key of [listen]."),
            &["listener"],
        )
        .expect("a constant name and label are valid");
        for (name, value) in open {
            gauge.with_label_values(&[name]).set(signed(value));
        }
        self.register(gauge);
        let help = "TCP connections by key of [listen] and outcome.";
        self.counters("ginnel_connections_total", help, &["listener", "outcome"], ended);
    }

    fn admission(&self, numbers: AdmissionNumbers) {
        let help = "Keys by which tokens of admission are verified.";
        self.gauge("ginnel_admission_keys", help, numbers.keys);
        if let Some(age_s) = numbers.age_s {
            let help = "How long ago those keys were had from where they come from.";
            self.gauge("ginnel_admission_keys_age_seconds", help, age_s);
        }
        let help = "Times that keys of admission could not be had or used.";
        self.counters("ginnel_admission_key_failures_total", help, &[], [([], numbers.failures)]);
    }

    fn certificates(&self, numbers: CertificateNumbers) {
        let help = "When the certificate in use ends, Unix time.";
        self.gauge("ginnel_certificate_expiry_timestamp_seconds", help, numbers.expires_unix_s);
        let help = "Certificates that took the place of another.";
        self.counters("ginnel_certificate_changes_total", help, &[], [([], numbers.changes)]);
        let help = "Certificates that could not be had, kept or used.";
        self.counters("ginnel_certificate_failures_total", help, &[], [([], numbers.failures)]);
    }

    fn counters<L: AsRef<[&'static str]>>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        series: impl IntoIterator<Item = (L, u64)>,
    ) {
        let counters =
            IntCounterVec::new(Opts::new(name, help), labels).expect("constant names and labels are valid");
        for (values, value) in series {
            counters.with_label_values(values.as_ref()).inc_by(value);
        }
        self.register(counters);
    }

    fn gauge(&self, name: &str, help: &str, value: u64) {
        let gauge = IntGauge::new(name, help).expect("a constant name is valid");
        gauge.set(signed(value));
        self.register(gauge);
    }

    fn register(&self, collector: impl prometheus::core::Collector + 'static) {
        self.0.register(Box::new(collector)).expect("every name is used once");
    }

    fn into_text(self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.gather(), &mut text).expect("writing to memory does not fail");
        String::from_utf8(text).expect("the encoder writes text")
    }
}

/// Labelled numbers as series of one label.
fn series(numbers: &[(&'static str, u64)]) -> impl Iterator<Item = ([&'static str; 1], u64)> {
    numbers.iter().map(|(label, number)| ([*label], *number))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Resident memory, where the system tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_series() {
        let metrics = with_every_number();
        let text = metrics.text();
        for line in SERIES {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("\nprocess_resident_memory_bytes "));
        assert_eq!(metrics.text().lines().count(), text.lines().count());
    }

    fn with_every_number() -> Metrics {
        let mut metrics = Metrics::new();
        metrics.relay(Box::new(|| RelayNumbers {
            traffic: vec![("tls", Traffic { in_bytes: 1, out_bytes: 2, in_packets: 17, out_packets: 18 })],
            streams: 19,
            dtls: 22,
            dtls_by_outcome: vec![("asked", 23)],
            streams_closed: vec![("idle", 20)],
            stream_frames_lost: vec![("late", 21)],
            packets_by_verdict: vec![("forward", 3)],
            drops_by_reason: vec![("no_permission", 4)],
            send_failures: 6,
            proofs: 22,
            wrong_passwords: 23,
            second_chances: 24,
            allocations: 5,
            tcp_connections: 22,
            tcp_bytes: vec![("in", 23)],
        }));
        metrics.signal(Box::new(|| SignalNumbers {
            connections: 6,
            waiting: 7,
            rooms: 15,
            sessions: 8,
            requests: 16,
            lost: 22,
            resumed: 23,
            challenges: 24,
            reports: 25,
            bans: 26,
            matches: 9,
            messages: 10,
            held_bytes: 30,
            held_dropped: 31,
            outbound_bytes: 32,
            errors_by_code: vec![("bad-json", 13)],
            quic_connections: 17,
            quic_handshakes_by_outcome: vec![("retried", 18)],
            refusals_by_reason: vec![("origin", 14)],
        }));
        metrics.listener(
            "web",
            Box::new(|| {
                let open = relay_plane::Present { count: 11, oldest: None };
                web::Counters { open, handed_over: 12, ..Default::default() }
            }),
        );
        metrics.admission(Box::new(|| Some(AdmissionNumbers { keys: 27, age_s: Some(28), failures: 29 })));
        metrics.certificates(Box::new(|| CertificateNumbers {
            expires_unix_s: 17,
            changes: 18,
            failures: 19,
        }));
        metrics
    }

    const SERIES: [&str; 42] = [
        "ginnel_admission_keys 27",
        "ginnel_admission_keys_age_seconds 28",
        "ginnel_admission_key_failures_total 29",
        "ginnel_certificate_expiry_timestamp_seconds 17",
        "ginnel_certificate_changes_total 18",
        "ginnel_certificate_failures_total 19",
        "ginnel_relay_bytes_total{direction=\"in\",transport=\"tls\"} 1",
        "ginnel_relay_bytes_total{direction=\"out\",transport=\"tls\"} 2",
        "ginnel_relay_transport_packets_total{direction=\"in\",transport=\"tls\"} 17",
        "ginnel_relay_transport_packets_total{direction=\"out\",transport=\"tls\"} 18",
        "ginnel_relay_streams 19",
        "ginnel_relay_dtls_associations 22",
        "ginnel_relay_dtls_clients_total{outcome=\"asked\"} 23",
        "ginnel_relay_streams_closed_total{reason=\"idle\"} 20",
        "ginnel_relay_stream_frames_lost_total{reason=\"late\"} 21",
        "ginnel_relay_packets_total{verdict=\"forward\"} 3",
        "ginnel_relay_drops_total{reason=\"no_permission\"} 4",
        "ginnel_relay_second_chances_total 24",
        "ginnel_relay_allocations 5",
        "ginnel_relay_tcp_connections 22",
        "ginnel_relay_tcp_bytes_total{direction=\"in\"} 23",
        "ginnel_signal_connections 6",
        "ginnel_signal_waiting 7",
        "ginnel_signal_rooms 15",
        "ginnel_signal_sessions 8",
        "ginnel_signal_requests_total 16",
        "ginnel_signal_lost 22",
        "ginnel_signal_resumed_total 23",
        "ginnel_signal_challenges_total 24",
        "ginnel_signal_reports_total 25",
        "ginnel_signal_bans_total 26",
        "ginnel_signal_matches_total 9",
        "ginnel_signal_messages_total 10",
        "ginnel_signal_held_bytes 30",
        "ginnel_signal_held_dropped_total 31",
        "ginnel_signal_outbound_bytes 32",
        "ginnel_quic_connections 17",
        "ginnel_quic_handshakes_total{outcome=\"retried\"} 18",
        "ginnel_signal_errors_total{code=\"bad-json\"} 13",
        "ginnel_signal_refusals_total{reason=\"origin\"} 14",
        "ginnel_connections{listener=\"web\"} 11",
        "ginnel_connections_total{listener=\"web\",outcome=\"accepted\"} 12",
    ];
}
