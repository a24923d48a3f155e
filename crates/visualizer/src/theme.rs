//! Colours: the Okabe-Ito palette for both themes, in one place.
//!
//! Every colour is a token with one meaning, so that a test can check contrast and colour vision once for all panels.
//! Vermilion belongs to violations alone. Meaning never rests on colour only: panels add a glyph, a hatch or a word.

use egui::Color32;

/// Light or dark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// Bright marks on a dark ground.
    #[default]
    Dark,
    /// Dark marks on a light ground.
    Light,
}

impl Theme {
    /// The other one.
    pub fn other(self) -> Theme {
        match self {
            Theme::Dark => Theme::Light,
            Theme::Light => Theme::Dark,
        }
    }

    /// Its colours.
    pub fn tokens(self) -> &'static Tokens {
        match self {
            Theme::Dark => &DARK,
            Theme::Light => &LIGHT,
        }
    }
}

/// The colours of a theme, by meaning.
#[derive(Debug)]
pub struct Tokens {
    /// Behind everything.
    pub ground: Color32,
    /// Behind a panel's content.
    pub panel: Color32,
    /// Behind what stands out of a panel: chips, rows under the pointer.
    pub raised: Color32,
    /// Behind what is selected.
    pub selected: Color32,
    /// Thin lines between things. Never carries meaning.
    pub line: Color32,
    /// Words.
    pub text: Color32,
    /// Words of less weight.
    pub muted: Color32,
    /// Words that can be clicked, and the focus.
    pub link: Color32,
    /// The instant that is shown, on every lane.
    pub cursor: Color32,
    /// Violations, and nothing else.
    pub violation: Color32,
    /// Words about violations.
    pub violation_text: Color32,
    /// Faults.
    pub fault: Color32,
    /// What goes well: up, acknowledged, in sync.
    pub good: Color32,
    /// What is out of sync or waits.
    pub waiting: Color32,
    /// What is down or absent.
    pub absent: Color32,
    /// Leader epochs, cycled; the number is always printed too.
    pub epochs: [Color32; 5],
    /// Kafka's frames.
    pub kafka: Color32,
    /// ZooKeeper's frames, of clients and of the quorum.
    pub zookeeper: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

static DARK: Tokens = Tokens {
    ground: rgb(0x0E1114),
    panel: rgb(0x15191E),
    raised: rgb(0x222830),
    selected: rgb(0x123A52),
    line: rgb(0x333B45),
    text: rgb(0xE4E8EC),
    muted: rgb(0x9DA7B1),
    link: rgb(0x6CC0F0),
    cursor: rgb(0xFFFFFF),
    violation: rgb(0xD55E00),
    violation_text: rgb(0xFF8A3D),
    fault: rgb(0xCC79A7),
    good: rgb(0x00A87B),
    waiting: rgb(0xE69F00),
    absent: rgb(0x7D8790),
    epochs: [rgb(0x56B4E9), rgb(0xE69F00), rgb(0x00A87B), rgb(0xF0E442), rgb(0x2F86C4)],
    kafka: rgb(0x56B4E9),
    zookeeper: rgb(0xF0E442),
};

static LIGHT: Tokens = Tokens {
    ground: rgb(0xE9ECEF),
    panel: rgb(0xFFFFFF),
    raised: rgb(0xEDF0F3),
    selected: rgb(0xCFE6F5),
    line: rgb(0xC4CBD2),
    text: rgb(0x16191D),
    muted: rgb(0x525B64),
    link: rgb(0x00588A),
    cursor: rgb(0x000000),
    violation: rgb(0xD55E00),
    violation_text: rgb(0xA14600),
    fault: rgb(0xA84F80),
    good: rgb(0x00805D),
    waiting: rgb(0xA87200),
    absent: rgb(0x6B747C),
    epochs: [rgb(0x338BC0), rgb(0xB07A00), rgb(0x008F69), rgb(0x8F8600), rgb(0x00578A)],
    kafka: rgb(0x0072B2),
    zookeeper: rgb(0x8F8600),
};

impl Tokens {
    /// The colour of a leader epoch.
    pub fn epoch(&self, epoch: i32) -> Color32 {
        let count = self.epochs.len() as i32;
        self.epochs[epoch.rem_euclid(count) as usize]
    }

    /// Black or white, whichever reads better on `fill`.
    pub fn on(fill: Color32) -> Color32 {
        if contrast(Color32::BLACK, fill) >= contrast(Color32::WHITE, fill) { Color32::BLACK } else { Color32::WHITE }
    }
}

/// A colour thinned to `alpha` (0 to 1).
pub fn thin(colour: Color32, alpha: f32) -> Color32 {
    colour.gamma_multiply(alpha)
}

/// WCAG 2's relative luminance, 0 to 1.
pub fn luminance(colour: Color32) -> f32 {
    let linear = egui::Rgba::from(colour);
    0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
}

/// WCAG 2's contrast, 1 to 21.
pub fn contrast(one: Color32, other: Color32) -> f32 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Makes egui's own widgets look as the theme says.
pub fn apply(context: &egui::Context, theme: Theme, reduced_motion: bool) {
    let tokens = theme.tokens();
    let mut visuals = match theme {
        Theme::Dark => egui::Visuals::dark(),
        Theme::Light => egui::Visuals::light(),
    };
    visuals.override_text_color = Some(tokens.text);
    visuals.panel_fill = tokens.panel;
    visuals.window_fill = tokens.panel;
    visuals.extreme_bg_color = tokens.ground;
    visuals.faint_bg_color = tokens.raised;
    visuals.hyperlink_color = tokens.link;
    visuals.selection.bg_fill = tokens.selected;
    visuals.selection.stroke = egui::Stroke::new(1.0, tokens.link);
    visuals.weak_text_color = Some(tokens.muted);
    visuals.widgets.noninteractive.bg_stroke = egui::Stroke::new(1.0, tokens.line);
    let context_theme = match theme {
        Theme::Dark => egui::Theme::Dark,
        Theme::Light => egui::Theme::Light,
    };
    context.set_theme(context_theme);
    context.set_visuals_of(context_theme, visuals);
    context.style_mut_of(context_theme, |style| {
        style.spacing.item_spacing = egui::vec2(6.0, 4.0);
        style.spacing.button_padding = egui::vec2(6.0, 2.0);
        style.interaction.tooltip_delay = 0.2;
        let usual = egui::Style::default();
        style.animation_time = if reduced_motion { 0.0 } else { usual.animation_time };
        style.scroll_animation =
            if reduced_motion { egui::style::ScrollAnimation::none() } else { usual.scroll_animation };
        for (text_style, size) in [
            (egui::TextStyle::Heading, 15.0),
            (egui::TextStyle::Body, 12.5),
            (egui::TextStyle::Button, 12.5),
            (egui::TextStyle::Small, 10.5),
            (egui::TextStyle::Monospace, 12.0),
        ] {
            if let Some(font) = style.text_styles.get_mut(&text_style) {
                font.size = size;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grounds(tokens: &Tokens) -> [Color32; 3] {
        [tokens.ground, tokens.panel, tokens.raised]
    }

    fn marks(tokens: &Tokens) -> Vec<(&'static str, Color32)> {
        let mut marks = vec![
            ("violation", tokens.violation),
            ("fault", tokens.fault),
            ("good", tokens.good),
            ("waiting", tokens.waiting),
            ("absent", tokens.absent),
            ("kafka", tokens.kafka),
            ("zookeeper", tokens.zookeeper),
            ("cursor", tokens.cursor),
        ];
        marks.extend(tokens.epochs.map(|colour| ("epoch", colour)));
        marks
    }

    /// Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB: protan, deutan and tritan vision.
    const DEFICIENCIES: [[[f32; 3]; 3]; 3] = [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ];

    fn lab(rgb: [f32; 3]) -> [f32; 3] {
        let row = |a: f32, b: f32, c: f32| a * rgb[0] + b * rgb[1] + c * rgb[2];
        let curve = |t: f32| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = curve(row(0.4124, 0.3576, 0.1805) / 0.95047);
        let y = curve(row(0.2126, 0.7152, 0.0722));
        let z = curve(row(0.0193, 0.1192, 0.9505) / 1.08883);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn seen(colour: Color32, deficiency: &[[f32; 3]; 3]) -> [f32; 3] {
        let linear = egui::Rgba::from(colour);
        let channels = [linear.r(), linear.g(), linear.b()];
        let row = |row: &[f32; 3]| row.iter().zip(channels).map(|(a, b)| a * b).sum::<f32>().clamp(0.0, 1.0);
        lab([row(&deficiency[0]), row(&deficiency[1]), row(&deficiency[2])])
    }

    #[test]
    fn words_have_a_contrast_of_4_5_on_every_ground() {
        for theme in [Theme::Dark, Theme::Light] {
            let tokens = theme.tokens();
            let words = [
                ("text", tokens.text),
                ("muted", tokens.muted),
                ("link", tokens.link),
                ("violation", tokens.violation_text),
            ];
            for (name, colour) in words {
                for ground in grounds(tokens) {
                    let found = contrast(colour, ground);
                    assert!(found >= 4.5, "{theme:?} {name} on {ground:?}: {found:.2}");
                }
            }
            for colour in [tokens.text, tokens.link] {
                assert!(contrast(colour, tokens.selected) >= 4.5, "{theme:?} on a selected row");
            }
        }
    }

    #[test]
    fn words_on_filled_marks_have_a_contrast_of_4_5() {
        for theme in [Theme::Dark, Theme::Light] {
            for (name, colour) in marks(theme.tokens()) {
                let found = contrast(Tokens::on(colour), colour);
                assert!(found >= 4.5, "{theme:?} {name}: {found:.2}");
            }
        }
    }

    #[test]
    fn marks_have_a_contrast_of_3_on_panels() {
        for theme in [Theme::Dark, Theme::Light] {
            let tokens = theme.tokens();
            for (name, colour) in marks(tokens) {
                for ground in [tokens.ground, tokens.panel] {
                    let found = contrast(colour, ground);
                    assert!(found >= 3.0, "{theme:?} {name} on {ground:?}: {found:.2}");
                }
            }
        }
    }

    /// Colours that stand side by side: consecutive epochs, and a violation among faults and epochs.
    #[test]
    fn neighbours_stay_apart_for_protan_deutan_and_tritan_vision() {
        for theme in [Theme::Dark, Theme::Light] {
            let tokens = theme.tokens();
            let count = tokens.epochs.len();
            let mut pairs: Vec<(Color32, Color32)> =
                (0..count).map(|i| (tokens.epochs[i], tokens.epochs[(i + 1) % count])).collect();
            pairs.extend([
                (tokens.violation, tokens.fault),
                (tokens.good, tokens.fault),
                (tokens.kafka, tokens.zookeeper),
            ]);
            for (one, other) in pairs {
                for (i, deficiency) in DEFICIENCIES.iter().enumerate() {
                    let (a, b) = (seen(one, deficiency), seen(other, deficiency));
                    let distance = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                    assert!(distance >= 10.0, "{theme:?} {one:?} {other:?} deficiency {i}: {distance:.1}");
                }
            }
        }
    }

    #[test]
    fn vermilion_belongs_to_violations_alone() {
        for theme in [Theme::Dark, Theme::Light] {
            let tokens = theme.tokens();
            let others = marks(tokens).into_iter().filter(|(name, _)| *name != "violation");
            assert!(others.into_iter().all(|(_, colour)| colour != tokens.violation));
        }
    }
}
