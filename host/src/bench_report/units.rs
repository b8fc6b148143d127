//! Figures as people read them.

/// Nanoseconds with three significant digits and the unit that fits.
pub(super) fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 999.5 => return format!("{ns:.0} ns"),
        ns if ns < 999.5e3 => (ns / 1e3, "µs"),
        ns if ns < 999.5e6 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// A round number of nanoseconds, as on an axis: `2 µs`, `10 ms`.
pub(super) fn tick(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", (value * 1e3).round() / 1e3)
}

/// A whole number with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len().saturating_add(digits.len() / 3));
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len().saturating_sub(position)).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate per second.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 99.95 { three_digits(per_second) } else { count(per_second.round() as u64) }
}

/// A factor.
pub(super) fn ratio(ratio: f64) -> String {
    if ratio < 99.95 { format!("{}×", three_digits(ratio)) } else { format!("{}×", count(ratio.round() as u64)) }
}

fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// The name of a quantile: `p50`, `p99.9`.
pub(super) fn percentile(quantile: f64) -> String {
    format!("p{}", (quantile * 1e8).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_fitting_unit() {
        for (ns, text) in [
            (0.0, "0 ns"),
            (999.4, "999 ns"),
            (999.6, "1.00 µs"),
            (12_345.0, "12.3 µs"),
            (99_960.0, "100 µs"),
            (999_499.0, "999 µs"),
            (999_501.0, "1.00 ms"),
            (3.1e9, "3.10 s"),
            (9e11, "900 s"),
        ] {
            assert_eq!(duration(ns), text);
        }
        assert_eq!(tick(2_000.0), "2 µs");
        assert_eq!(tick(1e9), "1 s");
        assert_eq!(
            (count(0), count(999), count(1_000), count(1_234_567)),
            ("0".into(), "999".into(), "1,000".into(), "1,234,567".into())
        );
        assert_eq!(rate(12_345.6), "12,346");
        assert_eq!(ratio(1.0), "1.00×");
        assert_eq!(ratio(1_234.0), "1,234×");
        assert_eq!(
            (percentile(0.5), percentile(0.999), percentile(0.99999)),
            ("p50".into(), "p99.9".into(), "p99.999".into())
        );
    }
}
