//! The app in a window, and what to say where none can be opened.

use crate::app::{App, Settings};

const SETTINGS: &str = "settings";

/// The app as eframe sees it.
struct Window {
    app: App,
}

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        self.app.ui(ui);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        match serde_json::to_string(&self.app.settings()) {
            Ok(settings) => storage.set_string(SETTINGS, settings),
            Err(error) => eprintln!("odradek-visualizer: settings are not kept: {error}"),
        }
    }
}

/// Opens the window and runs until it is closed. `begin` gets the settings that were kept and returns the app.
///
/// # Errors
/// A message for people where no window can be opened: it says what is missing.
pub fn run(begin: impl FnOnce(Settings) -> App + 'static) -> Result<(), String> {
    let viewport = egui::ViewportBuilder::default()
        .with_title("Odradek")
        .with_app_id("odradek-visualizer")
        .with_inner_size([1600.0, 900.0])
        .with_min_inner_size([640.0, 400.0])
        .with_drag_and_drop(true);
    let options = eframe::NativeOptions { viewport, ..Default::default() };
    let result = eframe::run_native(
        "odradek-visualizer",
        options,
        Box::new(move |creation| {
            crate::app::fonts::install(&creation.egui_ctx);
            // What an older build kept may not fit any more: then the settings start anew.
            let kept = creation.storage.and_then(|storage| storage.get_string(SETTINGS));
            let settings = kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default();
            Ok(Box::new(Window { app: begin(settings) }))
        }),
    );
    result.map_err(|error| advice(&error.to_string()))
}

/// What to do where no window can be opened.
pub fn advice(error: &str) -> String {
    // Where in its own source the library noticed helps nobody.
    let reason = error.split_once(".rs:").and_then(|(_, after)| after.split_once(": ")).map_or(error, |(_, said)| said);
    format!(
        "no window can be opened: {reason}\n\
         A display is needed (DISPLAY or WAYLAND_DISPLAY), with OpenGL. On Debian and Ubuntu install:\n\
         \n    apt-get install libx11-6 libx11-xcb1 libxcursor1 libxi6 libxkbcommon-x11-0 libgl1\n\n\
         Without a display, draw a picture instead:\n\
         \n    odradek-visualizer render TRACE --at violation:1 --out shot.png"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_missing_display_is_explained_with_what_to_install() {
        let advice = super::advice("no display");
        assert!(advice.contains("libgl1") && advice.contains("odradek-visualizer render"));
        let noticed = super::advice("winit EventLoopError: os error at /a/linux/mod.rs:788: no connection: refused");
        assert!(noticed.starts_with("no window can be opened: no connection: refused\n"), "{noticed}");
    }
}
