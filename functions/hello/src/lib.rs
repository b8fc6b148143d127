//! Greets whom the event names; the smallest useful function.

use std::collections::BTreeMap;

use lamina::{Context, Error};
use serde::{Deserialize, Serialize};

/// Whom to greet: `{"name": "Ada"}`, or a request to a route with `{name}` in its path.
#[derive(Deserialize)]
struct Event {
    name: Option<String>,
    #[serde(default, rename = "pathParameters")]
    path_parameters: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Greeting {
    message: String,
    request_id: String,
}

#[lamina::handler]
fn handle(event: Event, ctx: Context) -> Result<Greeting, Error> {
    let name = event.name.as_ref().or_else(|| event.path_parameters.get("name")).map_or("world", String::as_str);
    Ok(Greeting { message: format!("Hello, {name}!"), request_id: ctx.request_id })
}

#[cfg(test)]
mod tests {
    use lamina::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn greets_by_name_or_the_world() {
        assert_eq!(testing::invoke(handle, json!({"name": "Ada"})).unwrap()["message"], "Hello, Ada!");
        assert_eq!(testing::invoke(handle, json!({})).unwrap()["message"], "Hello, world!");
        let request = json!({"version": "2.0", "pathParameters": {"name": "Grace"}});
        assert_eq!(testing::invoke(handle, request).unwrap()["message"], "Hello, Grace!");
    }

    #[test]
    fn a_name_that_is_no_text_is_refused() {
        assert_eq!(testing::invoke(handle, json!({"name": 7})).unwrap_err().error_type(), Error::UNMARSHAL);
    }
}
