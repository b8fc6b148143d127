//! `lamina completions`.

use super::{Cli, Failure, output};
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Such as: lamina completions bash > ~/.local/share/bash-completion/completions/lamina")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "lamina", &mut script);
        output::write(&script)
    }
}
