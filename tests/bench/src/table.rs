//! The result: medians over the rounds, and each server against the bare forwarder of its own round.
//!
//! No verdict: the reader compares the rows.

use std::fmt;
use std::time::Duration;

use crate::load::Counted;
use crate::server::Kind;

/// One measurement.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    nanoseconds_per_packet: f64,
    delivered: f64,
}

impl Sample {
    /// # Errors
    /// Nothing was delivered.
    pub(crate) fn new(spent: Duration, counted: Counted) -> Result<Self, String> {
        if counted.delivered == 0 {
            return Err("not one packet was delivered".to_owned());
        }
        Ok(Self {
            nanoseconds_per_packet: spent.as_nanos() as f64 / counted.delivered as f64,
            delivered: counted.delivered as f64 / counted.sent as f64,
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} ns/packet, {:.2} % delivered", self.nanoseconds_per_packet, self.delivered * 100.0)
    }
}

/// All measurements of a run.
pub(crate) struct Table {
    rows: Vec<(Kind, Vec<Sample>)>,
}

impl Table {
    /// One row for each; the first is the yardstick.
    pub(crate) fn new(kinds: &[Kind]) -> Self {
        Self { rows: kinds.iter().map(|kind| (*kind, Vec::new())).collect() }
    }

    pub(crate) fn add(&mut self, kind: Kind, sample: Sample) {
        for (_, samples) in self.rows.iter_mut().filter(|(row, _)| *row == kind) {
            samples.push(sample);
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "server    CPU ns per packet   lowest  highest  delivered  x bare")?;
        let Some((_, bare)) = self.rows.first() else { return Ok(()) };
        for (kind, samples) in &self.rows {
            let costs = sorted(samples.iter().map(|sample| sample.nanoseconds_per_packet));
            let delivered = sorted(samples.iter().map(|sample| sample.delivered));
            let ratios =
                samples.iter().zip(bare).map(|(a, b)| a.nanoseconds_per_packet / b.nanoseconds_per_packet);
            writeln!(
                f,
                "{:<9} {:>17.0} {:>8.0} {:>8.0} {:>8.2} % {:>7.2}",
                kind.name(),
                median(&costs),
                costs.first().copied().unwrap_or(f64::NAN),
                costs.last().copied().unwrap_or(f64::NAN),
                median(&delivered) * 100.0,
                median(&sorted(ratios)),
            )?;
        }
        let lost = |samples: &Vec<Sample>| samples.iter().any(|sample| sample.delivered < DELIVERED_MIN);
        if self.rows.iter().any(|(_, samples)| lost(samples)) {
            writeln!(f, "packets were lost: the machine was busy or the rate too high; run it again")?;
        }
        Ok(())
    }
}

pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

pub(crate) fn median(sorted: &[f64]) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// Below this a row measures the loss as much as the server.
const DELIVERED_MIN: f64 = 0.99;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut table = Table::new(&[Kind::Bare, Kind::Coturn]);
        for (bare, coturn) in [(1_000, 3_000), (2_000, 6_000), (1_500, 4_500)] {
            let counted = Counted { sent: 10, delivered: 10 };
            table.add(Kind::Bare, Sample::new(Duration::from_nanos(bare * 10), counted).unwrap());
            table.add(Kind::Coturn, Sample::new(Duration::from_nanos(coturn * 10), counted).unwrap());
        }
        let text = table.to_string();
        let row = text.lines().last().unwrap();
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            ["coturn", "4500", "3000", "6000", "100.00", "%", "3.00"]
        );
    }

    #[test]
    fn a_lossy_run_says_so() {
        let mut table = Table::new(&[Kind::Bare]);
        table.add(Kind::Bare, Sample::new(Duration::ZERO, Counted { sent: 10, delivered: 9 }).unwrap());
        assert!(table.to_string().contains("packets were lost"));
    }

    #[test]
    fn the_cost_is_that_of_delivered_packets() {
        let counted = Counted { sent: 20, delivered: 10 };
        let sample = Sample::new(Duration::from_nanos(100), counted).unwrap();
        assert_eq!(sample.to_string(), "10 ns/packet, 50.00 % delivered");
        assert!(Sample::new(Duration::ZERO, Counted { sent: 5, delivered: 0 }).is_err());
    }

    #[test]
    fn a_median_lies_in_the_middle() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < 1e-9);
    }
}
