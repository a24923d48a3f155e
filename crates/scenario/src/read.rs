//! stub
use crate::{Options, Scenario, ScenarioError};
pub(crate) fn scenario(_file: &str, _text: &str, _options: &Options) -> Result<Scenario, ScenarioError> { todo!() }
