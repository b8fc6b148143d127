//! What a layer says it is compatible with: kept, given back and filtered by, not enforced.

use crate::wire::error::WireError;
use crate::wire::lambda::constraints::{failed, one_of};

/// Runtimes and architectures of one layer version (the model's bounds).
const RUNTIMES_LIMIT: usize = 15;
const ARCHITECTURES_LIMIT: usize = 2;

/// AWS's names, whether they can run here or not: a layer may be meant for several.
const RUNTIMES: [&str; 52] = [
    "nodejs",
    "nodejs4.3",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "java8",
    "java8.al2",
    "java11",
    "java17",
    "java21",
    "java25",
    "python2.7",
    "python3.6",
    "python3.7",
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet6",
    "dotnet8",
    "dotnet10",
    "nodejs4.3-edge",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
    "ruby4.0",
    "provided",
    "provided.al2",
    "provided.al2023",
    "nodejs26.x",
    "python3.15",
    "java8.al2023",
    "java11.al2023",
    "java17.al2023",
    "custom",
];

const ARCHITECTURES: [&str; 2] = ["x86_64", "arm64"];

/// A runtime is one of AWS's, or one that is installed in this daemon.
pub(super) fn check_runtime<N: AsRef<str>>(runtime: &str, member: &str, installed: &[N]) -> Result<(), WireError> {
    if installed.iter().any(|name| name.as_ref() == runtime) {
        return Ok(());
    }
    one_of(runtime, member, &RUNTIMES)
}

pub(super) fn check_architecture(architecture: &str, member: &str) -> Result<(), WireError> {
    one_of(architecture, member, &ARCHITECTURES)
}

pub(super) fn check_runtimes<N: AsRef<str>>(runtimes: &[String], installed: &[N]) -> Result<(), WireError> {
    check_count(runtimes, "compatibleRuntimes", RUNTIMES_LIMIT)?;
    runtimes.iter().try_for_each(|runtime| check_runtime(runtime, "compatibleRuntimes", installed))
}

pub(super) fn check_architectures(architectures: &[String]) -> Result<(), WireError> {
    check_count(architectures, "compatibleArchitectures", ARCHITECTURES_LIMIT)?;
    architectures.iter().try_for_each(|architecture| check_architecture(architecture, "compatibleArchitectures"))
}

fn check_count(list: &[String], member: &str, most: usize) -> Result<(), WireError> {
    if list.len() <= most {
        return Ok(());
    }
    Err(failed(
        format!("[{}]", list.join(", ")),
        member,
        format!("Member must have length less than or equal to {most}"),
    ))
}
