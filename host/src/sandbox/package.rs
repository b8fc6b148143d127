//! From an uploaded deployment package to the wasm in it.
//!
//! A package is a zip that holds `bootstrap.wasm`, `bootstrap.wat` or `<handler>.wasm`, or bare wasm or wat.
//! Everything is bounded before it is read: entries, names, unpacked sizes. A zip that reaches outside itself is refused whole.

use std::io::{Cursor, Read};

/// Unpacked size of a package (Lambda quota: 250 MB).
pub const UNPACKED_LIMIT_BYTES: u64 = 262_144_000;

/// What wasm begins with, modules and components alike.
const MAGIC: &[u8] = b"\0asm";

/// Entries a zip may hold.
const ENTRY_LIMIT: usize = 65_535;

/// Why a package was refused. The uploader's fault; do not retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Not a zip, wasm or wat, or damaged.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again. ({0})")]
    Damaged(String),
    /// An entry's name leaves the package.
    #[error("The package holds an entry with an unsafe name: {0:?}")]
    UnsafeName(String),
    /// More than [`UNPACKED_LIMIT_BYTES`].
    #[error("Unzipped size must be smaller than {UNPACKED_LIMIT_BYTES} bytes")]
    TooLarge,
    /// No wasm under any of the expected names.
    #[error("The package holds no {expected}. Put the guest at the root of the zip under that name.")]
    NoGuest {
        /// The names looked for.
        expected: String,
    },
    /// A file that is named as wasm and is not.
    #[error("{name} in the package is not WebAssembly")]
    NotWasm {
        /// The file.
        name: String,
    },
    /// The text format does not parse.
    #[error("{0}")]
    InvalidText(String),
}

/// Finds the guest in `package`. `handler` is the function's `Handler`.
///
/// Returns wasm in binary form: a core module or a component.
pub fn guest(package: &[u8], handler: &str) -> Result<Vec<u8>, PackageError> {
    match package {
        [b'\0', b'a', b's', b'm', ..] => Ok(package.to_vec()),
        [b'P', b'K', ..] => from_zip(package, handler),
        _ if looks_like_text(package) => from_text(package),
        _ => Err(PackageError::Damaged("neither a zip nor wasm".into())),
    }
}

/// What a package comes to unpacked, by its own word for a zip that [`guest`] let pass.
pub fn unpacked_bytes(package: &[u8]) -> u64 {
    let zip = package.starts_with(b"PK").then(|| zip::ZipArchive::new(Cursor::new(package)).ok()).flatten();
    match zip.and_then(|zip| zip.decompressed_size()) {
        Some(bytes) => u64::try_from(bytes).unwrap_or(u64::MAX),
        None => package.len() as u64,
    }
}

fn looks_like_text(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    start.starts_with(b"(module") || start.starts_with(b"(component") || start.starts_with(b";;")
}

fn from_text(text: &[u8]) -> Result<Vec<u8>, PackageError> {
    match wat::parse_bytes(text) {
        Ok(wasm) => Ok(wasm.into_owned()),
        Err(error) => Err(PackageError::InvalidText(error.to_string())),
    }
}

fn from_zip(package: &[u8], handler: &str) -> Result<Vec<u8>, PackageError> {
    let damaged = |error: zip::result::ZipError| PackageError::Damaged(error.to_string());
    let mut zip = zip::ZipArchive::new(Cursor::new(package)).map_err(damaged)?;
    if zip.len() > ENTRY_LIMIT {
        return Err(PackageError::Damaged(format!("more than {ENTRY_LIMIT} entries")));
    }
    let mut declared_bytes = 0u64;
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(damaged)?;
        if entry.enclosed_name().is_none() || entry.name().contains('\\') {
            return Err(PackageError::UnsafeName(entry.name().chars().take(256).collect()));
        }
        declared_bytes = declared_bytes.saturating_add(entry.size());
    }
    if declared_bytes > UNPACKED_LIMIT_BYTES {
        return Err(PackageError::TooLarge);
    }
    let names = candidate_names(handler);
    for name in &names {
        let entry = match zip.by_name(name) {
            Ok(entry) => entry,
            Err(zip::result::ZipError::FileNotFound) => continue,
            Err(error) => return Err(damaged(error)),
        };
        // The declared size is the archive's word; what really comes out is bounded as well.
        let mut bytes = Vec::new();
        let read = entry.take(UNPACKED_LIMIT_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| PackageError::Damaged(error.to_string()))?;
        if bytes.len() as u64 > UNPACKED_LIMIT_BYTES {
            return Err(PackageError::TooLarge);
        }
        return match name {
            _ if name.ends_with(".wat") => from_text(&bytes),
            _ if bytes.starts_with(MAGIC) => Ok(bytes),
            _ => Err(PackageError::NotWasm { name: name.clone() }),
        };
    }
    Err(PackageError::NoGuest { expected: names.join(", ") })
}

/// Where the guest may be, in order.
fn candidate_names(handler: &str) -> Vec<String> {
    let mut names = vec!["bootstrap.wasm".to_owned(), "bootstrap.wat".to_owned()];
    let stem = handler.split('.').next().unwrap_or_default();
    for name in [handler, stem] {
        for extension in ["wasm", "wat"] {
            let name = format!("{name}.{extension}");
            if name.len() > extension.len() + 1 && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn the_guest_is_found_under_each_name() {
        let wasm = wat::parse_str("(module)").unwrap();
        for name in ["bootstrap.wasm", "main.wasm", "main.handler.wasm"] {
            assert_eq!(guest(&zip_of(&[("README", b"x"), (name, &wasm)]), "main.handler").unwrap(), wasm, "{name}");
        }
        assert_eq!(guest(&zip_of(&[("bootstrap.wat", b"(module)")]), "x").unwrap(), wasm);
        assert_eq!(guest(&wasm, "x").unwrap(), wasm);
        assert_eq!(guest(b"\n (module)", "x").unwrap(), wasm);
    }

    #[test]
    fn what_is_no_package_is_refused_with_its_reason() {
        assert!(matches!(guest(b"", "x"), Err(PackageError::Damaged(_))));
        assert!(matches!(guest(b"PK\x03\x04 cut off", "x"), Err(PackageError::Damaged(_))));
        assert!(matches!(guest(b"(module (func", "x"), Err(PackageError::InvalidText(_))));
        assert!(matches!(guest(&zip_of(&[("a.txt", b"")]), "x"), Err(PackageError::NoGuest { .. })));
        assert!(matches!(guest(&zip_of(&[("../x.wasm", b"")]), "x"), Err(PackageError::UnsafeName(_))));
        assert!(matches!(guest(&zip_of(&[("a/../../x", b"")]), "x"), Err(PackageError::UnsafeName(_))));
    }

    #[test]
    fn a_bomb_is_stopped_by_its_declared_and_its_real_size() {
        let zeros = vec![0u8; 1 << 20];
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("bootstrap.wasm", zip::write::SimpleFileOptions::default()).unwrap();
        for _ in 0..251 {
            zip.write_all(&zeros).unwrap();
        }
        let mut bomb = zip.finish().unwrap().into_inner();
        assert!(bomb.len() < 1 << 20);
        assert_eq!(guest(&bomb, "x"), Err(PackageError::TooLarge));
        // The same with a lying directory: the sizes of the central record set to one.
        let at = bomb.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
        bomb[at + 24..at + 28].copy_from_slice(&1u32.to_le_bytes());
        assert!(guest(&bomb, "x").is_err());
    }
}
