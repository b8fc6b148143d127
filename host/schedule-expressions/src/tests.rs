mod cron_tables;
mod properties;
mod zones;

use super::*;

fn utc(text: &str) -> Timestamp {
    let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    text.parse().unwrap()
}

/// The first `count` firings later than `after`; fewer when they end.
fn firings(source: &str, zone: &TimeZone, after: Timestamp, count: usize) -> Vec<Timestamp> {
    let expression = Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let mut last = after;
    std::iter::from_fn(|| {
        last = expression.next_after(last, zone, after)?;
        Some(last)
    })
    .take(count)
    .collect()
}

#[test]
fn shows_and_serializes_as_its_source() {
    for source in ["rate(5 minutes)", "at(2026-07-01T12:00:00)", "cron(0 10  ?  * mon-fri *)", "*/5 * * * *"] {
        let expression = Expression::parse(source).unwrap();
        assert_eq!(expression.to_string(), source);
        let json = serde_json::to_string(&expression).unwrap();
        assert_eq!(json, format!("\"{source}\""));
        assert_eq!(serde_json::from_str::<Expression>(&json).unwrap(), expression);
    }
    let error = serde_json::from_str::<Expression>("\"rate(5 weeks)\"").unwrap_err();
    assert!(error.to_string().contains("rate unit"), "{error}");
}

#[test]
fn knows_the_forms_aws_has() {
    for (source, aws, one_time) in [
        ("rate(5 minutes)", true, false),
        ("rate(5 seconds)", false, false),
        ("at(2026-07-01T12:00:00)", true, true),
        ("cron(0 10 * * ? *)", true, false),
        ("0 10 * * *", false, false),
        ("@daily", false, false),
    ] {
        let expression = Expression::parse(source).unwrap();
        assert_eq!(expression.is_aws_form(), aws, "{source}");
        assert_eq!(expression.is_one_time(), one_time, "{source}");
    }
}

#[test]
fn refuses_texts_of_no_form() {
    let long = format!("cron({}0 10 * * ? *)", " ".repeat(MAX_LENGTH));
    for source in [
        "",
        " ",
        "hello",
        "cron",
        "cron(",
        "cron()",
        "cron(INVALID)",
        "CRON(0 10 * * ? *)",
        " rate(10 minutes)",
        "rate(10 minutes) ",
        "rate(10 minutes",
        "every(5 minutes)",
        "cron( 0 10 * * ? *)",
        long.as_str(),
    ] {
        assert!(Expression::parse(source).is_err(), "{source:?}");
    }
}
