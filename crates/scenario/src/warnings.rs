//! stub
pub(crate) fn find(_plan: &crate::Plan) -> Vec<crate::Diagnostic> { todo!() }
