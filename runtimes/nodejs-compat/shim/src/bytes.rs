//! Bytes to strings and back: UTF-8, Latin-1, hexadecimal, base64.

use std::borrow::Cow;

use rquickjs::{Ctx, Exception, Object, Result, String as JsString, TypedArray, Value, prelude::Func, prelude::Opt, qjs};

/// The bytes of a `Uint8Array`, which stay put while no JavaScript runs.
pub(crate) fn of<'a>(array: &'a TypedArray<'_, u8>) -> &'a [u8] {
    // SAFETY: the range is the array's own memory, which only JavaScript can move or free; none runs while a native function does.
    array.as_raw().map_or(&[][..], |raw| unsafe { &*raw.as_ptr() })
}

/// A new `Uint8Array`.
pub(crate) fn array<'js>(ctx: &Ctx<'js>, bytes: Vec<u8>) -> Result<TypedArray<'js, u8>> {
    TypedArray::new(ctx.clone(), bytes)
}

/// Appends a string as UTF-8; lone surrogates become U+FFFD.
pub(crate) fn append_utf8(text: &JsString<'_>, into: &mut Vec<u8>) -> Result<()> {
    let ctx = text.ctx().clone();
    let mut length = 0;
    // SAFETY: the value is a live string of this context; what is answered is freed below.
    let start = unsafe { qjs::JS_ToCStringLen2(ctx.as_raw().as_ptr(), &mut length, text.as_raw(), false) };
    if start.is_null() {
        return Err(rquickjs::Error::Exception);
    }
    // SAFETY: the engine answered this many bytes at this place.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length as usize) };
    let from = into.len();
    into.extend_from_slice(bytes);
    // SAFETY: the string came from this context and is not used any more.
    unsafe { qjs::JS_FreeCString(ctx.as_raw().as_ptr(), start) };
    replace_surrogates(into.get_mut(from..).unwrap_or_default());
    Ok(())
}

/// Turns encoded surrogates (ED A0..BF xx), which UTF-8 forbids, into U+FFFD in place: both take three bytes.
fn replace_surrogates(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == 0xed) {
        let Some(tail) = rest.get_mut(at..) else { return };
        if let [first, second @ 0xa0..=0xbf, third, ..] = tail {
            (*first, *second, *third) = (0xef, 0xbf, 0xbd);
        }
        rest = tail.get_mut(1..).unwrap_or_default();
    }
}

/// A string's UTF-8.
pub(crate) fn utf8(text: &JsString<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    append_utf8(text, &mut bytes)?;
    Ok(bytes)
}

fn decode_utf8<'js>(ctx: Ctx<'js>, array: TypedArray<'js, u8>, start: usize, end: usize, fatal: bool) -> Result<Value<'js>> {
    let bytes = of(&array);
    let bytes = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
    let text: Cow<'_, str> = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) if fatal => return Ok(Value::new_undefined(ctx)),
        Err(_) => String::from_utf8_lossy(bytes),
    };
    Ok(JsString::from_str(ctx, &text)?.into_value())
}

fn decode_latin1<'js>(ctx: Ctx<'js>, array: TypedArray<'js, u8>, start: usize, end: usize, mask: u8) -> Result<JsString<'js>> {
    let bytes = of(&array);
    let bytes = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
    let text: String = bytes.iter().map(|byte| char::from(byte & mask)).collect();
    JsString::from_str(ctx, &text)
}

/// The code units of a string, cut to eight bits each.
fn latin1(text: &JsString<'_>) -> Result<Vec<u8>> {
    let bytes = utf8(text)?;
    let mut units = Vec::with_capacity(bytes.len());
    for char in String::from_utf8_lossy(&bytes).chars() {
        let mut pair = [0; 2];
        units.extend(char.encode_utf16(&mut pair).iter().map(|unit| *unit as u8));
    }
    Ok(units)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode_base64<'js>(ctx: Ctx<'js>, array: TypedArray<'js, u8>, start: usize, end: usize, url: bool) -> Result<JsString<'js>> {
    let bytes = of(&array);
    let bytes = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
    let alphabet = if url { BASE64_URL } else { BASE64 };
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                let digit = (bits >> (18 - 6 * place)) & 63;
                text.push(char::from(alphabet.get(digit as usize).copied().unwrap_or(b'=')));
            } else if !url {
                text.push('=');
            }
        }
    }
    JsString::from_str(ctx, &text)
}

/// Decodes both alphabets as Node's `Buffer` does: what is no digit is passed over, `=` ends it.
fn decode_base64<'js>(ctx: Ctx<'js>, text: JsString<'js>) -> Result<TypedArray<'js, u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for digit in utf8(&text)? {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    array(&ctx, bytes)
}

fn encode_hex<'js>(ctx: Ctx<'js>, array: TypedArray<'js, u8>, start: usize, end: usize) -> Result<JsString<'js>> {
    let bytes = of(&array);
    let bytes = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    JsString::from_str(ctx, &text)
}

/// Decodes up to the first pair that is not hexadecimal.
fn decode_hex<'js>(ctx: Ctx<'js>, text: JsString<'js>) -> Result<TypedArray<'js, u8>> {
    let text = utf8(&text)?;
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let bytes = text.chunks_exact(2).map_while(|pair| match pair {
        [high, low] => Some((value(high)? << 4 | value(low)?) as u8),
        _ => None,
    });
    array(&ctx, bytes.collect())
}

fn index_of<'js>(haystack: TypedArray<'js, u8>, needle: TypedArray<'js, u8>, from: usize) -> i32 {
    let (haystack, needle) = (of(&haystack), of(&needle));
    let Some(rest) = haystack.get(from..) else { return -1 };
    if needle.is_empty() {
        return i32::try_from(from).unwrap_or(-1);
    }
    let place = rest.windows(needle.len()).position(|window| window == needle);
    place.and_then(|place| i32::try_from(place + from).ok()).unwrap_or(-1)
}

fn compare<'js>(one: TypedArray<'js, u8>, other: TypedArray<'js, u8>) -> i32 {
    of(&one).cmp(of(&other)) as i32
}

fn encode_utf8<'js>(ctx: Ctx<'js>, text: JsString<'js>) -> Result<TypedArray<'js, u8>> {
    array(&ctx, utf8(&text)?)
}

fn encode_latin1<'js>(ctx: Ctx<'js>, text: JsString<'js>) -> Result<TypedArray<'js, u8>> {
    array(&ctx, latin1(&text)?)
}

fn utf8_length(text: JsString<'_>) -> Result<usize> {
    Ok(utf8(&text)?.len())
}

/// Parses UTF-8 JSON without a string in between.
fn parse_json<'js>(ctx: Ctx<'js>, array: TypedArray<'js, u8>) -> Result<Value<'js>> {
    ctx.json_parse(of(&array))
}

/// A buffer moved out of `array`, which is left without memory (`structuredClone`'s and `ArrayBuffer`'s transfer).
fn detach<'js>(ctx: Ctx<'js>, value: Value<'js>, _kind: Opt<u32>) -> Result<()> {
    let Some(object) = value.into_object() else {
        return Err(Exception::throw_type(&ctx, "not an ArrayBuffer"));
    };
    match rquickjs::ArrayBuffer::from_object(object) {
        Some(mut buffer) => buffer.detach(),
        None => return Err(Exception::throw_type(&ctx, "not an ArrayBuffer")),
    }
    Ok(())
}

/// Adds this module's functions to what the library is given.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    native.set("decodeUtf8", Func::from(decode_utf8))?;
    native.set("decodeLatin1", Func::from(decode_latin1))?;
    native.set("encodeUtf8", Func::from(encode_utf8))?;
    native.set("encodeLatin1", Func::from(encode_latin1))?;
    native.set("utf8Length", Func::from(utf8_length))?;
    native.set("encodeBase64", Func::from(encode_base64))?;
    native.set("decodeBase64", Func::from(decode_base64))?;
    native.set("encodeHex", Func::from(encode_hex))?;
    native.set("decodeHex", Func::from(decode_hex))?;
    native.set("indexOf", Func::from(index_of))?;
    native.set("compare", Func::from(compare))?;
    native.set("parseJson", Func::from(parse_json))?;
    native.set("detach", Func::from(detach))
}
