//! The desktop visualizer: replay a trace, and see the cause.
//!
//! `model` (the trace and the answers to all questions about it) and `layout` (what stands where) know no egui;
//! `panels` paint what `layout` says and collect commands; `app` applies them in one place.

pub mod app;
pub mod headless;
pub mod layout;
pub mod model;
mod palette;
pub mod panels;
pub mod raster;
pub mod theme;
pub mod window;
