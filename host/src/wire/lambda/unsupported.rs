//! Operations of Lambda's that Lamina does not have, by their paths, so that a refusal can name them.

/// Method, path and name; `*` is any segment.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("POST", "2014-11-13/functions/*/invoke-async", "InvokeAsync"),
    ("POST", "2018-10-31/layers/*/versions", "PublishLayerVersion"),
    ("GET", "2018-10-31/layers", "ListLayers"),
    ("GET", "2018-10-31/layers/*/versions", "ListLayerVersions"),
    ("GET", "2018-10-31/layers/*/versions/*", "GetLayerVersion"),
    ("DELETE", "2018-10-31/layers/*/versions/*", "DeleteLayerVersion"),
    ("POST", "2018-10-31/layers/*/versions/*/policy", "AddLayerVersionPermission"),
    ("GET", "2018-10-31/layers/*/versions/*/policy", "GetLayerVersionPolicy"),
    ("DELETE", "2018-10-31/layers/*/versions/*/policy/*", "RemoveLayerVersionPermission"),
    ("PUT", "2019-09-25/functions/*/event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("POST", "2019-09-25/functions/*/event-invoke-config", "UpdateFunctionEventInvokeConfig"),
    ("GET", "2019-09-25/functions/*/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("DELETE", "2019-09-25/functions/*/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("GET", "2019-09-25/functions/*/event-invoke-config/list", "ListFunctionEventInvokeConfigs"),
    ("POST", "2021-10-31/functions/*/url", "CreateFunctionUrlConfig"),
    ("GET", "2021-10-31/functions/*/url", "GetFunctionUrlConfig"),
    ("PUT", "2021-10-31/functions/*/url", "UpdateFunctionUrlConfig"),
    ("DELETE", "2021-10-31/functions/*/url", "DeleteFunctionUrlConfig"),
    ("GET", "2021-10-31/functions/*/urls", "ListFunctionUrlConfigs"),
    ("POST", "2021-11-15/functions/*/response-streaming-invocations", "InvokeWithResponseStream"),
    ("POST", "2025-11-30/capacity-providers", "CreateCapacityProvider"),
    ("GET", "2025-11-30/capacity-providers", "ListCapacityProviders"),
    ("GET", "2025-11-30/capacity-providers/*", "GetCapacityProvider"),
    ("PUT", "2025-11-30/capacity-providers/*", "UpdateCapacityProvider"),
    ("DELETE", "2025-11-30/capacity-providers/*", "DeleteCapacityProvider"),
    ("GET", "2025-11-30/capacity-providers/*/function-versions", "ListFunctionVersionsByCapacityProvider"),
    ("GET", "2025-11-30/functions/*/function-scaling-config", "GetFunctionScalingConfig"),
    ("PUT", "2025-11-30/functions/*/function-scaling-config", "PutFunctionScalingConfig"),
    ("GET", "2025-12-01/functions/*/durable-executions", "ListDurableExecutionsByFunction"),
    ("GET", "2025-12-01/durable-executions/*", "GetDurableExecution"),
    ("DELETE", "2025-12-01/durable-executions/*", "DeleteDurableExecution"),
    ("GET", "2025-12-01/durable-executions/*/history", "GetDurableExecutionHistory"),
    ("GET", "2025-12-01/durable-executions/*/state", "GetDurableExecutionState"),
    ("POST", "2025-12-01/durable-executions/*/checkpoint", "CheckpointDurableExecution"),
    ("POST", "2025-12-01/durable-executions/*/pause", "PauseDurableExecution"),
    ("POST", "2025-12-01/durable-executions/*/resume", "ResumeDurableExecution"),
    ("POST", "2025-12-01/durable-executions/*/stop", "StopDurableExecution"),
    ("POST", "2025-12-01/durable-execution-callbacks/*/fail", "SendDurableExecutionCallbackFailure"),
    ("POST", "2025-12-01/durable-execution-callbacks/*/heartbeat", "SendDurableExecutionCallbackHeartbeat"),
    ("POST", "2025-12-01/durable-execution-callbacks/*/succeed", "SendDurableExecutionCallbackSuccess"),
    ("PUT", "2026-07-09/resource-policy/*", "PutResourcePolicy"),
    ("GET", "2026-07-09/resource-policy/*", "GetResourcePolicy"),
    ("DELETE", "2026-07-09/resource-policy/*", "DeleteResourcePolicy"),
];

/// The operation behind a method and a path's segments.
pub(super) fn operation(method: &str, segments: &[&str]) -> Option<&'static str> {
    let fits = |path: &str| {
        let mut pattern = path.split('/');
        segments.iter().all(|segment| pattern.next().is_some_and(|part| part == "*" || part == *segment))
            && pattern.next().is_none()
    };
    OPERATIONS.iter().find(|(of, path, _)| *of == method && fits(path)).map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::operation;

    #[test]
    fn operations_are_found_by_method_and_path() {
        assert_eq!(operation("GET", &["2018-10-31", "layers"]), Some("ListLayers"));
        assert_eq!(operation("GET", &["2018-10-31", "layers", "x", "versions"]), Some("ListLayerVersions"));
        assert_eq!(operation("PATCH", &["2018-10-31", "layers"]), None);
        assert_eq!(operation("GET", &["2018-10-31", "layers", "x"]), None);
        assert_eq!(operation("GET", &["2018-10-31"]), None);
    }
}
