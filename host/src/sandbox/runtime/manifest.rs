//! What a runtime says of itself: `runtime.toml` (`docs/runtimes.md`).

use serde::Deserialize;

/// The contract between runtimes and this host.
pub(super) const ABI: u32 = 1;

/// Characters of a runtime's name.
const NAME_LIMIT: usize = 64;

/// Why a runtime cannot be used. Whoever brought it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not the TOML that is expected.
    #[error("{0}")]
    Syntax(String),
    /// Made for another host.
    #[error("abi is {0}; this host has {ABI}")]
    Abi(u32),
    /// A name or version that is not fit to be one.
    #[error(
        "{key} is {value:?}; it takes 1 to {NAME_LIMIT} letters, digits, '.', '-' and '_', the first a letter or digit"
    )]
    Name {
        /// The key.
        key: &'static str,
        /// What it is.
        value: String,
    },
    /// The example's file lies elsewhere than directly in its package.
    #[error("example.file is {0:?}; it takes the name of a file, of letters, digits, '.', '-' and '_'")]
    Example(String),
    /// More memory than a function can have.
    #[error("memory_floor_mb is {0}; the most that functions can have is 10240")]
    MemoryFloor(u32),
}

/// `runtime.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name, of which there is one on a host.
    pub name: String,
    /// The language's version, shown as what really runs.
    pub version: String,
    /// [`ABI`].
    pub abi: u32,
    /// AWS's runtimes that it can stand for.
    #[serde(default)]
    pub aws: Vec<String>,
    /// What `Handler` usually is.
    pub handler_default: String,
    /// The least memory that its functions can have.
    pub memory_floor_mb: u32,
    /// A function like others, as small as can be. Images are compared with what memory holds once it is loaded.
    pub example: Option<Example>,
}

/// A package of one file, whose handler is `handler_default`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The file's name.
    pub file: String,
    /// What is in it.
    pub text: String,
}

impl Manifest {
    /// Reads and checks a manifest.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = toml::from_str(text).map_err(|error| ManifestError::Syntax(error.message().to_owned()))?;
        if manifest.abi != ABI {
            return Err(ManifestError::Abi(manifest.abi));
        }
        check_name("name", &manifest.name)?;
        check_name("version", &manifest.version)?;
        manifest.aws.iter().try_for_each(|name| check_name("aws", name))?;
        if let Some(Example { file, .. }) = manifest.example.as_ref().filter(|example| !is_name(&example.file)) {
            return Err(ManifestError::Example(file.chars().take(NAME_LIMIT).collect()));
        }
        if manifest.memory_floor_mb > 10_240 {
            return Err(ManifestError::MemoryFloor(manifest.memory_floor_mb));
        }
        Ok(manifest)
    }
}

/// Names are part of ARNs and of log lines.
fn check_name(key: &'static str, value: &str) -> Result<(), ManifestError> {
    match is_name(value) {
        true => Ok(()),
        false => Err(ManifestError::Name { key, value: value.chars().take(NAME_LIMIT).collect() }),
    }
}

fn is_name(value: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let begins = value.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins && value.len() <= NAME_LIMIT && value.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "python3.13"
        version = "3.13.5"
        abi = 1
        aws = ["python3.12", "python3.13"]
        handler_default = "lambda_function.lambda_handler"
        memory_floor_mb = 32
    "#;

    #[test]
    fn a_manifest_is_read() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.aws.len(), manifest.memory_floor_mb), ("python3.13", 2, 32));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let with = |from: &str, to: &str| Manifest::parse(&GOOD.replace(from, to)).unwrap_err();
        assert_eq!(with("abi = 1", "abi = 2"), ManifestError::Abi(2));
        assert_eq!(with("= 32", "= 10241"), ManifestError::MemoryFloor(10_241));
        assert!(matches!(with("\"python3.12\"", "\"a b\""), ManifestError::Name { key: "aws", .. }));
        assert!(matches!(with("\"3.13.5\"", "\"\""), ManifestError::Name { key: "version", .. }));
        assert!(matches!(with("\"python3.13\"\n", "\"../x\"\n"), ManifestError::Name { key: "name", .. }));
        assert!(matches!(with("abi = 1", "abi = 1\nmore = 2"), ManifestError::Syntax(_)));
        let example = |file: &str| with("= 32", &format!("= 32\n[example]\nfile = \"{file}\"\ntext = \"\""));
        assert!(matches!(example("../x.py"), ManifestError::Example(_)));
        assert!(matches!(example(".."), ManifestError::Example(_)));
        assert!(matches!(Manifest::parse(""), Err(ManifestError::Syntax(_))));
    }
}
