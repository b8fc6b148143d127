//! Filter patterns of CloudWatch Logs: a pattern and a message, separated by a line break.
#![no_main]

use lamina_log_patterns::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (pattern, message) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(pattern) = Pattern::parse(pattern) else { return };
    let matches = pattern.matches(message);
    // What matches gives fields, and has in it what every match must have.
    assert_eq!(matches, pattern.extract(message).is_some());
    assert!(!matches || pattern.contained().is_none_or(|text| message.contains(text)));
});
