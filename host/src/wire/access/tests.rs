use super::operation::{Operation, lambda_table};
use super::*;
use crate::wire::lambda::offers;
use http::Method;

fn request(method: &str, target: &str, amz_target: Option<&str>, body: &str) -> Request {
    let mut builder = http::Request::builder().method(method).uri(target);
    if let Some(amz_target) = amz_target {
        builder = builder.header("x-amz-target", amz_target);
    }
    let (parts, ()) = builder.body(()).unwrap().into_parts();
    Request { parts, body: Bytes::copy_from_slice(body.as_bytes()) }
}

/// Action and resources, as policies see them.
fn asked(request: &Request) -> Option<(String, Vec<String>)> {
    let operation = Operation::of(&request.parts)?;
    let resources = operation.resources(&Home::default(), request).into_iter().map(|resource| resource.arn).collect();
    Some((operation.action, resources))
}

const F: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

#[test]
fn rest_requests_are_told_by_method_path_and_query() {
    let of = |method: &str, target: &str, body: &str| asked(&request(method, target, None, body));
    let one = |action: &str, resource: &str| Some((action.to_owned(), vec![resource.to_owned()]));
    let live = format!("{F}:live");
    let functions = "/2015-03-31/functions";
    for (method, target, body, expected) in [
        ("GET", functions.to_owned(), "", one("lambda:ListFunctions", "*")),
        ("GET", format!("{functions}/"), "", one("lambda:ListFunctions", "*")),
        ("POST", functions.to_owned(), r#"{"FunctionName": "f"}"#, one("lambda:CreateFunction", F)),
        ("POST", functions.to_owned(), "{", one("lambda:CreateFunction", "*")),
        ("POST", format!("{functions}/f/invocations"), "", one("lambda:InvokeFunction", F)),
        ("POST", format!("{functions}/f/invocations?Qualifier=live"), "", one("lambda:InvokeFunction", &live)),
        ("POST", format!("{functions}/f%3Alive/invocations"), "", one("lambda:InvokeFunction", &live)),
        (
            "POST",
            format!("{functions}/arn%3Aaws-cn%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations"),
            "",
            one("lambda:InvokeFunction", F),
        ),
        ("POST", format!("{functions}/no%20name/invocations"), "", one("lambda:InvokeFunction", "*")),
        (
            "POST",
            "/2021-11-15/functions/f/response-streaming-invocations".to_owned(),
            "",
            one("lambda:InvokeFunction", F),
        ),
        (
            "GET",
            "/2019-09-30/functions/f/provisioned-concurrency?List=ALL".to_owned(),
            "",
            one("lambda:ListProvisionedConcurrencyConfigs", F),
        ),
        (
            "GET",
            "/2019-09-30/functions/f/provisioned-concurrency?Lis%74=ALL".to_owned(),
            "",
            one("lambda:ListProvisionedConcurrencyConfigs", F),
        ),
        ("GET", format!("/2017-03-31/tags/{F}"), "", one("lambda:ListTags", F)),
        (
            "GET",
            "/2018-10-31/layers/l/versions/3".to_owned(),
            "",
            one("lambda:GetLayerVersion", "arn:aws:lambda:us-east-1:000000000000:layer:l:3"),
        ),
        (
            "GET",
            "/2018-10-31/layers?find=LayerVersion&Arn=arn%3Ax".to_owned(),
            "",
            one("lambda:GetLayerVersion", "arn:x"),
        ),
        (
            "PUT",
            "/2015-03-31/event-source-mappings/id".to_owned(),
            "",
            one("lambda:UpdateEventSourceMapping", "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:id"),
        ),
        (
            "GET",
            "/schedules/s?groupName=g".to_owned(),
            "",
            one("scheduler:GetSchedule", "arn:aws:scheduler:us-east-1:000000000000:schedule/g/s"),
        ),
        (
            "POST",
            "/schedules/s".to_owned(),
            r#"{"GroupName": "g"}"#,
            one("scheduler:CreateSchedule", "arn:aws:scheduler:us-east-1:000000000000:schedule/g/s"),
        ),
        (
            "POST",
            "/schedules/s".to_owned(),
            "{}",
            one("scheduler:CreateSchedule", "arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"),
        ),
        (
            "DELETE",
            "/schedule-groups/g".to_owned(),
            "",
            one("scheduler:DeleteScheduleGroup", "arn:aws:scheduler:us-east-1:000000000000:schedule-group/g"),
        ),
        ("GET", "/".to_owned(), "", None),
        ("PATCH", functions.to_owned(), "", None),
        ("GET", format!("{functions}//"), "", one("lambda:GetFunction", "*")),
        ("GET", "/2015-03-31/functions/f/nothing".to_owned(), "", None),
    ] {
        assert_eq!(of(method, &target, body), expected, "{method} {target}");
    }
}

#[test]
fn calls_by_target_are_told_by_target_and_body() {
    let of = |target: &str, body: &str| asked(&request("POST", "/", Some(target), body));
    let some = |action: &str, resources: &[&str]| {
        Some((action.to_owned(), resources.iter().map(|&resource| resource.to_owned()).collect::<Vec<_>>()))
    };
    let q = "arn:aws:sqs:us-east-1:000000000000:q";
    let url = r#"{"QueueUrl": "http://localhost:4566/000000000000/q"}"#;
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f";
    for (target, body, expected) in [
        ("AmazonSQS.SendMessage", url, some("sqs:SendMessage", &[q])),
        ("AmazonSQS.SendMessageBatch", url, some("sqs:SendMessage", &[q])),
        ("AmazonSQS.CreateQueue", r#"{"QueueName": "q"}"#, some("sqs:CreateQueue", &[q])),
        ("AmazonSQS.ListQueues", "{}", some("sqs:ListQueues", &["*"])),
        ("AmazonSQS.SendMessage", "{}", some("sqs:SendMessage", &["*"])),
        // Two names for one queue: nobody knows which the service would take.
        (
            "AmazonSQS.SendMessage",
            r#"{"QueueUrl": "http://h/000000000000/a", "QueueUrl": "http://h/000000000000/b"}"#,
            some("sqs:SendMessage", &["*"]),
        ),
        ("AmazonSQS.", "{}", None),
        ("AmazonSQS.Send/Message", "{}", None),
        ("DynamoDB_20120810.GetItem", "{}", None),
        (
            "Logs_20140328.GetLogEvents",
            r#"{"logGroupName": "/aws/lambda/f", "logStreamName": "s"}"#,
            some("logs:GetLogEvents", &[&format!("{group}:log-stream:s")]),
        ),
        (
            "Logs_20140328.FilterLogEvents",
            r#"{"logGroupIdentifier": "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*"}"#,
            some("logs:FilterLogEvents", &[&format!("{group}:log-stream:")]),
        ),
        (
            "Logs_20140328.StartLiveTail",
            r#"{"logGroupIdentifiers": ["/aws/lambda/f", "/aws/lambda/g"]}"#,
            some(
                "logs:StartLiveTail",
                &[
                    &format!("{group}:log-stream:"),
                    "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/g:log-stream:",
                ],
            ),
        ),
        (
            "Logs_20140328.DescribeLogGroups",
            "",
            some("logs:DescribeLogGroups", &["arn:aws:logs:us-east-1:000000000000:log-group::log-stream:"]),
        ),
    ] {
        assert_eq!(of(target, body), expected, "{target} {body}");
    }
}

/// What Lambda serves but this table does not know would be closed to everybody.
#[test]
fn all_that_lambda_offers_is_known_to_policies() {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::DELETE];
    for (_, path, _) in lambda_table() {
        for target in [format!("/{path}"), format!("/{path}?List=ALL")] {
            let target = target.replace(['{', '}'], "").replace("//", "/x/");
            for method in &methods {
                if offers(method, target.split('?').next().unwrap()) {
                    let asked = Operation::of(&request(method.as_str(), &target, None, "").parts);
                    assert!(asked.is_some(), "{method} {target}");
                }
            }
        }
    }
}

#[test]
fn a_denied_alias_is_denied_by_its_function_too() {
    let request = request("POST", "/2015-03-31/functions/f/invocations?Qualifier=live", None, "");
    let operation = Operation::of(&request.parts).unwrap();
    let resources = operation.resources(&Home::default(), &request);
    assert_eq!(resources.len(), 1);
    assert_eq!(resources[0].also, [F]);
}

#[test]
fn refusals_have_the_codes_and_statuses_of_their_protocol() {
    let of = |denied: &Denied, shape: Shape| {
        let error = error(denied, shape);
        (error.status.as_u16(), error.code, error.query_code)
    };
    let sqs = crate::wire::sqs::ERROR_SHAPE;
    let logs = crate::wire::logs::ERROR_SHAPE;
    let expired = Denied::Stale(Stale::Expired { until: String::new(), now: String::new() });
    assert_eq!(of(&Denied::Missing, Shape::RestJson), (403, "MissingAuthenticationTokenException", None));
    assert_eq!(of(&Denied::Missing, Shape::Query), (403, "MissingAuthenticationToken", None));
    assert_eq!(of(&Denied::UnknownKey, logs), (400, "UnrecognizedClientException", None));
    assert_eq!(of(&Denied::UnknownKey, sqs), (403, "UnrecognizedClientException", Some("InvalidClientTokenId")));
    assert_eq!(of(&Denied::UnknownKey, Shape::Query), (403, "InvalidClientTokenId", None));
    assert_eq!(of(&Denied::Mismatch(lamina_sigv4::Mismatch), Shape::Query), (403, "SignatureDoesNotMatch", None));
    assert_eq!(
        of(&Denied::Mismatch(lamina_sigv4::Mismatch), Shape::RestJson),
        (403, "InvalidSignatureException", None)
    );
    assert_eq!(of(&expired, Shape::RestJson), (400, "RequestExpired", None));
    assert_eq!(of(&expired, sqs), (400, "RequestExpired", Some("RequestExpired")));
}
