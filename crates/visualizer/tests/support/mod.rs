//! The app in a harness: no window, no GPU; a small CPU rasteriser where a picture is wanted.
#![allow(dead_code, reason = "each test binary uses its own part")]

use egui_kittest::{Harness, TestRenderer};
use visualizer::app::command::Command;
use visualizer::app::{App, Settings, Start};
use visualizer::model::Model;
use visualizer::raster::Rasteriser;
use visualizer::theme::Theme;

/// The rasteriser as egui_kittest wants it.
pub struct Renderer(Rasteriser);

impl TestRenderer for Renderer {
    fn handle_delta(&mut self, delta: &mut egui::TexturesDelta) {
        self.0.update(delta);
    }

    fn render(&mut self, context: &egui::Context, output: &egui::FullOutput) -> Result<image::RgbaImage, String> {
        let size = context.content_rect().size() * output.pixels_per_point;
        Ok(self.0.paint(context, output, [size.x as usize, size.y as usize], egui::Color32::BLACK))
    }
}

/// The app over the bundled example, with or without its tour.
pub fn example(tour_seen: bool, theme: Theme) -> Harness<'static, App> {
    let settings = Settings { tour_seen, theme, ..Settings::default() };
    let mut app = App::new(settings, Start::default());
    app.show_example();
    harness(app)
}

/// Any app.
pub fn harness(app: App) -> Harness<'static, App> {
    let builder = Harness::builder().with_size(egui::vec2(1400.0, 800.0)).with_max_steps(30);
    // No font of this machine: pictures are the same everywhere.
    let builder = builder.with_context_setup(visualizer::app::fonts::install_builtin);
    let builder = builder.renderer(Renderer(Rasteriser::new()));
    let mut harness = builder.build_ui_state(|ui, app: &mut App| app.ui(ui), app);
    harness.run_ok();
    harness
}

/// The trace that is shown.
pub fn model<'a>(harness: &'a Harness<'_, App>) -> &'a Model {
    harness.state().model().expect("a trace is open")
}

/// The place of the focused event.
pub fn focus(harness: &Harness<App>) -> usize {
    harness.state().view().expect("a trace is open").focus.event
}

/// Runs a command as a panel would, and a frame.
pub fn run(harness: &mut Harness<App>, command: Command) {
    harness.state_mut().run(command);
    harness.run_ok();
}
