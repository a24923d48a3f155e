//! ApiVersions: what is spoken here, without the control APIs.

use wire::kafka::messages::ApiVersionsResponse;
use wire::kafka::versions::advertised;

/// Answers with the table.
pub fn handle() -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_api_keys(advertised(false))
}
