//! The app without a window: one frame as a picture.

use std::path::Path;

use egui::{Pos2, RawInput, Rect, Vec2};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};

use crate::app::App;
use crate::raster::Rasteriser;

/// How many frames settle a layout: panels learn their sizes in the first, text its wrapping in the second.
const FRAMES: usize = 6;

/// Writes a picture as PNG: opaque, and as small as it gets, because pictures stand in repositories.
///
/// # Errors
/// Those of the file.
pub fn save(picture: &image::RgbaImage, path: &Path) -> image::ImageResult<()> {
    let file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let encoder = PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive);
    let opaque = image::DynamicImage::ImageRgba8(picture.clone()).into_rgb8();
    opaque.write_with_encoder(encoder)
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
