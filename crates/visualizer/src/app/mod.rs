//! The app: a trace, a view of it, and the frame around both.

pub mod apply;
pub mod command;
pub mod focus;
pub mod fonts;
pub mod keys;
pub mod layouts;
pub mod story;
pub mod tour;
pub mod view;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use egui::{RichText, Ui};
use egui_tiles::{Tree, UiResponse};

use crate::app::command::Command;
use crate::app::layouts::{Pane, Preset};
use crate::app::story::Story;
use crate::app::view::ViewState;
use crate::model::{At, FocusLink, Follower, Loading, Model, load};
use crate::panels::{self, Scene};
use crate::theme::{self, Theme};

/// How large everything is drawn, percent: the steps of Ctrl with + and -.
pub const ZOOMS: [u16; 8] = [80, 90, 100, 110, 125, 150, 175, 200];

/// What outlives a session: kept in the system's folder for settings.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Light or dark.
    pub theme: Theme,
    /// The chosen layout.
    pub preset: Preset,
    /// The layouts as they were left.
    pub layouts: BTreeMap<Preset, Tree<Pane>>,
    /// Whether the tour was shown.
    pub tour_seen: bool,
    /// How large everything is drawn, one of [`ZOOMS`].
    pub zoom: u16,
    /// The language of scenarios' notes.
    pub language: String,
    /// Whether nothing glides: messages stand still between events, and nothing fades.
    pub reduced_motion: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            theme: Theme::default(),
            preset: Preset::default(),
            layouts: BTreeMap::new(),
            tour_seen: false,
            zoom: 100,
            language: "en".into(),
            reduced_motion: false,
        }
    }
}

/// Where to look first, as the command line says.
#[derive(Clone, Copy, Default, Debug)]
pub struct Start {
    /// The instant.
    pub at: Option<At>,
    /// The node or partition.
    pub focus: Option<FocusLink>,
}

/// An open trace.
struct Session {
    model: Model,
    follower: Option<Follower>,
    view: ViewState,
    story: Story,
}

/// The app, without the window around it.
pub struct App {
    settings: Settings,
    session: Option<Session>,
    opening: Option<(PathBuf, Loading)>,
    failure: Option<String>,
    start: Start,
    /// The file field while no trace is open.
    asking: Option<String>,
    /// The theme and the motion that egui was told last.
    styled: Option<(Theme, bool)>,
    /// The zoom that egui was told last.
    zoomed: u16,
}

impl App {
    /// An app with nothing open.
    pub fn new(settings: Settings, start: Start) -> App {
        App { settings, session: None, opening: None, failure: None, start, asking: None, styled: None, zoomed: 100 }
    }

    /// Shows `model`.
    pub fn show(&mut self, model: Model, follower: Option<Follower>) {
        let mut view = ViewState::open(&model, self.settings.theme);
        view.preset = self.settings.preset;
        view.reduced_motion = self.settings.reduced_motion;
        view.language = self.settings.language.clone();
        let story = Story::of(&model);
        let start = std::mem::take(&mut self.start);
        if let Some(at) = start.at {
            apply::apply(&mut view, &model, Command::GoTo(at));
        }
        match start.focus {
            Some(FocusLink::Partition(partition)) => apply::apply(&mut view, &model, Command::Partition(partition)),
            Some(FocusLink::Node(node)) => apply::apply(&mut view, &model, Command::Node(node)),
            None => {}
        }
        view.history = Default::default();
        self.failure = None;
        self.asking = None;
        self.session = Some(Session { model, follower, view, story });
    }

    /// Shows the bundled example; on the first start with the tour.
    pub fn show_example(&mut self) {
        self.show(Model::example(), None);
        if !self.settings.tour_seen {
            self.settings.tour_seen = true;
            if let Some(session) = &mut self.session {
                session.view.overlays.tour = Some(0);
            }
        }
    }

    /// Begins to open a trace file, or the trace in a run's folder.
    pub fn open(&mut self, path: &Path) {
        let path = trace_in(path);
        self.opening = Some((path.clone(), load(&path)));
    }

    /// Says what went wrong, instead of or above the panels.
    pub fn fail(&mut self, message: String) {
        self.failure = Some(message);
    }

    /// The settings to keep.
    pub fn settings(&self) -> Settings {
        let mut settings = self.settings.clone();
        if let Some(session) = &self.session {
            settings.theme = session.view.theme;
            settings.preset = session.view.preset;
            settings.language = session.view.language.clone();
        }
        settings
    }

    /// The view, while a trace is open.
    pub fn view(&self) -> Option<&ViewState> {
        self.session.as_ref().map(|session| &session.view)
    }

    /// The trace, while one is open.
    pub fn model(&self) -> Option<&Model> {
        self.session.as_ref().map(|session| &session.model)
    }

    /// Does what a key, a panel or a test asks for.
    pub fn run(&mut self, command: Command) {
        match command {
            Command::Open(path) => self.open(&path),
            Command::OpenExample => self.show_example(),
            Command::Layout(preset) => {
                self.settings.preset = preset;
                if let Some(session) = &mut self.session {
                    session.view.preset = preset;
                }
            }
            Command::ResetLayouts => self.settings.layouts.clear(),
            Command::Enlarge(steps) => self.settings.zoom = enlarged(self.settings.zoom, steps),
            Command::ReduceMotion => {
                self.settings.reduced_motion = !self.settings.reduced_motion;
                if let Some(session) = &mut self.session {
                    session.view.reduced_motion = self.settings.reduced_motion;
                }
            }
            Command::AskFile if self.session.is_none() => self.asking = Some(String::new()),
            command => {
                if let Some(session) = &mut self.session {
                    apply::apply(&mut session.view, &session.model, command);
                    self.settings.theme = session.view.theme;
                }
            }
        }
    }

    /// One frame.
    pub fn ui(&mut self, ui: &mut Ui) {
        self.arrive(ui.ctx());
        let style = (self.settings.theme, self.settings.reduced_motion);
        if self.styled != Some(style) {
            self.styled = Some(style);
            theme::apply(ui.ctx(), self.settings.theme, self.settings.reduced_motion);
            // The keys for zoom are the app's own: the steps are kept and bounded.
            ui.ctx().options_mut(|options| options.zoom_with_keyboard = false);
            // What was styled before this frame began is styled again in the next.
            ui.set_style(ui.ctx().global_style());
            ui.ctx().request_repaint();
        }
        if self.zoomed != self.settings.zoom {
            self.zoomed = self.settings.zoom;
            ui.ctx().set_zoom_factor(f32::from(self.zoomed) / 100.0);
        }
        let mut commands: Vec<Command> = Vec::new();
        for file in ui.input(|input| input.raw.dropped_files.clone()) {
            commands.push(Command::Open(file.path().to_owned()));
        }
        match &mut self.session {
            Some(session) => {
                commands.extend(keys::commands(ui.ctx(), &session.view));
                let failure = &mut self.failure;
                session.ui(ui, &mut self.settings, &self.opening, failure, &mut commands);
            }
            None => self.welcome(ui, &mut commands),
        }
        commands.into_iter().for_each(|command| self.run(command));
    }

    /// Takes what other threads have ready: a loaded file, new events of a growing one.
    fn arrive(&mut self, context: &egui::Context) {
        if let Some((_, loading)) = &mut self.opening {
            match loading.poll() {
                None => context.request_repaint_after(std::time::Duration::from_millis(30)),
                Some(Ok(loaded)) => {
                    self.opening = None;
                    self.show(loaded.model, loaded.follower);
                }
                Some(Err(error)) => {
                    self.failure = Some(error.to_string());
                    self.opening = None;
                }
            }
        }
        let Some(session) = &mut self.session else { return };
        if let Some(follower) = &mut session.follower {
            match follower.poll(&mut session.model) {
                Ok(0) => {}
                Ok(_) => session.story = Story::of(&session.model),
                Err(error) => {
                    self.failure = Some(error.to_string());
                    session.follower = None;
                }
            }
            context.request_repaint_after(std::time::Duration::from_millis(200));
        }
        if session.view.playing {
            let seconds = context.input(|input| f64::from(input.stable_dt));
            apply::tick(&mut session.view, &session.model, seconds);
            context.request_repaint();
        }
    }

    /// What one sees while no trace is open.
    fn welcome(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let tokens = self.settings.theme.tokens();
        egui::CentralPanel::default().show(ui, |ui| {
            ui.vertical_centered(|ui| {
                ui.add_space(ui.available_height() * 0.3);
                ui.heading("Odradek");
                if let Some((path, loading)) = &self.opening {
                    progress(ui, path, loading);
                    return;
                }
                match &self.failure {
                    Some(failure) => {
                        ui.label(RichText::new("\u{26a0} This trace cannot be opened.").color(tokens.violation_text));
                        ui.label(failure);
                    }
                    None => {
                        ui.label("Replay a recorded run, and see the cause.");
                    }
                }
                ui.add_space(8.0);
                if ui.button("Open\u{2026}").clicked() {
                    commands.push(Command::AskFile);
                }
                if ui.button("Open the bundled example").clicked() {
                    commands.push(Command::OpenExample);
                }
                ui.label(RichText::new("or drop a trace on this window").color(tokens.muted));
            });
        });
        panels::overlays::file_field(ui.ctx(), &mut self.asking, commands);
    }
}

/// The zoom this many steps on; 0 steps is back to 100 %.
fn enlarged(zoom: u16, steps: i8) -> u16 {
    let at = ZOOMS.iter().position(|step| *step >= zoom).unwrap_or(ZOOMS.len() - 1);
    match steps {
        0 => 100,
        steps => ZOOMS[at.saturating_add_signed(steps.into()).min(ZOOMS.len() - 1)],
    }
}

/// The trace of a run's folder; other paths stay as they are.
pub fn trace_in(path: &Path) -> PathBuf {
    let names = ["trace.jsonl.zst", "trace.jsonl"];
    let inside = || names.iter().map(|name| path.join(name)).find(|file| file.is_file());
    if path.is_dir() { inside().unwrap_or_else(|| path.to_owned()) } else { path.to_owned() }
}

fn progress(ui: &mut Ui, path: &Path, loading: &Loading) {
    let progress = loading.progress();
    ui.label(format!("Opening {}", path.display()));
    let events = panels::events::grouped(progress.events as usize);
    ui.add(egui::ProgressBar::new(progress.fraction()).desired_width(320.0).text(format!("{events} events")));
    if ui.button("Cancel").clicked() {
        loading.cancel();
    }
}

impl Session {
    fn ui(
        &mut self,
        ui: &mut Ui,
        settings: &mut Settings,
        opening: &Option<(PathBuf, Loading)>,
        failure: &mut Option<String>,
        commands: &mut Vec<Command>,
    ) {
        let rows = self.view.rows(&self.model);
        let inspection = self.view.inspection(&self.model);
        let mut overlays = std::mem::take(&mut self.view.overlays);
        let typed = (overlays.palette.take(), overlays.time.take(), overlays.file.take());
        let (mut palette, mut time, mut file) = typed;
        self.view.overlays = overlays;
        let mut places = BTreeMap::new();
        let before = commands.len();
        {
            let scene = Scene {
                model: &self.model,
                view: &self.view,
                state: self.model.state_at(self.view.focus.event),
                rows,
                inspection,
                tokens: self.view.tokens(),
            };
            frame(&scene, &self.story, ui, opening, failure, commands);
            let tree = settings.layouts.entry(self.view.preset).or_insert_with(|| self.view.preset.tree());
            let mut tiles = Panes { scene: &scene, commands, places: &mut places };
            let ground = egui::Frame::NONE.fill(scene.tokens.ground);
            egui::CentralPanel::default().frame(ground).show(ui, |ui| tree.ui(&mut tiles, ui));
            let typed = panels::overlays::Typed { palette: &mut palette, time: &mut time, file: &mut file };
            panels::overlays::ui(&scene, ui.ctx(), typed, commands);
        }
        let overlays = &mut self.view.overlays;
        (overlays.palette, overlays.time, overlays.file) = (palette, time, file);
        self.view.places = places;
        if commands.len() == before {
            self.view.filter.wants_keyboard = false;
        }
        if let Some(timeline) = self.view.places.get(&Pane::Timeline) {
            self.view.timeline.width = panels::timeline::width(*timeline);
        }
    }
}

/// The bars above and below the panels.
fn frame(
    scene: &Scene,
    story: &Story,
    ui: &mut Ui,
    opening: &Option<(PathBuf, Loading)>,
    failure: &mut Option<String>,
    commands: &mut Vec<Command>,
) {
    egui::Panel::top("bar").show(ui, |ui| {
        panels::shell::bar(scene, ui, commands);
        if let Some((path, loading)) = opening {
            ui.horizontal(|ui| progress(ui, path, loading));
        }
        let mut dismissed = false;
        if let Some(failure) = failure {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(format!("\u{26a0} {failure}")).color(scene.tokens.violation_text));
                dismissed = ui.small_button("Dismiss").clicked();
            });
        }
        if dismissed {
            *failure = None;
        }
        panels::shell::story(scene, story, ui, commands);
    });
    egui::Panel::bottom("caption").show(ui, |ui| panels::shell::caption(scene, ui));
}

/// What the tiles ask about panels.
struct Panes<'a, 'b> {
    scene: &'a Scene<'b>,
    commands: &'a mut Vec<Command>,
    places: &'a mut BTreeMap<Pane, egui::Rect>,
}

impl egui_tiles::Behavior<Pane> for Panes<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _: egui_tiles::TileId, pane: &mut Pane) -> UiResponse {
        let rect = ui.max_rect();
        self.places.insert(*pane, rect);
        ui.painter().rect_filled(rect, 0.0, self.scene.tokens.panel);
        let detail = match pane {
            Pane::Logs => self.scene.view.focus.partition.map_or(String::new(), |partition| partition.to_string()),
            _ => String::new(),
        };
        let heading = panels::heading(ui, pane.title(), &detail, self.scene.tokens);
        let inner = ui.available_rect_before_wrap().shrink2(egui::vec2(4.0, 2.0));
        ui.scope_builder(egui::UiBuilder::new().max_rect(inner).id_salt(pane.title()), |ui| {
            ui.set_clip_rect(inner.intersect(ui.clip_rect()));
            let (scene, commands) = (self.scene, &mut *self.commands);
            match pane {
                Pane::Outline => panels::outline::ui(scene, ui, commands),
                Pane::Cluster => panels::cluster::ui(scene, ui, commands),
                Pane::Logs => panels::logs::ui(scene, ui, commands),
                Pane::Timeline => panels::timeline::ui(scene, ui, commands),
                Pane::Events => panels::events::ui(scene, ui, commands),
                Pane::Inspector => panels::inspector::ui(scene, ui, commands),
            }
        });
        if heading.drag_started() { UiResponse::DragStarted } else { UiResponse::None }
    }

    fn tab_title_for_pane(&mut self, pane: &Pane) -> egui::WidgetText {
        pane.title().into()
    }

    fn gap_width(&self, _: &egui::Style) -> f32 {
        3.0
    }
}
