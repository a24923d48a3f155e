//! The app without a window: one frame as a picture.

use std::path::Path;

use egui::{Pos2, RawInput, Rect, Vec2};

use crate::app::App;
use crate::raster::Rasteriser;

/// How many frames settle a layout: panels learn their sizes in the first, text its wrapping in the second.
const FRAMES: usize = 6;

/// Writes a picture as PNG: with 256 colours, opaque, and as small as it gets, because pictures stand in repositories.
///
/// # Errors
/// Those of the file.
pub fn save(picture: &image::RgbaImage, path: &Path) -> Result<(), png::EncodingError> {
    let (palette, places) = crate::palette::indexed(picture);
    let file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut encoder = png::Encoder::new(file, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    // Neighbours on a palette have nothing to do with each other.
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&places)?;
    writer.finish()?;
    Ok(())
}

/// The picture of `app` on a screen of `width` and `height` points at `scale` pixels a point.
pub fn picture(app: &mut App, width: u32, height: u32, scale: f32) -> image::RgbaImage {
    let context = egui::Context::default();
    crate::app::fonts::install(&context);
    context.set_pixels_per_point(scale);
    let mut rasteriser = Rasteriser::new();
    let mut output = None;
    for frame in 0..FRAMES {
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, Vec2::new(width as f32, height as f32))),
            time: Some(frame as f64 / 60.0),
            ..RawInput::default()
        };
        let mut drawn = context.run_ui(input, |ui| app.ui(ui));
        rasteriser.update(&mut drawn.textures_delta);
        output = Some(drawn);
    }
    let output = output.expect("at least one frame");
    let size = [(width as f32 * scale) as usize, (height as f32 * scale) as usize];
    let ground = app.settings().theme.tokens().ground;
    rasteriser.paint(&context, &output, size, ground)
}
