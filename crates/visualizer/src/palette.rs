//! A picture in 256 colours: a third of the size, and nobody sees the difference in panels and words.

use std::collections::BTreeMap;

/// How many colours a palette holds.
const COLOURS: usize = 256;

/// A colour without its alpha.
type Colour = [u8; 3];

/// The palette of a picture and each pixel's place in it. The most frequent colours are kept as they are; others become the
/// nearest of these.
pub fn indexed(picture: &image::RgbaImage) -> (Vec<Colour>, Vec<u8>) {
    let colour = |pixel: &image::Rgba<u8>| [pixel[0], pixel[1], pixel[2]];
    let mut counts: BTreeMap<Colour, u32> = BTreeMap::new();
    picture.pixels().for_each(|pixel| *counts.entry(colour(pixel)).or_default() += 1);
    let mut frequent: Vec<(u32, Colour)> = counts.iter().map(|(colour, count)| (*count, *colour)).collect();
    frequent.sort_by_key(|(count, colour)| (std::cmp::Reverse(*count), *colour));
    let palette: Vec<Colour> = frequent.iter().take(COLOURS).map(|(_, colour)| *colour).collect();
    let place = |colour: &Colour| {
        let nearest = (0..palette.len()).min_by_key(|place| distance(&palette[*place], colour));
        nearest.unwrap_or_default() as u8
    };
    let places: BTreeMap<Colour, u8> = counts.keys().map(|colour| (*colour, place(colour))).collect();
    (palette, picture.pixels().map(|pixel| places[&colour(pixel)]).collect())
}

fn distance(one: &Colour, other: &Colour) -> i32 {
    one.iter().zip(other).map(|(a, b)| (i32::from(*a) - i32::from(*b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_colours_stay_and_rare_ones_become_the_nearest() {
        // 16 rows of each of 256 greys, then one pixel each of two rare colours.
        let picture = image::RgbaImage::from_fn(256, 17, |x, y| match (x, y) {
            (0, 16) => image::Rgba([10, 11, 10, 255]),
            (1, 16) => image::Rgba([255, 250, 255, 255]),
            _ => image::Rgba([x as u8, x as u8, x as u8, 255]),
        });
        let (palette, places) = indexed(&picture);
        assert_eq!(palette.len(), COLOURS);
        for (x, y, pixel) in picture.enumerate_pixels().filter(|(_, y, _)| *y < 16) {
            assert_eq!(palette[usize::from(places[(y * 256 + x) as usize])], [pixel[0], pixel[1], pixel[2]]);
        }
        assert_eq!(palette[usize::from(places[16 * 256])], [10, 10, 10]);
        assert_eq!(palette[usize::from(places[16 * 256 + 1])], [253, 253, 253]);
    }
}
