//! Operations of Lambda's that Lamina does not have, by their paths, so that a refusal can name them.

/// Method, path and name; `*` is any segment.
const OPERATIONS: &[(&str, &str, &str)] = &[
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
        assert_eq!(operation("GET", &["2025-11-30", "capacity-providers"]), Some("ListCapacityProviders"));
        assert_eq!(operation("GET", &["2025-11-30", "capacity-providers", "x"]), Some("GetCapacityProvider"));
        assert_eq!(operation("PATCH", &["2025-11-30", "capacity-providers"]), None);
        assert_eq!(operation("GET", &["2025-11-30", "capacity-providers", "x", "y"]), None);
        assert_eq!(operation("GET", &["2025-11-30"]), None);
    }
}
