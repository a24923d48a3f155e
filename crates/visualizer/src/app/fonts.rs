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

/// How many Latin letters a character takes the room of.
fn breadth(character: char) -> usize {
    // From Hangul on, scripts are about twice as wide.
    if character >= '\u{1100}' { 2 } else { 1 }
}

/// As much of a text's beginning as has room in the width of so many letters.
pub fn start_of(text: &str, letters: usize) -> Cow<'_, str> {
    shortened(text.chars(), text, letters, |kept| kept.iter().chain(&['\u{2026}']).collect())
}

/// As much of a text's end: of keys that is what differs.
pub fn end_of(text: &str, letters: usize) -> Cow<'_, str> {
    shortened(text.chars().rev(), text, letters, |kept| std::iter::once(&'\u{2026}').chain(kept.iter().rev()).collect())
}

fn shortened<'a>(
    characters: impl Iterator<Item = char> + Clone,
    text: &'a str,
    letters: usize,
    join: impl Fn(&[char]) -> String,
) -> Cow<'a, str> {
    // No more is looked at than has room, however long a value is.
    let mut room = letters;
    let fits = |character: &char| {
        let left = room.checked_sub(breadth(*character));
        room = left.unwrap_or(0);
        left.is_some()
    };
    let kept: Vec<char> = characters.clone().take_while(fits).collect();
    if kept.len() == characters.clone().take(letters + 1).count() {
        return Cow::Borrowed(text);
    }
    let last = kept.len().saturating_sub(1);
    Cow::Owned(join(&kept[..last]))
}

/// What to do about characters that no font has.
pub const ADVICE: &str =
    "Some characters have no font here: install one, such as Debian's fonts-noto-cjk, or name a file in ODRADEK_FONT.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_start_or_its_end() {
        assert_eq!(start_of("order 284", 9), "order 284");
        assert_eq!(start_of("order 284", 6), "order\u{2026}");
        assert_eq!(end_of("member-14", 5), "\u{2026}r-14");
        assert_eq!(end_of("회원-14", 7), "회원-14");
        assert_eq!(end_of("회원-14", 5), "\u{2026}-14");
        assert_eq!((start_of("abc", 0), end_of("", 0)), ("\u{2026}".into(), "".into()));
    }
}
