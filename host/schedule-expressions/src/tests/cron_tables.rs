//! Expressions with firings worked out by hand, and refusals.

use super::*;

#[test]
fn aws_cron_names_the_dates_worked_out_by_hand() {
    // Day and month at 10:00 in 2026 unless a year or a time is given.
    let table: &[(&str, &[&str])] = &[
        ("0 10 L * ? *", &["01-31", "02-28", "03-31", "04-30", "05-31"]),
        ("0 10 ? * 6L *", &["01-30", "02-27", "03-27", "04-24", "05-29"]),
        ("0 10 ? * FRIL *", &["01-30", "02-27", "03-27", "04-24", "05-29"]),
        ("0 10 ? * 2#1 *", &["01-05", "02-02", "03-02", "04-06", "05-04"]),
        ("0 10 ? * 3#5 *", &["03-31", "06-30", "09-29", "12-29", "2027-03-30"]),
        ("0 10 15W * ? *", &["01-15", "02-16", "03-16", "04-15", "05-15"]),
        ("0 10 1W * ? *", &["01-01", "02-02", "03-02", "04-01", "05-01"]),
        ("0 10 31W * ? *", &["01-30", "03-31", "05-29", "07-31", "08-31"]),
        ("0 10 LW * ? *", &["01-30", "02-27", "03-31", "04-30", "05-29"]),
        ("0/15 8-17 ? * MON-FRI *", &["01-01T08:00", "01-01T08:15", "01-01T08:30", "01-01T08:45", "01-01T09:00"]),
        ("0 18 ? * 2-6 *", &["01-01T18:00", "01-02T18:00", "01-05T18:00", "01-06T18:00", "01-07T18:00"]),
        (
            "0 0 29 2 ? *",
            &["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00", "2040-02-29T00:00", "2044-02-29T00:00"],
        ),
        ("0 12 1 1 ? 2026-2030/2", &["2026-01-01T12:00", "2028-01-01T12:00", "2030-01-01T12:00"]),
        ("5/20 0/6 1,15 1-12/3 ? *", &["01-01T00:05", "01-01T00:25", "01-01T00:45", "01-01T06:05", "01-01T06:25"]),
        ("0 12 1 JAN ? 2199", &["2199-01-01T12:00"]),
        ("0 10 ? * L *", &["01-03", "01-10", "01-17", "01-24", "01-31"]),
        ("0 10 L-3 * ? *", &["01-28", "02-25", "03-28", "04-27", "05-28"]),
        ("0 10 ? * SAT-MON *", &["01-03", "01-04", "01-05", "01-10", "01-11"]),
        // Nearest workday where the 1st is a Saturday: 2026-08-01.
        ("0 10 1W 8 ? *", &["2026-08-03", "2027-08-02", "2028-08-01", "2029-08-01", "2030-08-01"]),
    ];
    for (fields, expected) in table {
        let expected: Vec<Timestamp> = expected
            .iter()
            .map(|text| {
                let text = if text.len() >= 10 && !text[..5].contains('T') && text.as_bytes()[4] == b'-' {
                    (*text).to_owned()
                } else {
                    format!("2026-{text}")
                };
                let text = if text.contains('T') { text } else { format!("{text}T10:00") };
                utc(&format!("{text}:00Z"))
            })
            .collect();
        // One second before the year begins, so that its first instant counts.
        let after = utc("2025-12-31T23:59:59Z");
        let source = format!("cron({fields})");
        let mut found = firings(&source, &TimeZone::UTC, after, 5);
        if expected.len() < 5 {
            assert_eq!(found.len(), expected.len(), "{source} must end");
        }
        found.truncate(expected.len());
        assert_eq!(found, expected, "{source}");
    }
}

#[test]
fn aws_cron_refusals_name_the_field() {
    let table = [
        // Both day fields, or neither.
        ("0 10 * * * *", "day-of-month field"),
        ("0 10 1 * 2 *", "day-of-month field"),
        ("0 10 * * 2 *", "day-of-month field"),
        ("0 10 ? * ? *", "day-of-month field"),
        // The number of fields.
        ("0 10 * * ?", "cron expression"),
        ("0 0 10 * * ? *", "cron expression"),
        // Out of range.
        ("60 10 * * ? *", "minutes field"),
        ("-1 10 * * ? *", "minutes field"),
        ("0 24 * * ? *", "hours field"),
        ("0 10 0 * ? *", "day-of-month field"),
        ("0 10 32 * ? *", "day-of-month field"),
        ("0 10 * 0 ? *", "month field"),
        ("0 10 * 13 ? *", "month field"),
        ("0 10 ? * 0 *", "day-of-week field"),
        ("0 10 ? * 8 *", "day-of-week field"),
        ("0 10 * * ? 1969", "year field"),
        ("0 10 * * ? 2200", "year field"),
        ("0 10 * * ? 26", "year field"),
        // Wildcards where they do not belong.
        ("? 10 * * ? *", "minutes field"),
        ("L 10 * * ? *", "minutes field"),
        ("0 10W * * ? *", "hours field"),
        ("0 10 ? * 2W *", "day-of-week field"),
        ("0 10 2#1 * ? *", "day-of-month field"),
        ("0 10 ?/2 * ? *", "day-of-month field"),
        ("0 10 ? * 2/2 *", "day-of-week field"),
        ("0 10 L,5 * ? *", "day-of-month field"),
        ("0 10 5,15W * ? *", "day-of-month field"),
        ("0 10 W * ? *", "day-of-month field"),
        ("0 10 WL * ? *", "day-of-month field"),
        ("0 10 0W * ? *", "day-of-month field"),
        ("0 10 1-5W * ? *", "day-of-month field"),
        ("0 10 L-31 * ? *", "day-of-month field"),
        ("0 10 ? * 3#1,6#3 *", "day-of-week field"),
        ("0 10 ? * MON#1 *", "day-of-week field"),
        ("0 10 ? * 3#6 *", "day-of-week field"),
        ("0 10 ? * 3#0 *", "day-of-week field"),
        ("0 10 ? * 9L *", "day-of-week field"),
        // Malformed items.
        ("0,,5 10 * * ? *", "minutes field"),
        ("5, 10 * * ? *", "minutes field"),
        ("*,5 10 * * ? *", "minutes field"),
        ("** 10 * * ? *", "minutes field"),
        ("/5 10 * * ? *", "minutes field"),
        ("*/0 10 * * ? *", "minutes field"),
        ("*/60 10 * * ? *", "minutes field"),
        ("5/ 10 * * ? *", "minutes field"),
        ("5/2/2 10 * * ? *", "minutes field"),
        ("30-10 10 * * ? *", "minutes field"),
        ("1-2-3 10 * * ? *", "minutes field"),
        ("+5 10 * * ? *", "minutes field"),
        ("71 8 1 * ? *", "minutes field"),
        ("0 dummy ? * MON-FRI *", "hours field"),
        ("0 10 ? * NOT *", "day-of-week field"),
        ("0 10 ? * MONDAY *", "day-of-week field"),
        ("0 10 1 JANUARY ? *", "month field"),
        ("0 10 * * ? 2030-2026", "year field"),
        // Dates that never come.
        ("0 0 30 2 ? *", "combination of day, month and year fields"),
        ("0 0 31 4,6,9,11 ? *", "combination of day, month and year fields"),
        ("0 0 29 2 ? 2027", "combination of day, month and year fields"),
        ("0 0 31W 2 ? *", "combination of day, month and year fields"),
    ];
    for (fields, field) in table {
        let error = Expression::parse(&format!("cron({fields})")).expect_err(fields);
        assert_eq!(error.field(), field, "{fields}: {error}");
        assert!(error.to_string().starts_with(&format!("The {field} ")), "{error}");
    }
}

#[test]
fn refusals_read_as_sentences() {
    let message = |source: &str| Expression::parse(source).unwrap_err().to_string();
    assert_eq!(
        message("cron(71 8 1 * ? *)"),
        "The minutes field `71` is not valid: `71` is not from 0 to 59, and the wildcards here are , - * /."
    );
    assert_eq!(
        message("cron(0 10 * * * *)"),
        "The day-of-month field and the day-of-week field are both set; one of them must be `?`."
    );
    assert_eq!(message("rate(0 days)"), "The rate value `0` is not a positive whole number.");
    assert_eq!(
        message("61 * * * *"),
        "The minutes field `61` is not valid: it takes 0 to 59, lists, ranges, `*` and steps."
    );
}

#[test]
fn plain_cron_reads_like_crontab() {
    let table: &[(&str, &[&str])] = &[
        ("*/30 * * * *", &["2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z"]),
        ("0 9 * * 1-5", &["2026-01-01T09:00:00Z", "2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z"]),
        ("0 9 * * MON-FRI", &["2026-01-01T09:00:00Z", "2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z"]),
        ("0 9 * * 0", &["2026-01-04T09:00:00Z", "2026-01-11T09:00:00Z"]),
        ("0 9 * * 7", &["2026-01-04T09:00:00Z", "2026-01-11T09:00:00Z"]),
        ("0 9 * * 6-7", &["2026-01-03T09:00:00Z", "2026-01-04T09:00:00Z", "2026-01-10T09:00:00Z"]),
        ("0 9 * * 1,thu", &["2026-01-01T09:00:00Z", "2026-01-05T09:00:00Z", "2026-01-08T09:00:00Z"]),
        ("0 9 * * */3", &["2026-01-03T09:00:00Z", "2026-01-04T09:00:00Z", "2026-01-07T09:00:00Z"]),
        // Either day field when both are restricted, both when one is not.
        ("0 0 13 * 5", &["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z"]),
        ("0 0 */2 * 5", &["2026-01-09T00:00:00Z", "2026-01-23T00:00:00Z", "2026-02-13T00:00:00Z"]),
        ("0 0 29 2 *", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("* * * * * *", &["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"]),
        (
            "*/20 * * * * *",
            &["2026-01-01T00:00:00Z", "2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"],
        ),
        ("30 0 12 * jan,mar *", &["2026-01-01T12:00:30Z", "2026-01-02T12:00:30Z"]),
        ("@hourly", &["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"]),
        ("@weekly", &["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
        ("@yearly", &["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
    ];
    for (source, expected) in table {
        let expected: Vec<Timestamp> = expected.iter().map(|text| utc(text)).collect();
        let found = firings(source, &TimeZone::UTC, utc("2025-12-31T23:59:59.5Z"), expected.len());
        assert_eq!(found, expected, "{source}");
    }
}

#[test]
fn plain_cron_refusals_name_the_field() {
    for (source, field) in [
        ("60 * * * *", "minutes field"),
        ("** * * * *", "minutes field"),
        ("5, * * * *", "minutes field"),
        (",5 * * * *", "minutes field"),
        ("5- * * * *", "minutes field"),
        ("*/0 * * * *", "minutes field"),
        ("4294967296 * * * *", "minutes field"),
        ("30-10 * * * *", "minutes field"),
        ("1MON * * * *", "minutes field"),
        ("* 24 * * *", "hours field"),
        ("* * 0 * *", "day-of-month field"),
        ("* * L * *", "day-of-month field"),
        ("* * 15W * *", "day-of-month field"),
        ("* * * 13 *", "month field"),
        ("* * * * 8", "day-of-week field"),
        ("* * * * 5-1", "day-of-week field"),
        ("* * * * 1-9", "day-of-week field"),
        ("* * * * 1/0", "day-of-week field"),
        ("* * * * 2#1", "day-of-week field"),
        ("* * * * Funday", "day-of-week field"),
        ("60 * * * * *", "seconds field"),
        ("* * * *", "expression"),
        ("* * * * * * *", "expression"),
        ("@reboot", "expression"),
        ("@daily @daily", "expression"),
        ("0 0 30 2 *", "combination of day, month and year fields"),
    ] {
        let error = Expression::parse(source).expect_err(source);
        assert_eq!(error.field(), field, "{source}: {error}");
    }
}
