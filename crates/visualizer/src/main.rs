//! `odradek-visualizer`: replay a trace, and see the cause.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use visualizer::app::command::Command as AppCommand;
use visualizer::app::layouts::Preset;
use visualizer::app::{App, Settings, Start};
use visualizer::model::{At, FocusLink, Model, load};
use visualizer::theme::Theme;

/// Replay the trace of a run and see the cause of a violation.
#[derive(Parser)]
#[command(name = "odradek-visualizer", version, about, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    view: ViewArguments,
}

#[derive(Args)]
struct ViewArguments {
    /// The trace, or a run's folder; without it the bundled example opens.
    trace: Option<PathBuf>,
    /// Where to look first: `violation:1`, `12.5s` or `event:48211`.
    #[arg(long)]
    at: Option<At>,
    /// What to look at: `orders/0` or `broker-1`.
    #[arg(long)]
    focus: Option<FocusLink>,
}

#[derive(Subcommand)]
enum Command {
    /// Draw one picture, with no display and no GPU; the same input gives the same bytes.
    Render {
        #[command(flatten)]
        view: ViewArguments,
        /// The PNG to write.
        #[arg(long)]
        out: PathBuf,
        /// Which panels.
        #[arg(long, value_enum, default_value = "triage")]
        layout: LayoutName,
        /// Light or dark.
        #[arg(long, value_enum, default_value = "dark")]
        theme: ThemeName,
        /// Width and height in points.
        #[arg(long, default_value = "1600x900", value_parser = size)]
        size: (u32, u32),
        /// Pixels a point.
        #[arg(long, default_value_t = 1.0, value_parser = scale)]
        scale: f32,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum LayoutName {
    Triage,
    Log,
}

#[derive(Clone, Copy, ValueEnum)]
enum ThemeName {
    Dark,
    Light,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    match parsed {
        Some((width, height)) if (200..=8000).contains(&width) && (150..=8000).contains(&height) => Ok((width, height)),
        _ => Err("want WIDTHxHEIGHT in points, such as 1600x900, at most 8000 each".into()),
    }
}

fn scale(text: &str) -> Result<f32, String> {
    let parsed = text.parse::<f32>().ok().filter(|scale| (0.5..=4.0).contains(scale));
    parsed.ok_or_else(|| "want a number from 0.5 to 4".into())
}

/// Bad usage or input, as for `odradek`.
const BAD_INPUT: u8 = 2;
/// Something of ours, or of the machine, is broken.
const BROKEN: u8 = 3;

fn main() -> ExitCode {
    let line = Line::parse();
    let result = match line.command {
        Some(Command::Render { view, out, layout, theme, size, scale }) => {
            let preset = match layout {
                LayoutName::Triage => Preset::Triage,
                LayoutName::Log => Preset::Log,
            };
            let theme = match theme {
                ThemeName::Dark => Theme::Dark,
                ThemeName::Light => Theme::Light,
            };
            render(view, &out, Settings { preset, theme, tour_seen: true, ..Settings::default() }, size, scale)
        }
        None => open(line.view),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, message)) => {
            eprintln!("odradek-visualizer: {message}");
            ExitCode::from(status)
        }
    }
}

fn open(view: ViewArguments) -> Result<(), (u8, String)> {
    let begin = move |settings| {
        let mut app = App::new(settings, Start { at: view.at, focus: view.focus });
        match &view.trace {
            Some(path) => app.open(path),
            None => app.show_example(),
        }
        app
    };
    visualizer::window::run(begin).map_err(|message| (BROKEN, message))
}

fn render(
    view: ViewArguments,
    out: &std::path::Path,
    settings: Settings,
    (width, height): (u32, u32),
    scale: f32,
) -> Result<(), (u8, String)> {
    let model = match &view.trace {
        None => Model::example(),
        Some(path) => {
            let path = visualizer::app::trace_in(path);
            let loaded = load(&path).wait();
            loaded.map_err(|error| (BAD_INPUT, error.to_string()))?.model
        }
    };
    if let Some(at) = view.at
        && model.resolve(at).is_none()
    {
        return Err((BAD_INPUT, format!("the trace has no {at}")));
    }
    let preset = settings.preset;
    let mut app = App::new(settings, Start { at: view.at, focus: view.focus });
    app.show(model, None);
    app.run(AppCommand::Layout(preset));
    let picture = visualizer::headless::picture(&mut app, width, height, scale);
    visualizer::headless::save(&picture, out).map_err(|error| (BAD_INPUT, format!("{}: {error}", out.display())))
}
