//! A scenario: what a TOML file says, before seeds decide the rest.

use crate::diagnostic::ScenarioError;
use crate::plan::SEED_LIMIT;
use crate::{Chaos, Plan, Variant, random};

/// A scenario as it was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The seed, if the file is a plan.
    pub seed: Option<u64>,
    /// The schedule seed, if the file is a plan that names one.
    pub schedule_seed: Option<u64>,
    /// Faults drawn per seed.
    pub chaos: Option<Chaos>,
    /// The same scenario with other settings.
    pub variants: Vec<Variant>,
    /// All that is certain already; its seeds mean nothing yet.
    pub(crate) draft: Plan,
    /// What was read, to read it again with the settings that a seed draws.
    pub(crate) source: Source,
}

impl Scenario {
    /// Whether a consumer is in a group, whatever the seed.
    pub fn has_group(&self) -> bool {
        self.draft.consumers.iter().any(|consumer| consumer.group.is_some())
    }
}

/// The text of a scenario with the changes made to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) options: Options,
}

/// Changes that the command line makes to a scenario before it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--set PATH=VALUE`, in order.
    pub set: Vec<String>,
    /// `--without-flaws`: applies `[control]`, drops `cluster.flaws` and `expect.violation`.
    pub without_flaws: bool,
    /// `--variant`: which variant's settings apply.
    pub variant: Option<String>,
}

impl Scenario {
    /// Reads a scenario (or a plan). `file` is only named in errors.
    ///
    /// # Errors
    /// All that is wrong with the text.
    pub fn parse(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
        Scenario::parse_with(file, text, &Options::default())
    }

    /// Reads a scenario with changes from the command line.
    ///
    /// # Errors
    /// As [`Scenario::parse`]; also when a change does not fit, naming the flag.
    pub fn parse_with(file: &str, text: &str, options: &Options) -> Result<Scenario, ScenarioError> {
        crate::read::scenario(file, text, options)
    }

    /// The scenario's name.
    pub fn name(&self) -> &str {
        &self.draft.name
    }

    /// What the scenario shows, in a sentence.
    pub fn intent(&self) -> &str {
        &self.draft.intent
    }

    /// The variant whose settings were applied, if one was asked for.
    pub fn variant(&self) -> Option<&str> {
        self.source.options.variant.as_deref()
    }

    /// Whether the file was a plan: it has a `seed`.
    pub fn is_plan(&self) -> bool {
        self.seed.is_some()
    }

    /// The scenario with all that a seed decides. Without a schedule seed, one is derived from `seed`.
    ///
    /// # Errors
    /// When a seed is 2^53 or more, or settings that `[chaos] vary` draws do not fit together.
    pub fn resolve(&self, seed: u64, schedule_seed: Option<u64>) -> Result<Plan, ScenarioError> {
        let schedule_seed = schedule_seed.unwrap_or_else(|| random::schedule_seed(seed));
        for (name, value) in [("seed", seed), ("schedule seed", schedule_seed)] {
            if value >= SEED_LIMIT {
                let message = format!("the {name} {value} is not below 2^53");
                return Err(ScenarioError::single(crate::Diagnostic::of_file(&self.draft.origin.file, message, None)));
            }
        }
        let Some(chaos) = &self.chaos else {
            let mut plan = Plan { seed, schedule_seed, ..self.draft.clone() };
            crate::chaos::draw_core(&mut plan);
            return Ok(plan);
        };
        let varied = self.with(&crate::chaos::draw_settings(chaos, seed))?;
        let mut plan = Plan { seed, schedule_seed, ..varied };
        crate::chaos::draw_core(&mut plan);
        crate::chaos::draw_faults(chaos, &mut plan);
        Ok(plan)
    }

    /// The draft with settings that a seed drew: variants and the command line have the last word.
    pub(crate) fn with(&self, drawn: &[String]) -> Result<Plan, ScenarioError> {
        if drawn.is_empty() {
            return Ok(self.draft.clone());
        }
        crate::read::draft(&self.draft.origin.file, &self.source.text, &self.source.options, drawn)
    }
}
