//! `trust`: runs the tests that carry rows of the catalogue and prints how each row ended, then the
//! amplification table. It fails where a test failed or a row has neither a test nor a reason.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use std::process::ExitCode;

use trust::{Catalogue, Outcomes, TestsFound, Verdict, document, measure, run_tests};

fn main() -> ExitCode {
    match report() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(complaint) => {
            eprintln!("error: {complaint}");
            ExitCode::FAILURE
        }
    }
}

fn report() -> Result<bool, String> {
    let tests = TestsFound::search()?;
    let outcomes = Outcomes::read(&run_tests()?);
    let (mut passed, mut partly, mut failed, mut without) = (0, 0, 0, 0);
    for section in Catalogue::read().section {
        println!("\n{}. {}", section.letter, section.title);
        for row in &section.row {
            let verdict = match (outcomes.of(row, &tests), &row.gap) {
                (Verdict::Passed(count), None) => {
                    passed += 1;
                    format!("pass ({count})")
                }
                (Verdict::Passed(count), Some(gap)) => {
                    partly += 1;
                    format!("pass ({count}); {gap}")
                }
                (Verdict::Failed(names), _) => {
                    failed += 1;
                    format!("FAIL: {}", names.join(", "))
                }
                (Verdict::Without(reason), _) => {
                    without += 1;
                    reason
                }
                (Verdict::Unexplained, _) => {
                    failed += 1;
                    "FAIL: neither a test nor a reason".to_owned()
                }
            };
            println!("{:>4}  {}\n      {verdict}", row.number, row.attack);
        }
    }
    println!("\n{}", document::amplification_table(&measure()));
    println!("{passed} rows pass, {partly} pass with a gap, {without} have a reason, {failed} fail");
    Ok(failed == 0)
}
