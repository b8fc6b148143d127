//! Greets whom the event names; the smallest useful function.

use lamina::{Context, Error};
use serde::{Deserialize, Serialize};

/// Whom to greet.
#[derive(Deserialize)]
struct Event {
    #[serde(default = "world")]
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    message: String,
    request_id: String,
}

fn world() -> String {
    "world".to_owned()
}

#[lamina::handler]
fn handle(event: Event, ctx: Context) -> Result<Greeting, Error> {
    Ok(Greeting { message: format!("Hello, {}!", event.name), request_id: ctx.request_id })
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
    }

    #[test]
    fn a_name_that_is_no_text_is_refused() {
        assert_eq!(testing::invoke(handle, json!({"name": 7})).unwrap_err().error_type(), Error::UNMARSHAL);
    }
}
