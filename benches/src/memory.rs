//! This process's memory, as the kernel counts it.

use anyhow::{Context, Result};
use std::fs;

/// Memory of this process at one time.
#[derive(Debug, Clone)]
pub struct Usage {
    /// `VmRSS`: what is resident. A page mapped twice counts twice.
    pub rss_bytes: u64,
    /// `RssAnon`: of that, pages of this process's own.
    pub anonymous_bytes: u64,
    /// `RssFile` and `RssShmem`: of that, pages of mapped files.
    pub file_bytes: u64,
    /// `Pss`: resident, each page counted once over all its mappings.
    pub pss_bytes: u64,
    /// Page tables (`VmPTE`): the kernel's, in no figure above.
    pub page_tables_bytes: u64,
    /// How many mappings there are.
    pub mappings: usize,
}

impl Usage {
    /// Reads `/proc/self`.
    pub fn now() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
        Ok(Self {
            rss_bytes: field(&status, "VmRSS")?,
            anonymous_bytes: field(&status, "RssAnon")?,
            file_bytes: field(&status, "RssFile")?.saturating_add(field(&status, "RssShmem")?),
            pss_bytes: field(&rollup, "Pss")?,
            page_tables_bytes: field(&status, "VmPTE")?,
            mappings: fs::read_to_string("/proc/self/maps")?.lines().count(),
        })
    }

    /// All figures in bytes, by name.
    pub fn figures(&self) -> [(&'static str, u64); 5] {
        [
            ("VmRSS", self.rss_bytes),
            ("  private", self.anonymous_bytes),
            ("  files", self.file_bytes),
            ("Pss", self.pss_bytes),
            ("tables", self.page_tables_bytes),
        ]
    }
}

fn field(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kb = line.and_then(|rest| rest.trim().strip_suffix(" kB")).with_context(|| format!("no {name} in /proc"))?;
    Ok(kb.trim().parse::<u64>()?.saturating_mul(1024))
}

/// Neighbouring mappings without a gap between them.
#[derive(Debug, Clone, Default)]
pub struct Region {
    /// Address space.
    pub size_bytes: u64,
    /// Resident.
    pub rss_bytes: u64,
    /// Of that, pages of this process's own.
    pub anonymous_bytes: u64,
    /// How many mappings.
    pub mappings: usize,
    /// The name of the first mapping that has one.
    pub name: String,
}

/// All memory of this process by region.
pub fn regions() -> Result<Vec<Region>> {
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    let mut regions: Vec<Region> = Vec::new();
    let mut end = 0;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some((from, to)) = first.split_once('-').filter(|_| !first.ends_with(':')) {
            let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
            if from != end || regions.is_empty() {
                regions.push(Region::default());
            }
            end = to;
            if let Some(region) = regions.last_mut() {
                region.size_bytes = region.size_bytes.saturating_add(to.saturating_sub(from));
                region.mappings = region.mappings.saturating_add(1);
                if region.name.is_empty() {
                    region.name = words.nth(4).unwrap_or_default().to_owned();
                }
            }
            continue;
        }
        let Some(region) = regions.last_mut() else { continue };
        let total = match first {
            "Rss:" => &mut region.rss_bytes,
            "Anonymous:" => &mut region.anonymous_bytes,
            _ => continue,
        };
        let kb: u64 = words.next().context("a figure in smaps")?.parse()?;
        *total = total.saturating_add(kb.saturating_mul(1024));
    }
    Ok(regions)
}
