//! JUnit XML: a suite for each scenario, a case for each distinct failure, so that a page of CI names each once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Line, Summary};
use crate::failure::Failure;

/// Writes the report of a sweep.
pub fn write(path: &Path, lines: &[Line], total: u64) -> Result<(), Failure> {
    let scenarios: BTreeSet<&str> = lines.iter().map(|line| line.record.scenario.as_str()).collect();
    let mut report = Report::new("odradek sweep");
    for scenario in scenarios {
        let own: Vec<Line> = lines.iter().filter(|line| line.record.scenario == scenario).cloned().collect();
        report.add_test_suite(suite(scenario, &own));
    }
    let whole = Summary::of(lines, total);
    let mut suite = TestSuite::new("the sweep");
    let check = |name: &str, wrong: &[String]| {
        let mut case = TestCase::new(name, TestCaseStatus::success());
        case.set_classname("sweep");
        if !wrong.is_empty() {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(wrong.join("; "));
            case.status = status;
        }
        case
    };
    suite.add_test_case(check("the same seed gives the same run", &whole.mismatches));
    let unreached: &[String] = if whole.is_complete() { &whole.unreached_marks } else { &[] };
    suite.add_test_case(check("every mark is reached", unreached));
    report.add_test_suite(suite);
    let xml = report.to_string().map_err(|error| Failure::broken(format!("error: JUnit: {error}")))?;
    std::fs::write(path, xml).map_err(|error| Failure::file(path, "write", &error))
}

fn suite(scenario: &str, lines: &[Line]) -> TestSuite {
    let summary = Summary::of(lines, lines.len() as u64);
    let mut suite = TestSuite::new(scenario);
    suite.set_time(Duration::from_secs_f64(summary.core_seconds.max(0.0)));
    let mut passed =
        TestCase::new(format!("{} of {} seeds pass", summary.passed, summary.runs), TestCaseStatus::success());
    passed.set_classname(scenario);
    passed.set_time(Duration::from_secs_f64(summary.core_seconds.max(0.0)));
    suite.add_test_case(passed);
    for failure in &summary.signatures {
        let kind = match failure.signature.starts_with("broken/") {
            true => NonSuccessKind::Error,
            false => NonSuccessKind::Failure,
        };
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(failure.summary.clone());
        status.set_type(failure.signature.clone());
        status.set_description(format!(
            "{} seeds; first {}, fastest {}\nagain: odradek {}",
            failure.count, failure.first_seed, failure.fastest_seed, failure.again
        ));
        let mut case = TestCase::new(failure.signature.clone(), status);
        case.set_classname(scenario);
        suite.add_test_case(case);
    }
    suite
}
