//! Every operation at the service's entry point, over storage in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::*;
use crate::clock::{SharedClock, TokioClock};
use crate::invocation::{Invocation, Invoke, InvokeError, Outcome};
use crate::shutdown::Shutdown;
use crate::storage::Storage;
use crate::triggers::schedule::{Config, Parts};
use futures_util::future::BoxFuture;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

struct Nobody;

impl Invoke for Nobody {
    fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(std::future::pending())
    }
}

struct World {
    api: SchedulerApi,
    storage: Storage,
}

/// An error's status, code and message.
type Refusal = (u16, &'static str, String);

impl World {
    async fn new() -> Self {
        let clock: SharedClock = Arc::new(TokioClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
        let storage = Storage::memory().unwrap();
        let parts = Parts {
            schedules: Arc::clone(&storage.schedules),
            queues: Arc::clone(&storage.queues),
            invoker: Arc::new(Nobody),
            observer: Arc::new(()),
            clock,
            home: Home::default(),
        };
        let scheduler = Scheduler::start(parts, Config::default(), Shutdown::new()).await.unwrap();
        Self { api: SchedulerApi::new(scheduler), storage }
    }

    async fn raw(&self, method: &str, uri: &str, body: impl Into<bytes::Bytes>) -> Result<(u16, Value), Refusal> {
        let request = http::Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(uri);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let answered = handle(&self.api, &Request { parts, body: body.into() }).await.expect("the path is Scheduler's");
        match answered {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                Ok((status, serde_json::from_slice(&body).unwrap()))
            }
            Err(error) => Err((error.status.as_u16(), error.code, error.message)),
        }
    }

    async fn call(&self, method: &str, uri: &str, body: Value) -> Result<Value, Refusal> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, uri, body).await.map(|(status, answer)| {
            assert_eq!(status, 200);
            answer
        })
    }

    async fn create(&self, name: &str, change: impl FnOnce(&mut Value)) -> Result<Value, Refusal> {
        let mut body = body();
        change(&mut body);
        self.call("POST", &format!("/schedules/{name}"), body).await
    }

    async fn get(&self, uri: &str) -> Result<Value, Refusal> {
        self.call("GET", uri, Value::Null).await
    }

    /// All pages of a list, and how many there were.
    async fn pages(&self, uri: &str, member: &str) -> (Vec<String>, usize) {
        let (mut names, mut pages) = (Vec::new(), 0);
        let mut next = String::new();
        loop {
            let page = self.get(&format!("{uri}{next}")).await.unwrap();
            names.extend(page[member].as_array().unwrap().iter().map(|item| item["Name"].as_str().unwrap().to_owned()));
            pages += 1;
            match page["NextToken"].as_str() {
                Some(token) => next = format!("&NextToken={token}"),
                None => return (names, pages),
            }
        }
    }
}

fn body() -> Value {
    json!({
        "ScheduleExpression": "rate(1 day)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "RoleArn": "arn:aws:iam::000000000000:role/service/r",
        },
    })
}

const GROUP_ARN: &str = "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g";

fn refusal(answer: Result<Value, Refusal>) -> Refusal {
    answer.expect_err("a refusal was expected")
}

#[tokio::test(start_paused = true)]
async fn a_schedule_is_created_read_and_deleted() {
    let world = World::new().await;
    let created = world.create("n", |_| {}).await.unwrap();
    assert_eq!(created, json!({"ScheduleArn": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/n"}));
    let expected = json!({
        "Arn": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/n",
        "CreationDate": 1_767_225_600.0,
        "GroupName": "default",
        "LastModificationDate": 1_767_225_600.0,
        "Name": "n",
        "State": "ENABLED",
        "Target": {
            "Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "RoleArn": "arn:aws:iam::000000000000:role/service/r",
            "RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185},
        },
        "ActionAfterCompletion": "NONE",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "MissedFirings": "once",
        "ScheduleExpression": "rate(1 day)",
        "ScheduleExpressionTimezone": "UTC",
    });
    assert_eq!(world.get("/schedules/n").await.unwrap(), expected);
    assert_eq!(world.get("/schedules/n?groupName=default").await.unwrap(), expected);
    assert_eq!(world.call("DELETE", "/schedules/n", Value::Null).await.unwrap(), json!({}));
    let gone = (404, "ResourceNotFoundException", "Schedule n does not exist.".to_owned());
    assert_eq!(refusal(world.get("/schedules/n").await), gone);
    assert_eq!(refusal(world.call("DELETE", "/schedules/n", Value::Null).await), gone);
    assert_eq!(refusal(world.call("PUT", "/schedules/n", body()).await), gone);
}

#[tokio::test(start_paused = true)]
async fn every_member_comes_back() {
    let world = World::new().await;
    world.call("POST", "/schedule-groups/g", json!({})).await.unwrap();
    let full = json!({
        "ActionAfterCompletion": "DELETE",
        "Description": "é",
        "EndDate": 1_800_000_000.5,
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        "GroupName": "g",
        "KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/a-b",
        "MissedFirings": "all",
        "ScheduleExpression": "cron(0 12 ? * MON-FRI *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "StartDate": 1_767_225_700,
        "State": "DISABLED",
        "Target": {
            "Arn": "arn:aws:sqs:us-east-1:000000000000:q.fifo",
            "RoleArn": "arn:aws:iam::000000000000:role/r",
            "Input": "plain text",
            "RetryPolicy": {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0},
            "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:dead"},
            "SqsParameters": {"MessageGroupId": "m"},
        },
        "NothingThatThereIs": [1],
    });
    world.call("POST", "/schedules/n", full.clone()).await.unwrap();
    let read = world.get("/schedules/n?groupName=g").await.unwrap();
    for (member, value) in full.as_object().unwrap() {
        match member.as_str() {
            "NothingThatThereIs" => assert_eq!(read.get(member), None),
            "StartDate" => assert_eq!(read[member], json!(1_767_225_700.0)),
            _ => assert_eq!(read[member], *value, "{member}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_replaces_everything_but_the_creation_date() {
    let world = World::new().await;
    world.create("n", |body| body["Description"] = "d".into()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    let mut changed = body();
    changed["ScheduleExpression"] = "*/5 * * * *".into();
    changed["State"] = "DISABLED".into();
    let updated = world.call("PUT", "/schedules/n", changed).await.unwrap();
    assert_eq!(updated["ScheduleArn"], "arn:aws:scheduler:us-east-1:000000000000:schedule/default/n");
    let read = world.get("/schedules/n").await.unwrap();
    assert_eq!((&read["ScheduleExpression"], &read["State"]), (&"*/5 * * * *".into(), &"DISABLED".into()));
    assert_eq!(read.get("Description"), None);
    assert_eq!(read["CreationDate"], json!(1_767_225_600.0));
    assert!(read["LastModificationDate"].as_f64().unwrap() >= 1_767_225_610.0);
}

#[tokio::test(start_paused = true)]
async fn what_exists_or_does_not_is_said_in_awss_words() {
    let world = World::new().await;
    world.create("n", |_| {}).await.unwrap();
    let exists = (409, "ConflictException", "Schedule n already exists.".to_owned());
    assert_eq!(refusal(world.create("n", |_| {}).await), exists);
    let no_group = (404, "ResourceNotFoundException", "Schedule group g does not exist.".to_owned());
    assert_eq!(refusal(world.create("n", |body| body["GroupName"] = "g".into()).await), no_group);
    assert_eq!(refusal(world.get("/schedules?ScheduleGroup=g").await), no_group);
    assert_eq!(refusal(world.get("/schedule-groups/g").await), no_group);
    assert_eq!(refusal(world.call("DELETE", "/schedule-groups/g", Value::Null).await), no_group);
    assert_eq!(refusal(world.get(&format!("/tags/{GROUP_ARN}")).await), no_group);
}

#[tokio::test(start_paused = true)]
async fn values_out_of_bounds_are_refused() {
    let world = World::new().await;
    let cases: Vec<(&str, Value)> = vec![
        ("/ScheduleExpression", Value::Null),
        ("/ScheduleExpression", "".into()),
        ("/ScheduleExpression", "every(5 minutes)".into()),
        ("/ScheduleExpression", "cron(0 12 * * *)".into()),
        ("/ScheduleExpression", format!("rate({} days)", "9".repeat(300)).into()),
        ("/ScheduleExpressionTimezone", "Mars/Olympus".into()),
        ("/ScheduleExpressionTimezone", "x".repeat(51).into()),
        ("/FlexibleTimeWindow", Value::Null),
        ("/FlexibleTimeWindow", json!({})),
        ("/FlexibleTimeWindow", json!({"Mode": "FLEXIBLE"})),
        ("/FlexibleTimeWindow", json!({"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 0})),
        ("/FlexibleTimeWindow", json!({"Mode": "FLEXIBLE", "MaximumWindowInMinutes": i64::MAX})),
        ("/FlexibleTimeWindow", json!({"Mode": "off"})),
        ("/Target", Value::Null),
        ("/Target/Arn", Value::Null),
        ("/Target/Arn", "not an arn".into()),
        ("/Target/Arn", "arn:aws:sns:us-east-1:000000000000:t".into()),
        ("/Target/Arn", "arn:aws:lambda:us-east-1:000000000000:function:a b".into()),
        ("/Target/Arn", "arn:aws:sqs:us-east-1:000000000000:q.fifo".into()),
        ("/Target/RoleArn", Value::Null),
        ("/Target/RoleArn", "arn:aws:iam::000000000000:user/u".into()),
        ("/Target/RoleArn", "arn:aws:iam::1:role/r".into()),
        ("/Target/Input", "".into()),
        ("/Target/Input", "{not json".into()),
        ("/Target/Input", format!("\"{}\"", "x".repeat(256 * 1024)).into()),
        ("/Target/RetryPolicy", json!({"MaximumRetryAttempts": 186})),
        ("/Target/RetryPolicy", json!({"MaximumRetryAttempts": -1})),
        ("/Target/RetryPolicy", json!({"MaximumEventAgeInSeconds": 59})),
        ("/Target/DeadLetterConfig", json!({"Arn": "arn:aws:sqs:us-east-1:000000000000:q.fifo"})),
        ("/Target/DeadLetterConfig", json!({"Arn": "arn:aws:sns:us-east-1:000000000000:t"})),
        ("/Target/SqsParameters", json!({"MessageGroupId": "m"})),
        ("/Target/EcsParameters", json!({})),
        ("/State", "MAYBE".into()),
        ("/ActionAfterCompletion", "KEEP".into()),
        ("/MissedFirings", "some".into()),
        ("/Description", "x".repeat(513).into()),
        ("/GroupName", "a b".into()),
        ("/KmsKeyArn", "key".into()),
        ("/StartDate", json!(1_767_225_299)),
        ("/StartDate", json!(1e300)),
        ("/EndDate", json!(-1e300)),
    ];
    for (pointer, value) in cases {
        let refused = world.create("n", |body| set(body, pointer, value.clone())).await;
        let (status, code, message) = refused.expect_err(&format!("{pointer}: {value}"));
        assert_eq!((status, code), (400, "ValidationException"), "{pointer}: {value}: {message}");
        assert!(message.len() < 1_000, "{message}");
    }
    let dates = world.create("n", |body| (body["StartDate"], body["EndDate"]) = (2e9.into(), 1.9e9.into())).await;
    assert!(refusal(dates).2.contains("before the EndDate"));
    let skipped = world.create("n", |body| {
        body["ScheduleExpression"] = "at(2026-03-08T02:30:00)".into();
        body["ScheduleExpressionTimezone"] = "America/New_York".into();
    });
    assert!(refusal(skipped.await).2.contains("does not exist in America/New_York"));
    let (_, _, message) = refusal(world.create("a%20b", |_| {}).await);
    assert_eq!(
        message,
        "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$"
    );
    for name in ["a/b", "%2E%2E/x", &"x".repeat(65), "%FF"] {
        assert_eq!(refusal(world.create(name, |_| {}).await).1, "ValidationException", "{name}");
    }
    assert_eq!(world.pages("/schedules?MaxResults=9", "Schedules").await.0.len(), 0, "nothing of it was stored");
}

/// Sets or adds the member at a pointer.
fn set(body: &mut Value, pointer: &str, value: Value) {
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[member] = value;
}

#[tokio::test(start_paused = true)]
async fn bodies_of_wrong_types_are_refused() {
    let world = World::new().await;
    for body in [
        "{",
        "[1]",
        "\"x\"",
        "null",
        "1",
        "\u{0}",
        r#"{"Target": 1}"#,
        r#"{"ScheduleExpression": 5}"#,
        r#"{"StartDate": "x"}"#,
        r#"{"FlexibleTimeWindow": {"MaximumWindowInMinutes": 1.5}}"#,
        r#"{"ClientToken": "\ud800"}"#,
    ] {
        for (method, uri) in [("POST", "/schedules/n"), ("PUT", "/schedules/n")] {
            let refused = world.raw(method, uri, body).await.expect_err(body);
            assert_eq!(refused.0, 400, "{method} {body}: {refused:?}");
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(world.raw("POST", "/schedules/n", deep).await.unwrap_err().1, "SerializationException");
    assert_eq!(world.raw("POST", "/schedules/n", vec![0xff, 0xfe]).await.unwrap_err().1, "SerializationException");
    let token = world.create("n", |body| body["ClientToken"] = 7.into()).await;
    assert_eq!(refusal(token).1, "ValidationException");
    for tags in [json!([1]), json!([{"Key": "k"}]), json!({"k": "v"})] {
        let refused = refusal(world.call("POST", "/schedule-groups/g", json!({"Tags": tags})).await);
        assert_eq!((refused.0, refused.1), (400, "SerializationException"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_date_that_has_passed_can_stay_in_an_update() {
    let world = World::new().await;
    let start = 1_767_225_400;
    world.create("n", |body| body["StartDate"] = start.into()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    let mut changed = body();
    changed["StartDate"] = start.into();
    world.call("PUT", "/schedules/n", changed.clone()).await.unwrap();
    changed["StartDate"] = (start + 1).into();
    assert!(refusal(world.call("PUT", "/schedules/n", changed).await).2.contains("earlier than 5 minutes ago"));
}

#[tokio::test(start_paused = true)]
async fn schedules_are_listed_in_pages_to_the_end() {
    let world = World::new().await;
    world.call("POST", "/schedule-groups/g", json!({})).await.unwrap();
    for index in 0..7 {
        let state = if index % 3 == 0 { "DISABLED" } else { "ENABLED" };
        world.create(&format!("a{index}"), |body| body["State"] = state.into()).await.unwrap();
    }
    world.create("b", |body| body["GroupName"] = "g".into()).await.unwrap();
    let names = |numbers: &[u32]| numbers.iter().map(|number| format!("a{number}")).collect::<Vec<_>>();
    let (all, pages) = world.pages("/schedules?MaxResults=3", "Schedules").await;
    assert_eq!((all.len(), pages), (8, 3));
    assert_eq!(world.pages("/schedules?MaxResults=4", "Schedules").await.1, 2, "no empty page at the end");
    assert_eq!(
        world.pages("/schedules?NamePrefix=a&MaxResults=7", "Schedules").await,
        (names(&[0, 1, 2, 3, 4, 5, 6]), 1)
    );
    let disabled = world.pages("/schedules?State=DISABLED&MaxResults=1", "Schedules").await.0;
    assert_eq!(disabled, names(&[0, 3, 6]));
    assert_eq!(world.pages("/schedules?State=ENABLED&MaxResults=2", "Schedules").await.0.len(), 5);
    assert_eq!(world.pages("/schedules?ScheduleGroup=g&MaxResults=1", "Schedules").await, (vec!["b".into()], 1));
    let one = world.get("/schedules?NamePrefix=b").await.unwrap();
    assert_eq!(one["Schedules"][0]["Target"], json!({"Arn": "arn:aws:lambda:us-east-1:000000000000:function:f"}));
    assert_eq!(one["Schedules"][0]["GroupName"], "g");
    for query in
        ["MaxResults=0", "MaxResults=101", "MaxResults=x", "NextToken=!", "NextToken=", "State=MAYBE", "NamePrefix=%20"]
    {
        let refused = refusal(world.get(&format!("/schedules?{query}")).await);
        assert_eq!((refused.0, refused.1), (400, "ValidationException"), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_that_few_have_is_found_across_many_reads() {
    let world = World::new().await;
    for index in 0..1_200 {
        let state = if index == 1_150 { "DISABLED" } else { "ENABLED" };
        world.create(&format!("n{index:04}"), |body| body["State"] = state.into()).await.unwrap();
    }
    let (found, pages) = world.pages("/schedules?State=DISABLED", "Schedules").await;
    assert_eq!((found, pages), (vec!["n1150".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn groups_are_created_listed_and_deleted_with_their_schedules() {
    let world = World::new().await;
    let created =
        world.call("POST", "/schedule-groups/g", json!({"Tags": [{"Key": "k", "Value": "v"}]})).await.unwrap();
    assert_eq!(created, json!({"ScheduleGroupArn": GROUP_ARN}));
    let read = world.get("/schedule-groups/g").await.unwrap();
    assert_eq!((&read["Arn"], &read["State"], &read["Name"]), (&GROUP_ARN.into(), &"ACTIVE".into(), &"g".into()));
    assert_eq!(read["CreationDate"], json!(1_767_225_600.0));
    for (name, group) in
        [("g", "Schedule group g already exists."), ("default", "Schedule group default already exists.")]
    {
        let refused = refusal(world.call("POST", &format!("/schedule-groups/{name}"), json!({})).await);
        assert_eq!(refused, (409, "ConflictException", group.to_owned()));
    }
    for index in 0..4 {
        world.call("POST", &format!("/schedule-groups/h{index}"), json!({})).await.unwrap();
    }
    let (all, pages) = world.pages("/schedule-groups?MaxResults=2", "ScheduleGroups").await;
    assert_eq!((all, pages), (["default", "g", "h0", "h1", "h2", "h3"].map(String::from).to_vec(), 3));
    assert_eq!(world.pages("/schedule-groups?NamePrefix=h&MaxResults=9", "ScheduleGroups").await.0.len(), 4);
    world.create("n", |body| body["GroupName"] = "g".into()).await.unwrap();
    assert_eq!(world.call("DELETE", "/schedule-groups/g", Value::Null).await.unwrap(), json!({}));
    assert_eq!(refusal(world.get("/schedules/n?groupName=g").await).0, 404);
    let default = refusal(world.call("DELETE", "/schedule-groups/default", Value::Null).await);
    assert_eq!((default.0, default.1), (400, "ValidationException"));
}

#[tokio::test(start_paused = true)]
async fn groups_have_tags() {
    let world = World::new().await;
    world.call("POST", "/schedule-groups/g", json!({"Tags": [{"Key": "a", "Value": "1"}]})).await.unwrap();
    let uri = format!("/tags/{}", GROUP_ARN.replace(':', "%3A").replace('/', "%2F"));
    let added = json!({"Tags": [{"Key": "b c", "Value": "2"}, {"Key": "a", "Value": "3"}]});
    assert_eq!(world.call("POST", &uri, added).await.unwrap(), json!({}));
    let tags = world.get(&uri).await.unwrap();
    assert_eq!(tags, json!({"Tags": [{"Key": "a", "Value": "3"}, {"Key": "b c", "Value": "2"}]}));
    world.call("DELETE", &format!("{uri}?TagKeys=b+c&TagKeys=none"), Value::Null).await.unwrap();
    assert_eq!(world.get(&uri).await.unwrap(), json!({"Tags": [{"Key": "a", "Value": "3"}]}));
    let twice = json!({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]});
    let many: Vec<_> = (0..201).map(|index| json!({"Key": format!("k{index}"), "Value": "v"})).collect();
    for body in [json!({}), twice, json!({"Tags": many}), json!({"Tags": [{"Key": "", "Value": "v"}]})] {
        assert_eq!(refusal(world.call("POST", &uri, body).await).1, "ValidationException");
    }
    let schedule = "/tags/arn:aws:scheduler:us-east-1:000000000000:schedule/default/n";
    assert_eq!(refusal(world.get(schedule).await).1, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn a_call_repeated_with_its_token_is_answered_as_the_first() {
    let world = World::new().await;
    let with = |token: &'static str| move |body: &mut Value| body["ClientToken"] = token.into();
    let first = world.create("n", with("t-1")).await.unwrap();
    assert_eq!(world.create("n", with("t-1")).await.unwrap(), first);
    assert_eq!(refusal(world.create("n", with("t-2")).await).1, "ConflictException");
    let other = refusal(world.create("m", with("t-1")).await);
    assert_eq!((other.0, other.1), (409, "ConflictException"));
    for _ in 0..2 {
        let deleted = world.call("DELETE", "/schedules/n?clientToken=t-3", Value::Null).await;
        assert_eq!(deleted.unwrap(), json!({}));
    }
    assert_eq!(refusal(world.call("DELETE", "/schedules/n?clientToken=t-4", Value::Null).await).0, 404);
    assert_eq!(refusal(world.create("x", with("a b")).await).1, "ValidationException");
    tokio::time::sleep(std::time::Duration::from_secs(3_601)).await;
    assert_eq!(
        world.create("m", with("t-1")).await.unwrap()["ScheduleArn"].as_str().unwrap().rsplit('/').next(),
        Some("m")
    );
}

#[tokio::test(start_paused = true)]
async fn other_paths_are_not_answered() {
    let world = World::new().await;
    for (method, uri) in
        [("GET", "/2015-03-31/functions/"), ("POST", "/"), ("PATCH", "/schedules/n"), ("GET", "/tags/x")]
    {
        let (parts, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
        assert!(handle(&world.api, &Request { parts, body: Default::default() }).await.is_none(), "{method} {uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_storage_cannot_do_is_the_services_fault() {
    let world = World::new().await;
    world.storage.close().await.unwrap();
    let refused = refusal(world.create("n", |_| {}).await);
    assert_eq!((refused.0, refused.1), (503, "InternalServerException"));
}
