//! JUnit XML: a suite for each scenario (or variant), a case for each distinct failure, so that a page of CI names each once.
//!
//! GitLab and Jenkins compare cases by their names from run to run, so names hold no counts and no seeds. GitLab shows the
//! body of a failure and not its message, Jenkins and most GitHub actions show both: so the body says it all. Every case
//! has a time, which all of them add up.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::fold::Counts;
use super::{Fold, Summary};
use crate::failure::Failure;

/// Writes the report of a sweep.
pub fn write(path: &Path, fold: &Fold, whole: &Summary) -> Result<(), Failure> {
    let mut report = Report::new("odradek sweep");
    for (name, counts) in fold.by_name() {
        report.add_test_suite(suite(name, counts));
    }
    let mut suite = TestSuite::new("the sweep");
    suite.set_time(Duration::ZERO);
    let check = |name: &str, wrong: &[String]| {
        let mut case = TestCase::new(name, TestCaseStatus::success());
        if !wrong.is_empty() {
            case.status = not_good(NonSuccessKind::Failure, &wrong.join("; "), name, &wrong.join("\n"));
        }
        case.set_classname("the sweep").set_time(Duration::ZERO);
        case
    };
    suite.add_test_case(check("the same seed gives the same run", &whole.mismatches));
    let unreached: &[String] = if whole.is_complete() { &whole.unreached_marks } else { &[] };
    suite.add_test_case(check("every mark is reached", unreached));
    report.add_test_suite(suite);
    let xml = report.to_string().map_err(|error| Failure::broken(format!("error: JUnit: {error}")))?;
    std::fs::write(path, xml).map_err(|error| Failure::file(path, "write", &error))
}

fn not_good(kind: NonSuccessKind, message: &str, kind_of: &str, body: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message).set_type(kind_of).set_description(body);
    status
}

fn suite(name: &str, counts: &Counts) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.set_time(counts.wall);
    let mut passed = TestCase::new("seeds that pass", TestCaseStatus::success());
    passed.set_classname(name).set_time(counts.passed_wall);
    passed.set_system_out(format!("{} of {} seeds pass", counts.passed, counts.runs));
    suite.add_test_case(passed);
    for (failure, wall) in counts.signatures() {
        let kind = match failure.signature.starts_with("broken/") {
            true => NonSuccessKind::Error,
            false => NonSuccessKind::Failure,
        };
        let body = format!(
            "{}\n{} of {} seeds; first {}, fastest {}\nagain: odradek {}",
            failure.summary, failure.count, counts.runs, failure.first_seed, failure.fastest_seed, failure.again
        );
        let status = not_good(kind, &failure.summary, &failure.signature, &body);
        let mut case = TestCase::new(failure.signature.clone(), status);
        case.set_classname(name).set_time(wall);
        suite.add_test_case(case);
    }
    suite
}
