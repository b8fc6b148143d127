//! Shrinks a PNG or JPEG picture.
//!
//! Takes the picture in base64 and a width; answers a PNG of that width in base64, the aspect ratio kept. Behind a route, the
//! picture is the request's body, the width the query's `width`, and the response is the PNG itself. Never enlarges. Refuses pictures that would not fit into the function's memory once decoded, before decoding them.

use std::collections::BTreeMap;
use std::io::Cursor;

use base64::{Engine, engine::general_purpose::STANDARD};
use image::{ImageFormat, ImageReader, Limits, imageops::FilterType};
use lamina::{Context, Error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The width of a thumbnail that a request does not say.
const DEFAULT_WIDTH: u32 = 200;

/// An invocation, or a request through a route.
#[derive(Deserialize)]
#[serde(untagged)]
enum Event {
    Request(Request),
    Picture(Picture),
}

#[derive(Deserialize)]
struct Picture {
    /// Base64 of a PNG or JPEG.
    image: String,
    /// Pixels.
    width: u32,
}

/// What matters here of a payload-2.0 event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    #[serde(rename = "requestContext")]
    _context: serde::de::IgnoredAny,
    #[serde(default)]
    body: String,
    #[serde(default)]
    is_base64_encoded: bool,
    #[serde(default)]
    query_string_parameters: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Thumbnail {
    /// Base64 of a PNG.
    image: String,
    width: u32,
    height: u32,
}

#[lamina::handler]
fn handle(event: Event, ctx: Context) -> Result<Value, Error> {
    match event {
        Event::Picture(picture) => {
            let bytes = STANDARD.decode(&picture.image).map_err(bad_picture)?;
            Ok(serde_json::to_value(shrink(bytes, picture.width, &ctx)?)?)
        }
        Event::Request(request) => Ok(answer(request, &ctx)),
    }
}

/// The response to a request; what is wrong with a picture is the client's to know.
fn answer(request: Request, ctx: &Context) -> Value {
    let width = request.query_string_parameters.get("width").map_or(Ok(DEFAULT_WIDTH), |width| width.parse());
    let bytes = match request.is_base64_encoded {
        true => STANDARD.decode(&request.body).map_err(bad_picture),
        false => Ok(request.body.into_bytes()),
    };
    let made = match (width, bytes) {
        (Ok(width), Ok(bytes)) => shrink(bytes, width, ctx),
        (Err(error), _) => Err(Error::new("Thumbnail.BadWidth", error.to_string())),
        (_, Err(error)) => Err(error),
    };
    match made {
        Ok(thumbnail) => json!({
            "statusCode": 200,
            "headers": {"content-type": "image/png"},
            "body": thumbnail.image,
            "isBase64Encoded": true,
        }),
        Err(error) => json!({
            "statusCode": 400,
            "headers": {"content-type": "application/json"},
            "body": json!({"message": error.to_string()}).to_string(),
        }),
    }
}

fn shrink(bytes: Vec<u8>, width: u32, ctx: &Context) -> Result<Thumbnail, Error> {
    if width == 0 {
        return Err(Error::new("Thumbnail.BadWidth", "width must be at least 1"));
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    // Half of memory for the decoder; the rest for the event, the thumbnail and the answer.
    let mut limits = Limits::default();
    limits.max_alloc = Some(u64::from(ctx.memory_limit_mb) * 1024 * 1024 / 2);
    reader.limits(limits);
    let picture = reader.decode().map_err(bad_picture)?;
    let width = width.min(picture.width());
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

    use super::*;

    fn picture(width: u32, height: u32, format: ImageFormat) -> String {
        let mut bytes = Vec::new();
        DynamicImage::new_rgb8(width, height).write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        STANDARD.encode(bytes)
    }

    fn shrunk(image: &str, width: u32) -> Result<Value, Error> {
        testing::invoke(handle, json!({"image": image, "width": width}))
    }

    #[test]
    fn both_formats_shrink_and_keep_their_shape() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let answer = shrunk(&picture(120, 80, format), 60).unwrap();
            assert_eq!((&answer["width"], &answer["height"]), (&json!(60), &json!(40)));
            let png = STANDARD.decode(answer["image"].as_str().unwrap()).unwrap();
            let decoded = image::load_from_memory_with_format(&png, ImageFormat::Png).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (60, 40));
        }
    }

    #[test]
    fn nothing_is_enlarged_or_vanishes() {
        assert_eq!(shrunk(&picture(10, 10, ImageFormat::Png), 500).unwrap()["width"], 10);
        assert_eq!(shrunk(&picture(1000, 1, ImageFormat::Png), 10).unwrap()["height"], 1);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for image in ["", "not base64!", "aGVsbG8="] {
            assert_eq!(shrunk(image, 10).unwrap_err().error_type(), "Thumbnail.BadPicture", "{image:?}");
        }
        assert_eq!(shrunk("", 0).unwrap_err().error_type(), "Thumbnail.BadWidth");
    }

    #[test]
    fn a_picture_beyond_memory_is_refused() {
        let event = json!({"image": picture(2000, 1000, ImageFormat::Png), "width": 10});
        let small = testing::context().memory_limit_mb(8).build();
        let error = testing::invoke_with(handle, event, small).unwrap_err();
        assert_eq!(error.error_type(), "Thumbnail.BadPicture");
    }

    #[test]
    fn a_request_gets_a_picture_or_a_reason() {
        let request = |body: &str, width: &str| {
            let event = json!({
                "version": "2.0", "requestContext": {"http": {"method": "POST"}},
                "body": body, "isBase64Encoded": true, "queryStringParameters": {"width": width},
            });
            testing::invoke(handle, event).unwrap()
        };
        let answer = request(&picture(120, 80, ImageFormat::Png), "60");
        assert_eq!((&answer["statusCode"], &answer["headers"]["content-type"]), (&json!(200), &json!("image/png")));
        let png = STANDARD.decode(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(image::load_from_memory(&png).unwrap().width(), 60);
        for (body, width) in [("AAAA", "60"), (picture(9, 9, ImageFormat::Png).as_str(), "wide")] {
            assert_eq!(request(body, width)["statusCode"], 400, "{width}");
        }
    }
}
