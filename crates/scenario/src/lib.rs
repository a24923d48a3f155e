//! Scenarios: the TOML grammar, its errors, and the resolved [`Plan`] that the simulator runs.
//!
//! Text in, values out: this crate reads no file and knows no clock. `Scenario::parse` checks everything at once and
//! reports every error with its place; `Scenario::resolve` turns a scenario and a seed into a plan.

mod broker_settings;
mod buggify;
mod chaos;
mod client_settings;
mod condition;
mod config;
mod diagnostic;
mod document;
mod explain;
mod fault;
mod flaws;
mod functions;
mod kinds;
mod model;
mod names;
mod oracles;
mod overrides;
mod pattern;
mod plan;
mod quantity;
mod random;
mod read;
mod render;
mod report;
mod scenario;
mod selector;
mod selectors;
mod settings;
mod support;
mod syntax;
mod table;
mod template;
mod warnings;
mod write;

pub use buggify::{BUGGIFY, Buggify};
pub use condition::{Condition, Metrics, Operator, Target};
pub use config::{Config, Value};
pub use diagnostic::{Diagnostic, ScenarioError};
pub use explain::{explain, explain_index, explain_nearest};
pub use fault::{Direction, Fault, FaultKind, Keep, Trigger, Until};
pub use flaws::{FLAWS, Flaw, flaw};
pub use functions::{Argument, FUNCTIONS, Function, Unit};
pub use kinds::{APIS, FAULTS, FaultForm, Parameter, Takes, fault_form};
pub use model::{
    BrokerOverride, Chaos, Cluster, Commit, Consumer, Core, Disk, Eventually, Expect, Network, Note, OFFSETS_TOPIC,
    Payload, Phases, Processor, Producer, Reseed, SCHEMA, Topic, Variant,
};
pub use oracles::{ALLOWANCES, Allowance, MARKS, Mark, ORACLES, Oracle, oracle};
pub use plan::{Plan, SEED_LIMIT};
pub use quantity::{Bandwidth, Distribution, Duration, Latency, Problem, Range, Rate, Ratio, Size};
pub use render::{IDENTITY_HEADER, Rendered};
pub use scenario::{Options, Scenario};
pub use selector::{ClusterView, Draw, Selector};
pub use selectors::{SELECTORS, SelectorForm};
pub use settings::{Fallback, Kind, Scope, Setting, all as settings, find as setting};
pub use template::template;
