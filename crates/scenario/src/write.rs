//! stub
pub(crate) fn plan(_plan: &crate::Plan) -> String { todo!() }
