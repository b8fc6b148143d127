//! Event patterns (filters of event source mappings): a pattern and an event, separated by a line break.
#![no_main]

use lamina_event_patterns::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (pattern, event) = text.split_once('\n').unwrap_or((text, "{}"));
    let Ok(pattern) = Pattern::parse(pattern) else { return };
    if let Ok(event) = serde_json::from_str(event) {
        // The same question gets the same answer.
        assert_eq!(pattern.matches(&event), pattern.matches(&event));
    }
});
