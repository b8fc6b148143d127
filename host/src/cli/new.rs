//! `lamina new`: a function template in Rust.

use super::Failure;
use super::output::print;
use crate::ids::FunctionName;
use std::path::{Path, PathBuf};

/// Arguments of `new`.
#[derive(Debug, clap::Args)]
pub struct New {
    /// The function's name, and that of the directory to write
    name: String,
    /// Where the directory goes
    #[arg(long, default_value = ".", value_name = "DIR")]
    r#in: PathBuf,
    /// What kind of function
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// A checkout of Lamina's guest SDK [default: guest-sdk in this directory or one above it]
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// JSON in, JSON out
    #[default]
    Event,
    /// The real HTTP request in, a response out
    Http,
}

impl New {
    pub(super) fn run(self) -> Result<(), Failure> {
        let name = FunctionName::new(&self.name).map_err(|error| Failure::usage(error.to_string()))?;
        let package = name.as_str().to_ascii_lowercase();
        if !package.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let message = format!("{package:?} cannot be the name of a Rust package");
            return Err(Failure::usage(message).hint("begin the name with a letter"));
        }
        let directory = self.r#in.join(name.as_str());
        if directory.exists() {
            return Err(Failure::usage(format!("{} exists already", directory.display())));
        }
        let dependency = match self.sdk.clone().or_else(|| sdk_above(&self.r#in)) {
            Some(sdk) => {
                let absolute = sdk
                    .canonicalize()
                    .map_err(|error| Failure::usage(format!("the SDK {} cannot be used: {error}", sdk.display())))?;
                format!("path = {:?}", absolute.display().to_string())
            }
            None => format!("version = {:?}", env!("CARGO_PKG_VERSION")),
        };
        let (source, event, features) = match self.kind {
            Kind::Event => (include_str!("new/event.rs.txt"), include_str!("new/event.json"), ""),
            Kind::Http => (include_str!("new/http.rs.txt"), include_str!("new/http.json"), ", features = [\"http\"]"),
        };
        let fill = |template: &str| {
            template
                .replace("{{name}}", name.as_str())
                .replace("{{package}}", &package)
                .replace("{{file}}", &package.replace('-', "_"))
                .replace("{{sdk}}", &format!("{{ {dependency}{features} }}"))
        };
        let mut manifest = fill(include_str!("new/Cargo.toml.txt"));
        if self.kind == Kind::Http {
            manifest = manifest.replace("[dependencies]\n", "[dependencies]\nhttp = \"1\"\n");
        } else {
            manifest = manifest
                .replace("[dependencies]\n", "[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n")
                .replace("[dev-dependencies]\n", "[dev-dependencies]\nserde_json = \"1\"\n");
        }
        manifest = manifest.replace("\n[dev-dependencies]\n\n", "\n");
        write(&directory.join("Cargo.toml"), &manifest)?;
        write(&directory.join("src/lib.rs"), &fill(source))?;
        write(&directory.join("event.json"), event)?;
        write(&directory.join(".gitignore"), "/target\n")?;
        write(&directory.join("README.md"), &fill(include_str!("new/README.md.txt")))?;
        print(&format!(
            "{} is written. Next:\n  cd {0}\n  cargo build --release --target wasm32-wasip1\n  \
             lamina deploy {name} target/wasm32-wasip1/release/{}.wasm\n  lamina invoke {name} --payload @event.json",
            directory.display(),
            package.replace('-', "_")
        ))
    }
}

/// The SDK of the checkout that a directory is in.
fn sdk_above(directory: &Path) -> Option<PathBuf> {
    let absolute = directory.canonicalize().ok()?;
    absolute.ancestors().map(|above| above.join("guest-sdk")).find(|sdk| sdk.join("wit").is_dir())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fault = |error: std::io::Error| Failure::usage(format!("{} cannot be written: {error}", path.display()));
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fault)?;
    }
    std::fs::write(path, text).map_err(fault)
}
