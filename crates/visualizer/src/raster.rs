//! Pictures without a display or a GPU: a rasteriser for egui's triangles.
//!
//! The same input gives the same bytes on every machine: plain IEEE arithmetic, no library function, no threads. So
//! pictures can be snapshot-tested, and `odradek-visualizer render` works in CI.

use std::collections::BTreeMap;

use egui::epaint::{ClippedPrimitive, ImageData, ImageDelta, Mesh, Primitive, Vertex};
use egui::{Color32, FullOutput, Pos2, TextureId, TexturesDelta};

/// A texture: premultiplied colours in rows.
struct Texture {
    width: usize,
    height: usize,
    pixels: Vec<Color32>,
}

/// Keeps egui's textures and paints its frames.
#[derive(Default)]
pub struct Rasteriser {
    textures: BTreeMap<TextureId, Texture>,
}

impl Rasteriser {
    /// One that has no texture yet.
    pub fn new() -> Rasteriser {
        Rasteriser::default()
    }

    /// Takes over what changed in egui's textures, and leaves `delta` empty.
    pub fn update(&mut self, delta: &mut TexturesDelta) {
        for (id, changes) in std::mem::take(&mut delta.set) {
            for change in changes {
                self.change(id, &change);
            }
        }
        for id in std::mem::take(&mut delta.free) {
            self.textures.remove(&id);
        }
        delta.clear();
    }

    fn change(&mut self, id: TextureId, delta: &ImageDelta) {
        let ImageData::Color(image) = &delta.image;
        let [width, height] = image.size;
        let Some([left, top]) = delta.pos else {
            self.textures.insert(id, Texture { width, height, pixels: image.pixels.clone() });
            return;
        };
        let Some(texture) = self.textures.get_mut(&id) else { return };
        for row in 0..height.min(texture.height.saturating_sub(top)) {
            let into = (top + row) * texture.width + left;
            let count = width.min(texture.width.saturating_sub(left));
            texture.pixels[into..into + count].copy_from_slice(&image.pixels[row * width..row * width + count]);
        }
    }

    /// Paints `output` on a picture of `size` pixels, over `ground`. Textures must be up to date: [`Rasteriser::update`].
    pub fn paint(
        &self,
        context: &egui::Context,
        output: &FullOutput,
        size: [usize; 2],
        ground: Color32,
    ) -> image::RgbaImage {
        let primitives = context.tessellate(output.shapes.clone(), output.pixels_per_point);
        let mut canvas = Canvas { width: size[0], height: size[1], pixels: vec![ground; size[0] * size[1]] };
        for primitive in &primitives {
            self.primitive(&mut canvas, primitive, output.pixels_per_point);
        }
        let bytes = canvas.pixels.iter().flat_map(|pixel| pixel.to_array()).collect();
        image::RgbaImage::from_raw(size[0] as u32, size[1] as u32, bytes).expect("4 bytes a pixel")
    }

    fn primitive(&self, canvas: &mut Canvas, clipped: &ClippedPrimitive, scale: f32) {
        let Primitive::Mesh(mesh) = &clipped.primitive else { return };
        let Some(texture) = self.textures.get(&mesh.texture_id) else { return };
        let edge = |value: f32, limit: usize| (value * scale + 0.5).clamp(0.0, limit as f32) as usize;
        let clip = Clip {
            left: edge(clipped.clip_rect.min.x, canvas.width),
            right: edge(clipped.clip_rect.max.x, canvas.width),
            top: edge(clipped.clip_rect.min.y, canvas.height),
            bottom: edge(clipped.clip_rect.max.y, canvas.height),
        };
        mesh_triangles(mesh).for_each(|corners| triangle(canvas, &clip, texture, corners, scale));
    }
}

fn mesh_triangles(mesh: &Mesh) -> impl Iterator<Item = [Vertex; 3]> {
    mesh.triangles().map(|corners| corners.map(|index| mesh.vertices[index as usize]))
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Color32>,
}

/// The pixels that may be painted: `left..right` and `top..bottom`.
struct Clip {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

/// Twice the signed area of the triangle `a b c`.
fn area(a: Pos2, b: Pos2, c: Pos2) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Whether an edge owns the pixels whose centres lie on it: so two triangles never paint the same one twice.
fn is_top_or_left(from: Pos2, to: Pos2) -> bool {
    (from.y == to.y && to.x > from.x) || to.y < from.y
}

fn triangle(canvas: &mut Canvas, clip: &Clip, texture: &Texture, corners: [Vertex; 3], scale: f32) {
    let [a, mut b, mut c] = corners.map(|mut vertex| {
        // Snapped to 1/256 pixel, as GPUs do: shared corners stay shared.
        vertex.pos = Pos2::new(snap(vertex.pos.x * scale), snap(vertex.pos.y * scale));
        vertex
    });
    let mut whole = area(a.pos, b.pos, c.pos);
    if whole < 0.0 {
        std::mem::swap(&mut b, &mut c);
        whole = -whole;
    }
    if whole <= 0.0 || whole.is_nan() {
        return;
    }
    let bounds = |values: [f32; 3], low: usize, high: usize| {
        let least = values.iter().copied().fold(f32::INFINITY, f32::min);
        let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        ((least.max(0.0) as usize).max(low), ((most.max(-1.0) + 1.0) as usize).min(high))
    };
    let (left, right) = bounds([a.pos.x, b.pos.x, c.pos.x], clip.left, clip.right);
    let (top, bottom) = bounds([a.pos.y, b.pos.y, c.pos.y], clip.top, clip.bottom);
    let edges = [(b.pos, c.pos), (c.pos, a.pos), (a.pos, b.pos)];
    let owned = edges.map(|(from, to)| is_top_or_left(from, to));
    let plain = a.color == b.color && b.color == c.color && a.uv == b.uv && b.uv == c.uv;
    let plain_colour = plain.then(|| modulate(a.color.to_array().map(f32::from), texture.sample(a.uv)));
    for y in top..bottom {
        for x in left..right {
            let centre = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
            let weights = edges.map(|(from, to)| area(from, to, centre));
            let inside = weights.iter().zip(owned).all(|(weight, owned)| *weight > 0.0 || (owned && *weight == 0.0));
            if !inside {
                continue;
            }
            let colour = plain_colour.unwrap_or_else(|| {
                let [u, v, w] = weights.map(|weight| weight / whole);
                let uv = Pos2::new(a.uv.x * u + b.uv.x * v + c.uv.x * w, a.uv.y * u + b.uv.y * v + c.uv.y * w);
                let (one, two, three) = (a.color.to_array(), b.color.to_array(), c.color.to_array());
                let mixed =
                    std::array::from_fn(|i| f32::from(one[i]) * u + f32::from(two[i]) * v + f32::from(three[i]) * w);
                modulate(mixed, texture.sample(uv))
            });
            let pixel = &mut canvas.pixels[y * canvas.width + x];
            *pixel = over(*pixel, colour);
        }
    }
}

fn snap(value: f32) -> f32 {
    // Truncation of a non-negative number is the same everywhere; the offset keeps small negatives in order.
    const OFFSET: f32 = 4096.0;
    ((value.clamp(-OFFSET, 3.0 * OFFSET) + OFFSET) * 256.0 + 0.5).trunc() / 256.0 - OFFSET
}

/// A vertex colour times a texel, both premultiplied, 0 to 255.
fn modulate(colour: [f32; 4], texel: [f32; 4]) -> [f32; 4] {
    std::array::from_fn(|i| colour[i] * texel[i] / 255.0)
}

/// Premultiplied alpha, in gamma space as egui's own painters do.
fn over(below: Color32, above: [f32; 4]) -> Color32 {
    let below = below.to_array();
    let rest = 1.0 - above[3] / 255.0;
    let mixed: [u8; 4] = std::array::from_fn(|i| (above[i] + f32::from(below[i]) * rest + 0.5).min(255.0) as u8);
    Color32::from_rgba_premultiplied(mixed[0], mixed[1], mixed[2], mixed[3])
}

impl Texture {
    /// Bilinear, clamped at the border.
    fn sample(&self, uv: Pos2) -> [f32; 4] {
        let place = |value: f32, count: usize| {
            let at = (value * count as f32 - 0.5).clamp(0.0, (count - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(count - 1), at - low as f32)
        };
        let (left, right, along) = place(uv.x, self.width);
        let (top, bottom, down) = place(uv.y, self.height);
        let texel = |x: usize, y: usize| self.pixels[y * self.width + x].to_array();
        let corners = [texel(left, top), texel(right, top), texel(left, bottom), texel(right, bottom)];
        std::array::from_fn(|i| {
            let upper = f32::from(corners[0][i]) * (1.0 - along) + f32::from(corners[1][i]) * along;
            let lower = f32::from(corners[2][i]) * (1.0 - along) + f32::from(corners[3][i]) * along;
            upper * (1.0 - down) + lower * down
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(shapes: impl Fn(&egui::Painter)) -> image::RgbaImage {
        let context = egui::Context::default();
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(Pos2::ZERO, egui::vec2(64.0, 32.0))),
            ..Default::default()
        };
        let mut rasteriser = Rasteriser::new();
        let mut output = context.run_ui(input, |ui| shapes(ui.painter()));
        rasteriser.update(&mut output.textures_delta);
        rasteriser.paint(&context, &output, [64, 32], Color32::BLACK)
    }

    #[test]
    fn a_filled_rectangle_covers_exactly_its_pixels() {
        let rect = egui::Rect::from_min_max(Pos2::new(8.0, 4.0), Pos2::new(24.0, 12.0));
        let mut mesh = Mesh::default();
        mesh.add_colored_rect(rect, Color32::RED);
        let painted = picture(|painter| {
            painter.add(mesh.clone());
        });
        let red = painted.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == [255, 0, 0, 255]);
        assert_eq!(red.clone().count(), 16 * 8);
        assert!(red.clone().all(|(x, y, _)| (8..24).contains(&x) && (4..12).contains(&y)));
    }

    #[test]
    fn half_transparent_marks_mix_once_where_two_triangles_meet() {
        let rect = egui::Rect::from_min_max(Pos2::new(0.0, 0.0), Pos2::new(16.0, 16.0));
        let mut mesh = Mesh::default();
        mesh.add_colored_rect(rect, Color32::from_rgba_premultiplied(100, 0, 0, 128));
        let painted = picture(|painter| {
            painter.add(mesh.clone());
        });
        assert!((0..16).all(|i| painted.get_pixel(i, i).0[0] == 100));
    }

    #[test]
    fn words_show_and_the_same_frame_gives_the_same_bytes() {
        let draw = || {
            picture(|painter| {
                painter.text(
                    Pos2::new(2.0, 2.0),
                    egui::Align2::LEFT_TOP,
                    "leader 2",
                    egui::FontId::proportional(12.0),
                    Color32::WHITE,
                );
            })
        };
        let painted = draw();
        assert!(painted.pixels().any(|pixel| pixel.0[0] > 200), "no bright pixel");
        assert_eq!(painted, draw());
    }

    #[test]
    fn nothing_is_painted_outside_the_clip() {
        let painted = picture(|painter| {
            let clip = egui::Rect::from_min_max(Pos2::new(0.0, 0.0), Pos2::new(10.0, 32.0));
            let clipped = painter.with_clip_rect(clip);
            clipped.rect_filled(egui::Rect::from_min_max(Pos2::ZERO, Pos2::new(64.0, 32.0)), 0.0, Color32::GREEN);
        });
        assert_eq!(painted.get_pixel(9, 9).0, [0, 255, 0, 255]);
        assert_eq!(painted.get_pixel(10, 9).0, [0, 0, 0, 255]);
    }
}
