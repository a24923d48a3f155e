//! Which versions of which API are advertised and served.

use kafka_protocol::messages::api_versions_response::ApiVersion;

use super::apis::Api;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Anyone.
    Client,
    /// Brokers and the controller; clients need not see it.
    Broker,
}

/// The versions of one API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Which API.
    pub api: Api,
    /// Who may ask.
    pub audience: Audience,
    /// Lowest version advertised.
    pub minimum: i16,
    /// Highest version advertised and served.
    pub maximum: i16,
    /// Lowest version really served: Produce advertises 0-2 for librdkafka's sake (KAFKA-18659) and never serves them.
    pub served_minimum: i16,
}

impl Range {
    /// Whether a request at this version can be decoded and answered.
    pub const fn serves(&self, version: i16) -> bool {
        self.served_minimum <= version && version <= self.maximum
    }

    /// Every version served, lowest first.
    pub fn versions(&self) -> impl Iterator<Item = i16> + use<> {
        self.served_minimum..=self.maximum
    }
}

/// All ranges, by API key.
pub fn table() -> impl Iterator<Item = Range> {
    Api::ALL.iter().map(|api| api.range())
}

/// The table for an ApiVersions response; the control APIs only if `to_brokers`.
pub fn advertised(to_brokers: bool) -> Vec<ApiVersion> {
    table()
        .filter(|range| to_brokers || range.audience == Audience::Client)
        .map(|range| {
            ApiVersion::default()
                .with_api_key(range.api.key())
                .with_min_version(range.minimum)
                .with_max_version(range.maximum)
        })
        .collect()
}

/// The highest version that we and a peer with this table both serve, if any.
pub fn highest_common(api: Api, peer: &[ApiVersion]) -> Option<i16> {
    let ours = api.range();
    let theirs = peer.iter().find(|version| version.api_key == api.key())?;
    let highest = ours.maximum.min(theirs.max_version);
    (highest >= ours.served_minimum.max(theirs.min_version)).then_some(highest)
}
