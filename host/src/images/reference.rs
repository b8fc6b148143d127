//! What `ImageUri` may name: an image in a registry, or one in a directory.
//!
//! - `host[:port]/repository[:tag][@sha256:…]`, the tag `latest` where there is neither. The host is never implied.
//! - `oci:/directory[:tag|@sha256:…]`: an OCI image layout, as `skopeo` and `oras` write it.

use oci_client::Reference;
use std::fmt;
use std::path::{Component, PathBuf};
use std::str::FromStr;

/// Bytes of a reference.
const LENGTH_LIMIT_BYTES: usize = 1024;

/// What a layout's references begin with.
const LAYOUT_PREFIX: &str = "oci:";

/// A reference to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageReference {
    /// In a registry.
    Registry(Reference),
    /// In a directory.
    Layout(LayoutReference),
}

/// A reference to an image in an OCI image layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutReference {
    /// The directory, absolute and without `.` and `..`.
    pub directory: PathBuf,
    /// Which of its images.
    pub image: LayoutImage,
}

/// Which image of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutImage {
    /// The only one.
    Only,
    /// The one with this `org.opencontainers.image.ref.name`.
    Tag(String),
    /// The one with this digest.
    Digest(Digest),
}

/// A SHA-256 as images name things by it: `sha256:` and 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(bytes);
        Self(hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}")))
    }

    /// Reads one; `None` for other algorithms and other spellings.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_hex.then(|| Self(text.to_owned()))
    }

    /// With the algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the algorithm.
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ImageReference {
    /// The reference with a digest in the place of tag and digest.
    pub fn pinned(&self, digest: &Digest) -> String {
        match self {
            Self::Registry(reference) => format!("{}/{}@{digest}", reference.registry(), reference.repository()),
            Self::Layout(layout) => format!("{LAYOUT_PREFIX}{}@{digest}", layout.directory.display()),
        }
    }

    /// The digest that it asks for.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Registry(reference) => Digest::parse(reference.digest()?),
            Self::Layout(LayoutReference { image: LayoutImage::Digest(digest), .. }) => Some(digest.clone()),
            Self::Layout(_) => None,
        }
    }
}

impl FromStr for ImageReference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > LENGTH_LIMIT_BYTES {
            return Err(format!("a reference has at most {LENGTH_LIMIT_BYTES} bytes"));
        }
        if let Some(rest) = text.strip_prefix(LAYOUT_PREFIX) {
            return layout(rest).map(Self::Layout);
        }
        // What has no host would be an image of a registry that nobody named.
        let host = text.split_once('/').map(|(host, _)| host).unwrap_or_default();
        if !(host == "localhost" || host.contains(['.', ':'])) {
            return Err(
                "it names no registry: write host[:port]/repository[:tag|@sha256:…] or oci:/directory[:tag]".into()
            );
        }
        let reference = Reference::from_str(text).map_err(|error| error.to_string())?;
        match reference.digest() {
            Some(digest) if Digest::parse(digest).is_none() => Err("a digest is sha256: and 64 hex digits".into()),
            _ => Ok(Self::Registry(reference)),
        }
    }
}

fn layout(rest: &str) -> Result<LayoutReference, String> {
    let (path, image) = match rest.rsplit_once('@') {
        Some((path, digest)) => {
            let digest = Digest::parse(digest).ok_or("a digest is sha256: and 64 hex digits")?;
            (path, LayoutImage::Digest(digest))
        }
        None => match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => {
                let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
                if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(is_tag) {
                    return Err("a tag is 1 to 128 letters, digits, and ._-".into());
                }
                (path, LayoutImage::Tag(tag.to_owned()))
            }
            _ => (rest, LayoutImage::Only),
        },
    };
    let directory = PathBuf::from(path);
    let is_plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    if !directory.is_absolute() || !directory.components().all(is_plain) || path.contains('\0') {
        return Err("a layout is an absolute path without . and ..".into());
    }
    Ok(LayoutReference { directory: directory.components().collect(), image })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn read(text: &str) -> ImageReference {
        text.parse().unwrap()
    }

    #[test]
    fn registries_are_named_and_tags_default_to_latest() {
        let ImageReference::Registry(reference) = read("127.0.0.1:5000/team/app") else { panic!("no registry") };
        assert_eq!((reference.registry(), reference.repository()), ("127.0.0.1:5000", "team/app"));
        assert_eq!((reference.tag(), reference.digest()), (Some("latest"), None));
        let digest = Digest::parse(DIGEST).unwrap();
        let pinned = read(&format!("ghcr.io/a/b:v1@{DIGEST}"));
        assert_eq!(pinned.digest(), Some(digest.clone()));
        assert_eq!(pinned.pinned(&digest), format!("ghcr.io/a/b@{DIGEST}"));
        assert_eq!(read("localhost/a").pinned(&digest), format!("localhost/a@{DIGEST}"));
    }

    #[test]
    fn layouts_are_absolute_directories() {
        let of = |image| ImageReference::Layout(LayoutReference { directory: "/srv/images/app".into(), image });
        assert_eq!(read("oci:/srv/images/app"), of(LayoutImage::Only));
        assert_eq!(read("oci:/srv/images//app/:v1"), of(LayoutImage::Tag("v1".into())));
        let digest = Digest::parse(DIGEST).unwrap();
        let pinned = read(&format!("oci:/srv/images/app@{DIGEST}"));
        assert_eq!(pinned, of(LayoutImage::Digest(digest.clone())));
        assert_eq!(pinned.pinned(&digest), format!("oci:/srv/images/app@{DIGEST}"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let long = format!("ghcr.io/{}", "a".repeat(2000));
        let short = "ghcr.io/a@sha256:0123";
        let other = format!("ghcr.io/a@sha512:{}", "0".repeat(128));
        for text in
            ["", "app", "app:latest", "library/app", "/app", "ghcr.io/App", "ghcr.io/a:b:c", &long, short, &other]
        {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
        for text in ["oci:", "oci:relative", "oci:/a/../b", "oci:/a:t@g", "oci:/a@sha256:1", "oci:/a:"] {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }

    #[test]
    fn digests_are_of_what_they_name() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert_eq!(Digest::parse(empty).unwrap().hex(), &empty[7..]);
        assert_eq!(Digest::parse(&empty.to_uppercase()), None);
    }
}
