//! A layer's archive: checked whole, then unpacked.
//!
//! Everything is bounded: paths, the directories they imply, their lengths, unpacked bytes as declared and as they come. Refused:
//! names that leave the archive, links that do, two entries for one path, what is neither file, directory nor symbolic link.

use super::{UnpackError, component_files};
use crate::sandbox::package::UNPACKED_LIMIT_BYTES;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use zip::ZipArchive;

/// Files, directories and links of a layer together.
const PATH_LIMIT: usize = 65_535;
/// A path's length, and that of a link's target.
const PATH_LENGTH_LIMIT_BYTES: usize = 1024;
/// One name's length, as file systems have it.
const NAME_LENGTH_LIMIT_BYTES: usize = 255;
/// The bits of a Unix mode that say what an entry is.
const MODE_KIND: u32 = 0o170_000;

/// Why a layer was refused. The uploader's fault; do not retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
    /// Not a zip, or damaged.
    #[error("Could not unzip uploaded file. Please check your file, then try to upload again. ({0})")]
    Damaged(String),
    /// Nothing in it.
    #[error("Uploaded file must be a non-empty zip")]
    Empty,
    /// A name that leaves the layer or that no file system could hold.
    #[error("The archive holds an entry with an unsafe name: {0:?}")]
    UnsafeName(String),
    /// A symbolic link that leaves the layer.
    #[error("The archive holds a link that leads out of it: {0:?}")]
    UnsafeLink(String),
    /// Neither file, directory nor symbolic link.
    #[error("The archive holds an entry that is neither a file, a directory nor a symbolic link: {0:?}")]
    Special(String),
    /// Two entries for one path.
    #[error("The archive holds two entries for one path: {0:?}")]
    Clash(String),
    /// More than [`PATH_LIMIT`].
    #[error("The archive holds more than {PATH_LIMIT} files and directories")]
    TooMany,
    /// More than [`UNPACKED_LIMIT_BYTES`].
    #[error("Unzipped size must be smaller than {UNPACKED_LIMIT_BYTES} bytes")]
    TooLarge,
}

/// What a layer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspected {
    /// All files unpacked.
    pub unpacked_bytes: u64,
    /// Components in it that functions are composed with.
    pub libraries: u32,
    /// Extensions in it.
    pub extensions: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Link,
}

/// Checks an archive to its last byte. Takes a while where it is large.
pub fn inspect(archive: &[u8]) -> Result<Inspected, LayerError> {
    let (mut zip, entries) = open(archive)?;
    let mut inspected = Inspected { unpacked_bytes: 0, libraries: 0, extensions: 0 };
    for (path, index, kind) in &entries {
        match kind {
            Kind::Directory => {}
            Kind::Link => drop(target(&mut zip, *index, path)?),
            Kind::File => {
                let is_in = |folder| u32::from(component_files::is_one(folder, path));
                inspected.libraries = inspected.libraries.saturating_add(is_in(component_files::LIBRARIES));
                inspected.extensions = inspected.extensions.saturating_add(is_in(component_files::EXTENSIONS));
                inspected.unpacked_bytes = inspected.unpacked_bytes.saturating_add(copy(
                    &mut zip,
                    *index,
                    inspected.unpacked_bytes,
                    &mut std::io::sink(),
                )?);
            }
        }
    }
    Ok(inspected)
}

/// Unpacks an archive into an empty directory, with the same checks.
pub(super) fn unpack(archive: &[u8], dir: &Path) -> Result<(), UnpackError> {
    let (mut zip, entries) = open(archive)?;
    let mut unpacked_bytes = 0u64;
    for (path, index, kind) in &entries {
        let to = dir.join(path);
        match kind {
            Kind::Directory => std::fs::create_dir_all(to)?,
            Kind::Link => {
                make_parent(&to)?;
                std::os::unix::fs::symlink(target(&mut zip, *index, path)?, to)?;
            }
            Kind::File => {
                make_parent(&to)?;
                let mut file = Sink { file: File::create_new(to)?, failed: None };
                let copied = copy(&mut zip, *index, unpacked_bytes, &mut file);
                if let Some(error) = file.failed {
                    return Err(error.into());
                }
                unpacked_bytes = unpacked_bytes.saturating_add(copied?);
            }
        }
    }
    Ok(())
}

fn make_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)
}

/// Tells a disk that fails from an archive that does.
struct Sink {
    file: File,
    failed: Option<std::io::Error>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| self.failed = Some(std::io::Error::from(error.kind())))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

type Zip<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// A path in the layer, the entry it comes from, and what it is.
type Entry = (String, usize, Kind);

fn damaged(error: impl std::fmt::Display) -> LayerError {
    LayerError::Damaged(error.to_string())
}

fn shown(text: &str) -> String {
    text.chars().take(256).collect()
}

/// Opens an archive and checks its directory: what it says of itself, before anything is unpacked.
fn open(archive: &[u8]) -> Result<(Zip<'_>, Vec<Entry>), LayerError> {
    if !archive.starts_with(b"PK") {
        return Err(damaged("not a zip"));
    }
    let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(damaged)?;
    if zip.is_empty() {
        return Err(LayerError::Empty);
    }
    if zip.len() > PATH_LIMIT {
        return Err(LayerError::TooMany);
    }
    let mut declared_bytes = 0u64;
    let mut entries = Vec::with_capacity(zip.len());
    let mut kinds: BTreeMap<String, (Kind, bool)> = BTreeMap::new();
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index).map_err(damaged)?;
        let name = entry.name();
        let path = normal(name).ok_or_else(|| LayerError::UnsafeName(shown(name)))?;
        if entry.encrypted() {
            return Err(damaged("it is encrypted"));
        }
        let kind = match entry.unix_mode().unwrap_or(0) & MODE_KIND {
            _ if entry.is_dir() => Kind::Directory,
            _ if entry.is_symlink() => Kind::Link,
            0 | 0o100_000 => Kind::File,
            _ => return Err(LayerError::Special(shown(name))),
        };
        declared_bytes = declared_bytes.saturating_add(entry.size());
        if path.is_empty() {
            // The layer's own directory, as some tools list it.
            match kind {
                Kind::Directory => continue,
                _ => return Err(LayerError::UnsafeName(shown(name))),
            }
        }
        for (at, _) in path.match_indices('/') {
            let parent = path.get(..at).unwrap_or_default();
            let (kind, _) = kinds.entry(parent.to_owned()).or_insert((Kind::Directory, false));
            if *kind != Kind::Directory {
                return Err(LayerError::Clash(shown(name)));
            }
        }
        match kinds.insert(path.clone(), (kind, true)) {
            // A directory may be named after what is in it.
            None | Some((Kind::Directory, false)) if kind == Kind::Directory => {}
            None => {}
            Some(_) => return Err(LayerError::Clash(shown(name))),
        }
        if kinds.len() > PATH_LIMIT {
            return Err(LayerError::TooMany);
        }
        entries.push((path, index, kind));
    }
    if declared_bytes > UNPACKED_LIMIT_BYTES {
        return Err(LayerError::TooLarge);
    }
    Ok((zip, entries))
}

/// A name as a path beneath the layer, without empty and `.` parts; `None` where it leads elsewhere or is too long.
fn normal(name: &str) -> Option<String> {
    if name.starts_with('/') || name.contains(['\\', '\0']) || name.len() > PATH_LENGTH_LIMIT_BYTES {
        return None;
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let safe = parts.iter().all(|part| *part != ".." && part.len() <= NAME_LENGTH_LIMIT_BYTES);
    safe.then(|| parts.join("/"))
}

/// Where a link leads, if that is within the layer. What it meets on the way is looked at when a guest opens it, which
/// cannot leave the layer either.
fn target(zip: &mut Zip<'_>, index: usize, path: &str) -> Result<String, LayerError> {
    let refuse = || LayerError::UnsafeLink(shown(path));
    let mut text = String::new();
    let entry = zip.by_index(index).map_err(damaged)?;
    entry.take(PATH_LENGTH_LIMIT_BYTES as u64 + 1).read_to_string(&mut text).map_err(|_| refuse())?;
    if text.is_empty() || text.starts_with('/') || text.contains('\0') || text.len() > PATH_LENGTH_LIMIT_BYTES {
        return Err(refuse());
    }
    let mut depth = path.matches('/').count();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.checked_sub(1).ok_or_else(refuse)?,
            _ => depth = depth.saturating_add(1),
        }
    }
    Ok(text)
}

/// Unpacks one file; the bytes before it count towards the limit.
fn copy(zip: &mut Zip<'_>, index: usize, before: u64, to: &mut impl Write) -> Result<u64, LayerError> {
    let left = UNPACKED_LIMIT_BYTES.saturating_sub(before);
    let entry = zip.by_index(index).map_err(damaged)?;
    let declared = entry.size();
    // The declared size is the archive's word; what really comes out is bounded as well.
    let copied = std::io::copy(&mut entry.take(left.saturating_add(1)), to).map_err(damaged)?;
    match copied {
        _ if copied > left => Err(LayerError::TooLarge),
        _ if copied != declared => Err(damaged("a file is not as large as it says")),
        _ => Ok(copied),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use super::*;
    use zip::write::SimpleFileOptions;

    /// A zip; a name that ends with `@` is a link to its content.
    pub(in super::super) fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            let options = SimpleFileOptions::default();
            match name.strip_suffix('@') {
                Some(link) => zip.add_symlink(link, std::str::from_utf8(bytes).unwrap(), options).unwrap(),
                None if name.ends_with('/') => zip.add_directory(*name, options).unwrap(),
                None => {
                    zip.start_file(*name, options).unwrap();
                    zip.write_all(bytes).unwrap();
                }
            }
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn files_directories_and_links_within_are_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let zip = zip_of(&[("a/", b""), ("a/f", b"xy"), ("b/c/d", b"z"), ("b/", b""), ("b/l@", b"../a/f")]);
        assert_eq!(inspect(&zip), Ok(Inspected { unpacked_bytes: 3, libraries: 0, extensions: 0 }));
        unpack(&zip, dir.path()).unwrap();
        assert_eq!(std::fs::read(dir.path().join("b/l")).unwrap(), b"xy");
    }

    #[test]
    fn libraries_and_extensions_are_counted() {
        let zip =
            zip_of(&[("lib/a.wasm", b""), ("lib/b.txt", b""), ("extensions/a.wat", b""), ("extensions/b/c.wasm", b"")]);
        assert_eq!(inspect(&zip), Ok(Inspected { unpacked_bytes: 0, libraries: 1, extensions: 1 }));
    }

    #[test]
    fn what_leads_out_or_clashes_is_refused() {
        type E = LayerError;
        let refused = |entries: &[(&str, &[u8])]| inspect(&zip_of(entries)).unwrap_err();
        for name in ["../x", "a/../../x", "/etc/x", "a\\b"] {
            assert!(matches!(refused(&[(name, b"")]), E::UnsafeName(_)), "{name}");
        }
        let long = format!("a/{}", "x".repeat(256));
        assert!(matches!(refused(&[(&long, b"")]), E::UnsafeName(_)));
        for target in ["/etc/passwd", "..", "../x", "a/../../x", ""] {
            assert!(matches!(refused(&[("l@", target.as_bytes())]), E::UnsafeLink(_)), "{target}");
        }
        assert!(matches!(refused(&[("a@", b"b"), ("a/x", b"")]), E::Clash(_)));
        assert!(matches!(refused(&[("a/x", b""), ("a", b"")]), E::Clash(_)));
        assert!(matches!(refused(&[("a", b""), ("./a", b"")]), E::Clash(_)));
        assert!(matches!(inspect(b"no zip"), Err(E::Damaged(_))));
        assert_eq!(inspect(&zip_of(&[])), Err(E::Empty));
    }

    #[test]
    fn implied_directories_count() {
        let deep: Vec<String> = (0..150).map(|n| format!("{n}/{}x", "d/".repeat(500))).collect();
        let entries: Vec<(&str, &[u8])> = deep.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert_eq!(inspect(&zip_of(&entries)), Err(LayerError::TooMany));
        assert!(inspect(&zip_of(entries.get(..100).unwrap())).is_ok());
    }

    #[test]
    fn a_bomb_is_stopped_by_its_declared_and_its_real_size() {
        let half = vec![0u8; 131_072_000];
        assert!(inspect(&zip_of(&[("a", &half), ("b", &half)])).is_ok());
        let mut bomb = zip_of(&[("a", &half), ("b", &half), ("c", b"1")]);
        assert_eq!(inspect(&bomb), Err(LayerError::TooLarge));
        let at = bomb.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        bomb.get_mut(at + 24..at + 28).unwrap().copy_from_slice(&1u32.to_le_bytes());
        assert!(inspect(&bomb).is_err());
    }
}
