//! What a measurement ran on.

use serde::Serialize;
use std::fmt;

/// A machine, as far as its figures depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Hardware threads this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Such as `Linux 6.1.0-18-amd64`.
    pub kernel: String,
    /// Such as `x86_64`.
    pub arch: String,
    /// Version of Lamina.
    pub lamina: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let uname = rustix::system::uname();
        let kernel = format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy());
        let arch = uname.machine().to_string_lossy().into_owned();
        let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| cpu_name(&text));
        Self {
            cpu: cpu.unwrap_or_else(|| arch.clone()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory_bytes(),
            kernel,
            arch,
            lamina: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

fn cpu_name(cpuinfo: &str) -> Option<String> {
    let value = |key: &str| {
        cpuinfo.lines().filter_map(|line| line.split_once(':')).find(|(k, _)| k.trim() == key).map(|(_, v)| v.trim())
    };
    let name = value("model name").or_else(|| value("Model")).or_else(|| value("cpu"))?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(target_os = "linux")]
fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    u64::from(info.mem_unit.max(1)).saturating_mul(info.totalram)
}

#[cfg(not(target_os = "linux"))]
fn memory_bytes() -> u64 {
    0
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = if self.cores == 1 { "core" } else { "cores" };
        write!(f, "{}, {} {cores}", self.cpu, self.cores)?;
        if self.memory_bytes > 0 {
            write!(f, ", {:.1} GiB", self.memory_bytes as f64 / (1024.0 * 1024.0 * 1024.0))?;
        }
        write!(f, ", {}", self.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_and_memory() {
        let machine = Machine::this();
        assert!(!machine.cpu.is_empty() && machine.cores > 0 && machine.kernel.contains(' '));
        assert!(machine.memory_bytes > 1024 * 1024);
    }

    #[test]
    fn a_processor_is_named_by_its_kind_of_cpuinfo() {
        let x86 = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R)   Platinum @ 2.80GHz\n";
        assert_eq!(cpu_name(x86).as_deref(), Some("Intel(R) Xeon(R) Platinum @ 2.80GHz"));
        assert_eq!(cpu_name("processor: 0\nModel : Raspberry Pi 5\n").as_deref(), Some("Raspberry Pi 5"));
        assert_eq!(cpu_name("nothing of the kind"), None);
    }
}
