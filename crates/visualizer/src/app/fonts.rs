//! Fonts for what the built-in ones lack: keys and values may be Korean, Chinese or Japanese.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

/// Where systems keep a font with Korean, Chinese and Japanese, in order of preference.
const PLACES: &[&str] = &[
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/nanum/NanumGothic.ttf",
    "/usr/share/fonts/truetype/unfonts-core/UnDotum.ttf",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/System/Library/Fonts/AppleSDGothicNeo.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "C:\\Windows\\Fonts\\malgun.ttf",
    "C:\\Windows\\Fonts\\msyh.ttc",
];

/// The environment variable that names a font file to prefer.
pub const VARIABLE: &str = "ODRADEK_FONT";

/// The fallback font of this system, where there is one.
fn fallback() -> Option<(PathBuf, Vec<u8>)> {
    let own = std::env::var_os(VARIABLE).map(PathBuf::from);
    let places = own.into_iter().chain(PLACES.iter().map(PathBuf::from));
    places.into_iter().find_map(|place| std::fs::read(&place).ok().map(|bytes| (place, bytes)))
}

/// Sets the built-in fonts, with the signs of the monospaced one behind the others.
pub fn install_builtin(context: &egui::Context) {
    context.set_fonts(builtin());
}

fn builtin() -> egui::FontDefinitions {
    let mut fonts = egui::FontDefinitions::default();
    let monospaced = fonts.families.get(&egui::FontFamily::Monospace).and_then(|names| names.first()).cloned();
    if let (Some(name), Some(names)) = (monospaced, fonts.families.get_mut(&egui::FontFamily::Proportional)) {
        names.push(name);
    }
    fonts
}

/// Sets the built-in fonts and, behind them, the fallback font of this system.
pub fn install(context: &egui::Context) {
    let mut fonts = builtin();
    let Some((place, bytes)) = fallback() else {
        context.set_fonts(fonts);
        return;
    };
    let name = place.display().to_string();
    fonts.font_data.insert(name.clone(), Arc::new(egui::FontData::from_owned(bytes)));
    for family in fonts.families.values_mut() {
        family.push(name.clone());
    }
    context.set_fonts(fonts);
}

/// `text` with a dot in the place of each character that no font has, and whether there was one.
pub fn readable<'a>(context: &egui::Context, text: &'a str) -> (Cow<'a, str>, bool) {
    if text.is_ascii() {
        return (Cow::Borrowed(text), false);
    }
    let font = egui::FontId::monospace(12.0);
    let has = |character| context.fonts_mut(|fonts| fonts.has_glyph(&font, character));
    if text.chars().all(has) {
        return (Cow::Borrowed(text), false);
    }
    let replaced = text.chars().map(|character| if has(character) { character } else { '·' }).collect();
    (Cow::Owned(replaced), true)
}

/// What to do about characters that no font has.
pub const ADVICE: &str =
    "Some characters have no font here: install one, such as Debian's fonts-noto-cjk, or name a file in ODRADEK_FONT.";
