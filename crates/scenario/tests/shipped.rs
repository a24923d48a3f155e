//! The scenarios in `scenarios/` and the template: they parse, resolve, and come back unchanged from their plans.

use std::path::{Path, PathBuf};

use odradek_scenario as scenario;
use odradek_scenario::{Options, Plan, Scenario};

/// Every scenario file, also in subfolders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[expect(clippy::disallowed_methods, reason = "a test reads the repository's files")]
fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let files = files(&folder);
    assert!(files.len() >= 12, "only {} scenarios found", files.len());
    files
        .into_iter()
        .map(|path| (path.display().to_string(), std::fs::read_to_string(path).expect("it is a text")))
        .collect()
}

fn parse(file: &str, text: &str, options: &Options) -> Scenario {
    Scenario::parse_with(file, text, options).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_shipped_scenario_parses_and_comes_back_from_its_plan() {
    for (file, text) in shipped() {
        let plan = parse(&file, &text, &Options::default()).resolve(7, None).expect("7 is a seed");
        let written = plan.to_toml();
        let read = Plan::parse("plan.toml", &written).unwrap_or_else(|error| panic!("{file}:\n{written}\n{error}"));
        assert_eq!(plan, read, "{file}");
        assert_eq!(written, read.to_toml(), "{file}");
    }
}

#[test]
fn every_shipped_scenario_is_named_as_its_file_and_draws_no_warning() {
    for (file, text) in shipped() {
        let scenario = parse(&file, &text, &Options::default());
        let plan = scenario.resolve(0, None).expect("0 is a seed");
        for variant in &scenario.variants {
            let options = Options { variant: Some(variant.name.clone()), ..Options::default() };
            let plan = parse(&file, &text, &options).resolve(0, None).expect("0 is a seed");
            assert_eq!(plan.warnings(), [], "{file}, variant {}", variant.name);
        }
        let stem = Path::new(&file).file_stem().expect("it has a name").to_string_lossy();
        assert_eq!(plan.name, stem, "{file}");
        let warnings: Vec<String> = plan.warnings().iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [""; 0], "{file}");
        assert!(text.starts_with("# Intent: "), "{file} opens with its intent");
        assert!(plan.phases.end().nanos() <= 120_000_000_000, "{file} takes {}", plan.phases.end());
    }
}

#[test]
fn every_hazard_and_flaw_has_a_control_run_that_expects_no_violation() {
    let without_flaws = Options { without_flaws: true, ..Options::default() };
    for (file, text) in shipped() {
        let flawed = parse(&file, &text, &Options::default()).resolve(1, None).expect("1 is a seed");
        let control = parse(&file, &text, &without_flaws).resolve(1, None).expect("1 is a seed");
        assert!(control.cluster.flaws.is_empty() && control.expect.violation.is_empty(), "{file}");
        if !flawed.expect.violation.is_empty() {
            let setup = |plan: &Plan| {
                let clients = (plan.producers.clone(), plan.consumers.clone());
                (plan.cluster.clone(), plan.topics.clone(), clients, plan.faults.clone())
            };
            assert_ne!(setup(&flawed), setup(&control), "{file}: the control is another run");
        }
    }
}

#[test]
fn the_template_is_a_scenario_of_the_name_given() {
    for name in ["mine", "a.b_c-1"] {
        let text = scenario::template(name);
        let plan = parse("new.toml", &text, &Options::default()).resolve(0, None).expect("0 is a seed");
        assert_eq!(plan.name, name);
        assert_eq!(plan.warnings(), []);
        assert_eq!(plan, Plan::parse("plan.toml", &plan.to_toml()).expect("a plan that was written"));
    }
}
