//! Shrinks a PNG or JPEG picture.
//!
//! Takes the picture in base64 and a width; answers a PNG of that width in base64, the aspect ratio kept. Never
//! enlarges. Refuses pictures that would not fit into the function's memory once decoded, before decoding them.

use std::io::Cursor;

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ImageFormat, ImageReader, Limits, imageops::FilterType};
use lamina::{Context, Error};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Event {
    /// Base64 of a PNG or JPEG.
    image: String,
    /// Pixels.
    width: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Thumbnail {
    /// Base64 of a PNG.
    image: String,
    width: u32,
    height: u32,
}

#[lamina::handler]
fn handle(event: Event, ctx: Context) -> Result<Thumbnail, Error> {
    if event.width == 0 {
        return Err(Error::new("Thumbnail.BadWidth", "width must be at least 1"));
    }
    let bytes = STANDARD.decode(&event.image).map_err(bad_picture)?;
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    // Half of memory for the decoder; the rest for the event, the thumbnail and the answer.
    let mut limits = Limits::default();
    limits.max_alloc = Some(u64::from(ctx.memory_limit_mb) * 1024 * 1024 / 2);
    reader.limits(limits);
    let picture = reader.decode().map_err(bad_picture)?;
    let width = event.width.min(picture.width());
    let height = u64::from(picture.height()) * u64::from(width) / u64::from(picture.width().max(1));
    let height = u32::try_from(height).unwrap_or(u32::MAX).max(1);
    let small = picture.resize_exact(width, height, FilterType::CatmullRom);
    let mut png = Vec::new();
    small.write_to(&mut Cursor::new(&mut png), ImageFormat::Png)?;
    Ok(Thumbnail { image: STANDARD.encode(png), width, height })
}

fn bad_picture(error: impl std::error::Error) -> Error {
    Error::new("Thumbnail.BadPicture", error.to_string())
}

#[cfg(test)]
mod tests {
    use image::DynamicImage;
    use lamina::testing;
    use serde_json::{Value, json};

    use super::*;

    fn picture(width: u32, height: u32, format: ImageFormat) -> String {
        let mut bytes = Vec::new();
        DynamicImage::new_rgb8(width, height).write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        STANDARD.encode(bytes)
    }

    fn shrink(image: &str, width: u32) -> Result<Value, Error> {
        testing::invoke(handle, json!({"image": image, "width": width}))
    }

    #[test]
    fn both_formats_shrink_and_keep_their_shape() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let answer = shrink(&picture(120, 80, format), 60).unwrap();
            assert_eq!((&answer["width"], &answer["height"]), (&json!(60), &json!(40)));
            let png = STANDARD.decode(answer["image"].as_str().unwrap()).unwrap();
            let decoded = image::load_from_memory_with_format(&png, ImageFormat::Png).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (60, 40));
        }
    }

    #[test]
    fn nothing_is_enlarged_or_vanishes() {
        assert_eq!(shrink(&picture(10, 10, ImageFormat::Png), 500).unwrap()["width"], 10);
        assert_eq!(shrink(&picture(1000, 1, ImageFormat::Png), 10).unwrap()["height"], 1);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for image in ["", "not base64!", "aGVsbG8="] {
            assert_eq!(shrink(image, 10).unwrap_err().error_type(), "Thumbnail.BadPicture", "{image:?}");
        }
        assert_eq!(shrink("", 0).unwrap_err().error_type(), "Thumbnail.BadWidth");
    }

    #[test]
    fn a_picture_beyond_memory_is_refused() {
        let event = json!({"image": picture(2000, 1000, ImageFormat::Png), "width": 10});
        let small = testing::context().memory_limit_mb(8).build();
        let error = testing::invoke_with(handle, event, small).unwrap_err();
        assert_eq!(error.error_type(), "Thumbnail.BadPicture");
    }
}
