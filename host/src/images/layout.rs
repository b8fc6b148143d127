//! Images in directories: OCI image layouts (<https://github.com/opencontainers/image-spec/blob/main/image-layout.md>).
//!
//! Only below the directories that the configuration lists. The kernel keeps every path below them: neither `..` nor a link leads out,
//! not even one that is changed while it is read. Only regular files are read, and no more of them than may be.

use super::artifact::{self, Layer, MANIFEST_LIMIT_BYTES, Manifest};
use super::error::Fault;
use super::reference::{Digest, LayoutImage, LayoutReference};
use bytes::Bytes;
use oci_client::manifest::{ImageIndexEntry, OciImageIndex};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use serde::Deserialize;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The annotation that names an image of a layout.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// A layout that is open.
pub(super) struct Layout {
    root: OwnedFd,
}

impl Layout {
    /// Opens a layout below one of `allowed`.
    pub(super) fn open(reference: &LayoutReference, allowed: &[PathBuf]) -> Result<Self, Fault> {
        let below =
            |allowed: &PathBuf| Some((allowed.clone(), reference.directory.strip_prefix(allowed).ok()?.to_owned()));
        let Some((allowed, inside)) = allowed.iter().find_map(below) else {
            return Err(Fault::Invalid("it is not below a directory of images.layout_directories".into()));
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base = openat(CWD, &allowed, flags, Mode::empty()).map_err(|error| {
            tracing::warn!(directory = %allowed.display(), %error, "a directory of images.layout_directories cannot be opened");
            Fault::NotFound
        })?;
        let inside = if inside.as_os_str().is_empty() { PathBuf::from(".") } else { inside };
        let root = openat2(&base, inside, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS);
        let layout = Self { root: root.map_err(|error| fault("its directory", error))? };
        let marker = layout.read(Path::new("oci-layout"), 4096)?;
        match serde_json::from_slice::<Marker>(&marker) {
            Ok(marker) if marker.image_layout_version.starts_with("1.") => Ok(layout),
            _ => Err(Fault::Invalid("its oci-layout is not of version 1".into())),
        }
    }

    /// The digest and the bytes of the manifest that is meant.
    pub(super) fn manifest(&self, image: &LayoutImage) -> Result<(Digest, Bytes), Fault> {
        let digest = match image {
            LayoutImage::Digest(digest) => digest.clone(),
            image => {
                let index = self.read(Path::new("index.json"), MANIFEST_LIMIT_BYTES)?;
                let index: OciImageIndex = serde_json::from_slice(&index)
                    .map_err(|error| Fault::Invalid(format!("its index.json cannot be read: {error}")))?;
                pick(&index, image)?
            }
        };
        let bytes = self.blob(&digest, MANIFEST_LIMIT_BYTES)?;
        Ok((digest, bytes))
    }

    /// The bytes of a layer, not yet compared with its digest.
    pub(super) fn layer(&self, layer: &Layer) -> Result<Bytes, Fault> {
        self.blob(&layer.digest, layer.size_bytes)
    }

    fn blob(&self, digest: &Digest, limit_bytes: u64) -> Result<Bytes, Fault> {
        self.read(&Path::new("blobs/sha256").join(digest.hex()), limit_bytes)
    }

    fn read(&self, path: &Path, limit_bytes: u64) -> Result<Bytes, Fault> {
        let what = path.display();
        // A pipe must not hold up its reader before it is seen to be one.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = openat2(&self.root, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS);
        let file = File::from(file.map_err(|error| fault(&what.to_string(), error))?);
        let broken = |error: std::io::Error| Fault::Invalid(format!("its {what} cannot be read: {error}"));
        if !file.metadata().map_err(broken)?.is_file() {
            return Err(Fault::Invalid(format!("its {what} is no regular file")));
        }
        let mut bytes = Vec::new();
        file.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 > limit_bytes {
            return Err(Fault::TooLarge(format!("its {what} has more than {limit_bytes} bytes")));
        }
        Ok(bytes.into())
    }
}

/// The image of an index that is meant.
fn pick(index: &OciImageIndex, image: &LayoutImage) -> Result<Digest, Fault> {
    let named = |entry: &&ImageIndexEntry| match image {
        LayoutImage::Tag(tag) => entry.annotations.as_ref().and_then(|all| all.get(REF_NAME)) == Some(tag),
        LayoutImage::Only | LayoutImage::Digest(_) => true,
    };
    let found: Vec<&ImageIndexEntry> = index.manifests.iter().filter(named).collect();
    match found.as_slice() {
        [] => Err(Fault::NotFound),
        [only] => Digest::parse(&only.digest)
            .ok_or_else(|| Fault::Unsupported("its index.json has a digest other than SHA-256".into())),
        // Several manifests at the top are told apart as those of an image's index are.
        _ => match artifact::index(&OciImageIndex { manifests: found.into_iter().cloned().collect(), ..index.clone() })
        {
            Ok(Manifest::Index(digest)) => Ok(digest),
            _ => Err(Fault::Invalid("it holds several images: name one by its tag or digest".into())),
        },
    }
}

fn fault(what: &str, error: Errno) -> Fault {
    match error {
        Errno::NOENT | Errno::NOTDIR => Fault::NotFound,
        Errno::XDEV | Errno::LOOP => Fault::Invalid(format!("{what} leads out of the layout")),
        Errno::ACCESS | Errno::PERM => Fault::AccessDenied,
        error => Fault::Invalid(format!("{what} cannot be opened: {error}")),
    }
}
