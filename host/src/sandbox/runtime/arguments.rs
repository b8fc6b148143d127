//! The documents that a runtime gets: what to load, and the context of an invocation.

use super::RuntimeSpec;
use crate::sandbox::calls::environment::LOG_STREAM;
use crate::sandbox::environment::Context;
use crate::sandbox::pool::SNAP_START;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// Why an environment was made, which an image does not know.
const INITIALIZATION_TYPE: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";

/// What a new environment loads.
pub(in crate::sandbox) struct Load<'a> {
    pub(in crate::sandbox) spec: &'a RuntimeSpec,
    /// Of which what holds for every invocation is taken.
    pub(in crate::sandbox) context: &'a Context,
    pub(in crate::sandbox) variables: &'a [(String, String)],
    pub(in crate::sandbox) log_stream: &'a str,
    /// As Lambda has it: `on-demand`, `provisioned-concurrency` or `snap-start`.
    pub(in crate::sandbox) initialization_type: &'a str,
}

/// What `rt_load` gets.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct LoadDocument<'a> {
    handler: &'a str,
    env: Variables<'a>,
    log_format: &'static str,
    log_level: &'a str,
    function_name: &'a str,
    function_version: &'a str,
    log_group: &'a str,
    log_stream: &'a str,
    memory_size_mb: u32,
    initialization_type: &'a str,
}

/// What `rt_restore` gets.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoreDocument<'a> {
    env: Variables<'a>,
    log_stream: &'a str,
    initialization_type: &'a str,
}

impl Load<'_> {
    /// The argument of `rt_load`.
    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let Self { spec, context, variables, log_stream, initialization_type } = self;
        serde_json::to_vec(&LoadDocument {
            handler: &spec.handler,
            env: Variables { variables, log_stream, initialization_type },
            log_format: if spec.json_log { "JSON" } else { "Text" },
            log_level: &spec.log_level,
            function_name: &context.function_name,
            function_version: &context.function_version,
            log_group: &context.log_group,
            log_stream,
            memory_size_mb: context.memory_limit_mb,
            initialization_type,
        })
    }

    /// The argument of `rt_restore`: what differs between the environments that go on from one image.
    pub(super) fn to_restore_json(&self) -> serde_json::Result<Vec<u8>> {
        let Self { log_stream, initialization_type, .. } = self;
        let env = Variables { variables: &[], log_stream, initialization_type };
        serde_json::to_vec(&RestoreDocument { env, log_stream, initialization_type })
    }
}

/// The argument of `rt_load` for a runtime's example: variables as functions have them.
pub(super) fn example(handler: &str) -> serde_json::Result<Vec<u8>> {
    let variables = [
        ("AWS_LAMBDA_FUNCTION_NAME", "example"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/example"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("TZ", ":UTC"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_example"),
        ("_HANDLER", handler),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let log_stream = "1970/01/01/[1]00000000000000000000000000000000";
    serde_json::to_vec(&LoadDocument {
        handler,
        env: Variables { variables: &variables, log_stream, initialization_type: SNAP_START },
        log_format: "Text",
        log_level: "INFO",
        function_name: "example",
        function_version: "1",
        log_group: "/aws/lambda/example",
        log_stream,
        memory_size_mb: 128,
        initialization_type: SNAP_START,
    })
}

/// Variables as an object; of two with one name, the later.
struct Variables<'a> {
    variables: &'a [(String, String)],
    log_stream: &'a str,
    initialization_type: &'a str,
}

impl Serialize for Variables<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.variables.iter().filter(|(name, _)| name != INITIALIZATION_TYPE) {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry(INITIALIZATION_TYPE, self.initialization_type)?;
        map.serialize_entry(LOG_STREAM, self.log_stream)?;
        map.end()
    }
}

/// What `rt_invoke` gets ahead of the event.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Invoke<'a> {
    request_id: &'a str,
    deadline_ms: u64,
    function_name: &'a str,
    function_version: &'a str,
    invoked_function_arn: &'a str,
    memory_limit_mb: u32,
    log_group: &'a str,
    log_stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_context: Option<&'a RawValue>,
    streaming: bool,
}

/// The context of an invocation, written over what `to` holds.
pub(super) fn invoke(context: &Context, streaming: bool, to: &mut Vec<u8>) -> serde_json::Result<()> {
    to.clear();
    // A caller's context that is no JSON was refused where it came in.
    let client_context = context.client_context.as_deref().and_then(|text| serde_json::from_str(text).ok());
    serde_json::to_writer(
        to,
        &Invoke {
            request_id: &context.request_id,
            deadline_ms: context.deadline_ms,
            function_name: &context.function_name,
            function_version: &context.function_version,
            invoked_function_arn: &context.invoked_function_arn,
            memory_limit_mb: context.memory_limit_mb,
            log_group: &context.log_group,
            log_stream: &context.log_stream,
            trace_id: context.trace_id.as_deref(),
            client_context,
            streaming,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_those_of_the_contract() {
        let context = Context {
            request_id: "r".into(),
            function_name: "f".into(),
            function_version: "$LATEST".into(),
            qualifier: None,
            invoked_function_arn: "arn".into(),
            memory_limit_mb: 128,
            deadline_ms: 5,
            log_group: "g".into(),
            log_stream: "s".into(),
            trace_id: None,
            client_context: Some(r#"{"a": [1]}"#.into()),
        };
        let mut text = vec![7];
        invoke(&context, true, &mut text).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"requestId":"r","deadlineMs":5,"functionName":"f","functionVersion":"$LATEST","invokedFunctionArn":"arn","memoryLimitMb":128,"logGroup":"g","logStream":"s","clientContext":{"a": [1]},"streaming":true}"#
        );
        let spec = RuntimeSpec {
            runtime: "x".into(),
            package: crate::sandbox::layers::LayerSet::new(vec![crate::sandbox::layers::LayerArchive {
                sha256: "0".into(),
                path: "0".into(),
            }])
            .unwrap(),
            handler: "a.b".into(),
            json_log: false,
            log_level: "INFO".into(),
            initialization_type: "on-demand",
        };
        let variables = [("A".to_owned(), "1".to_owned())];
        let load = Load {
            spec: &spec,
            context: &context,
            variables: &variables,
            log_stream: "s",
            initialization_type: "on-demand",
        };
        assert_eq!(
            String::from_utf8(load.to_restore_json().unwrap()).unwrap(),
            r#"{"env":{"AWS_LAMBDA_INITIALIZATION_TYPE":"on-demand","AWS_LAMBDA_LOG_STREAM_NAME":"s"},"logStream":"s","initializationType":"on-demand"}"#
        );
        assert_eq!(
            String::from_utf8(load.to_json().unwrap()).unwrap(),
            r#"{"handler":"a.b","env":{"A":"1","AWS_LAMBDA_INITIALIZATION_TYPE":"on-demand","AWS_LAMBDA_LOG_STREAM_NAME":"s"},"logFormat":"Text","logLevel":"INFO","functionName":"f","functionVersion":"$LATEST","logGroup":"g","logStream":"s","memorySizeMb":128,"initializationType":"on-demand"}"#
        );
    }
}
