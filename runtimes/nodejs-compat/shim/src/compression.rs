//! Deflate, zlib, gzip and the reading side of Brotli, a piece at a time.

use std::{cell::RefCell, io::Write};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use rquickjs::{Ctx, Exception, Object, Result, TypedArray, Value, prelude::Func};

use crate::bytes;

/// A gzip member around a raw deflate stream, as it is written.
struct GzipWriter {
    deflate: Compress,
    checksum: crc32fast::Hasher,
    length: u32,
    begun: bool,
}

/// A stream in the making.
enum Codec {
    Deflate(Compress),
    Gzip(GzipWriter),
    Inflate(Decompress),
    /// Whole members at the end: gzip headers of any length are simplest read from all there is.
    Buffered(Vec<u8>, Format),
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Gunzip,
    Unzip,
    Brotli,
}

thread_local! {
    static CODECS: RefCell<Vec<Option<Codec>>> = const { RefCell::new(Vec::new()) };
}

/// A handle for `kind`; -1 for a kind that is not known.
fn codec_new(kind: String, level: i32) -> i32 {
    let level = u32::try_from(level).map_or(Compression::default(), |level| Compression::new(level.min(9)));
    let codec = match kind.as_str() {
        "deflate" => Codec::Deflate(Compress::new(level, true)),
        "deflateRaw" => Codec::Deflate(Compress::new(level, false)),
        "gzip" => Codec::Gzip(GzipWriter {
            deflate: Compress::new(level, false),
            checksum: crc32fast::Hasher::new(),
            length: 0,
            begun: false,
        }),
        "inflate" => Codec::Inflate(Decompress::new(true)),
        "inflateRaw" => Codec::Inflate(Decompress::new(false)),
        "gunzip" => Codec::Buffered(Vec::new(), Format::Gunzip),
        "unzip" => Codec::Buffered(Vec::new(), Format::Unzip),
        "brotliDecompress" => Codec::Buffered(Vec::new(), Format::Brotli),
        _ => return -1,
    };
    CODECS.with_borrow_mut(|codecs| {
        let free = codecs.iter().position(Option::is_none).unwrap_or(codecs.len());
        match codecs.get_mut(free) {
            Some(place) => *place = Some(codec),
            None => codecs.push(Some(codec)),
        }
        i32::try_from(free).unwrap_or(-1)
    })
}

fn deflate(stream: &mut Compress, mut input: &[u8], flush: FlushCompress, out: &mut Vec<u8>) -> std::result::Result<(), &'static str> {
    loop {
        out.reserve(input.len() / 2 + 256);
        let before = (stream.total_in(), stream.total_out());
        let status = stream.compress_vec(input, out, flush).map_err(|_| "stream error")?;
        let taken = usize::try_from(stream.total_in() - before.0).unwrap_or(0);
        input = input.get(taken..).unwrap_or_default();
        let full = out.len() == out.capacity();
        match status {
            Status::StreamEnd => return Ok(()),
            _ if flush == FlushCompress::Finish => {}
            _ if input.is_empty() && !full => return Ok(()),
            _ if taken == 0 && stream.total_out() == before.1 => return Ok(()),
            _ => {}
        }
    }
}

/// Answers whether the stream has ended, and how much of the input was its own.
fn inflate(stream: &mut Decompress, input: &[u8], out: &mut Vec<u8>, limit: usize) -> std::result::Result<(bool, usize), &'static str> {
    let mut rest = input;
    loop {
        out.reserve((rest.len() * 3).clamp(256, 1 << 20));
        let before = (stream.total_in(), stream.total_out());
        let status = stream.decompress_vec(rest, out, FlushDecompress::None).map_err(|_| "invalid data")?;
        let taken = usize::try_from(stream.total_in() - before.0).unwrap_or(0);
        rest = rest.get(taken..).unwrap_or_default();
        if out.len() > limit {
            return Err("too large");
        }
        if status == Status::StreamEnd {
            return Ok((true, input.len() - rest.len()));
        }
        if taken == 0 && stream.total_out() == before.1 && out.len() < out.capacity() {
            return Ok((false, input.len() - rest.len()));
        }
    }
}

/// Where the deflate stream of a gzip member begins.
fn gzip_body(input: &[u8]) -> std::result::Result<usize, &'static str> {
    let flags = match input {
        [0x1f, 0x8b, 8, flags, ..] => *flags,
        [0x1f, 0x8b, ..] => return Err("unknown compression method"),
        _ => return Err("incorrect header check"),
    };
    let mut at = 10;
    if flags & 4 != 0 {
        let Some([low, high]) = input.get(at..at + 2) else { return Err("unexpected end of file") };
        at += 2 + usize::from(u16::from_le_bytes([*low, *high]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let rest = input.get(at..).unwrap_or_default();
            at += rest.iter().position(|byte| *byte == 0).ok_or("unexpected end of file")? + 1;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok(at)
}

fn gunzip(mut input: &[u8], out: &mut Vec<u8>, limit: usize) -> std::result::Result<(), &'static str> {
    let mut members = 0;
    while !input.is_empty() {
        let begin = match gzip_body(input) {
            Ok(begin) => begin,
            // What follows the last member and is none is passed over, as in Node.
            Err(_) if members > 0 => return Ok(()),
            Err(error) => return Err(error),
        };
        let from = out.len();
        let body = input.get(begin..).unwrap_or_default();
        let (ended, taken) = inflate(&mut Decompress::new(false), body, out, limit)?;
        let Some(trailer) = body.get(taken..taken + 8).filter(|_| ended) else { return Err("unexpected end of file") };
        let checksum = crc32fast::hash(out.get(from..).unwrap_or_default());
        if trailer.get(..4) != Some(checksum.to_le_bytes().as_slice()) {
            return Err("incorrect data check");
        }
        input = body.get(taken + 8..).unwrap_or_default();
        members += 1;
    }
    if members == 0 { Err("unexpected end of file") } else { Ok(()) }
}

fn whole(format: Format, input: &[u8], out: &mut Vec<u8>, limit: usize) -> std::result::Result<(), &'static str> {
    match format {
        Format::Brotli => {
            let mut writer = brotli_decompressor::DecompressorWriter::new(&mut *out, 4096);
            writer.write_all(input).and_then(|()| writer.close()).map_err(|_| "Decompression failed")
        }
        Format::Unzip if !input.starts_with(&[0x1f, 0x8b]) => match inflate(&mut Decompress::new(true), input, out, limit)? {
            (true, _) => Ok(()),
            (false, _) => Err("unexpected end of file"),
        },
        Format::Gunzip | Format::Unzip => gunzip(input, out, limit),
    }
}

fn step(codec: &mut Codec, input: &[u8], end: bool, limit: usize, out: &mut Vec<u8>) -> std::result::Result<(), &'static str> {
    let flush = if end { FlushCompress::Finish } else { FlushCompress::None };
    match codec {
        Codec::Deflate(stream) => deflate(stream, input, flush, out),
        Codec::Gzip(gzip) => {
            if !gzip.begun {
                out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
                gzip.begun = true;
            }
            gzip.checksum.update(input);
            gzip.length = gzip.length.wrapping_add(input.len() as u32);
            deflate(&mut gzip.deflate, input, flush, out)?;
            if end {
                out.extend_from_slice(&gzip.checksum.clone().finalize().to_le_bytes());
                out.extend_from_slice(&gzip.length.to_le_bytes());
            }
            Ok(())
        }
        Codec::Inflate(stream) => match inflate(stream, input, out, limit)? {
            (false, _) if end => Err("unexpected end of file"),
            _ => Ok(()),
        },
        Codec::Buffered(kept, format) => {
            kept.extend_from_slice(input);
            if end { whole(*format, kept, out, limit) } else { Ok(()) }
        }
    }
}

/// What a piece of input gives; a string that names the fault when it is broken. The handle is free after the end and after a fault.
fn codec_step<'js>(ctx: Ctx<'js>, handle: usize, input: TypedArray<'js, u8>, end: bool, limit: f64) -> Result<Value<'js>> {
    let Some(mut codec) = CODECS.with_borrow_mut(|codecs| codecs.get_mut(handle).and_then(Option::take)) else {
        return Err(Exception::throw_internal(&ctx, "no such stream"));
    };
    let mut out = Vec::new();
    if let Err(fault) = step(&mut codec, bytes::of(&input), end, limit as usize, &mut out) {
        return Ok(rquickjs::String::from_str(ctx, fault)?.into_value());
    }
    if !end {
        CODECS.with_borrow_mut(|codecs| {
            if let Some(place) = codecs.get_mut(handle) {
                *place = Some(codec);
            }
        });
    }
    Ok(bytes::array(&ctx, out)?.into_value())
}

fn crc32(data: TypedArray<'_, u8>, seed: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes::of(&data));
    hasher.finalize()
}

/// Adds this module's functions to what the library is given.
pub(crate) fn install(native: &Object<'_>) -> Result<()> {
    native.set("codecNew", Func::from(codec_new))?;
    native.set("codecStep", Func::from(codec_step))?;
    native.set("crc32", Func::from(crc32))
}
