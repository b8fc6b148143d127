//! What scripts have beyond the language: their environment, their log, JSON, randomness, requests.

use crate::failure::location;
use crate::record::{self, Level};
use crate::session::Session;
use crate::{host, http, json};
use rhai::{Dynamic, Engine, EvalAltResult, Map, Position};
use std::rc::Rc;

/// Adds everything to an engine.
pub(crate) fn register(engine: &mut Engine, session: &Rc<Session>) {
    register_log(engine, session);
    register_environment(engine, session);
    register_json(engine);
    engine.register_fn("random", random);
    http::register(engine);
}

/// An error of a function of this library, as if a script had thrown it.
pub(crate) fn error(error_type: &str, message: String) -> Box<EvalAltResult> {
    let mut map = Map::new();
    map.insert("errorType".into(), error_type.into());
    map.insert("errorMessage".into(), message.into());
    EvalAltResult::ErrorRuntime(map.into(), Position::NONE).into()
}

fn register_log(engine: &mut Engine, session: &Rc<Session>) {
    let printed = Rc::clone(session);
    engine.on_print(move |text| record::message(&printed, Level::Info, text, None));
    let debugged = Rc::clone(session);
    engine.on_debug(move |text, source, position| {
        let place = source.map(|source| location(source, position));
        record::message(&debugged, Level::Debug, text, place.as_deref());
    });
}

fn register_environment(engine: &mut Engine, session: &Rc<Session>) {
    let one = Rc::clone(session);
    engine
        .register_fn("env", move |name: &str| one.env.borrow().get(name).cloned().map_or(Dynamic::UNIT, Dynamic::from));
    let all = Rc::clone(session);
    engine.register_fn("env", move || -> Map {
        all.env.borrow().iter().map(|(name, value)| (name.as_str().into(), value.into())).collect()
    });
    let alone = Rc::clone(session);
    engine.register_fn("remaining_ms", move || alone.remaining_ms());
    // `context.remaining_ms()`: there is one invocation at a time, whose context it is.
    let of_context = Rc::clone(session);
    engine.register_fn("remaining_ms", move |_: &mut Map| of_context.remaining_ms());
}

fn register_json(engine: &mut Engine) {
    engine.register_fn("parse_json", |text: &str| {
        json::read(text.as_bytes()).map_err(|error_| error("JsonError", error_.to_string()))
    });
    engine.register_fn("to_json", |value: Dynamic| to_json(&value));
    // The language has one for maps, with which some values become what is no JSON.
    engine.register_fn("to_json", |map: &mut Map| to_json(&map.clone().into()));
}

fn to_json(value: &Dynamic) -> Result<String, Box<EvalAltResult>> {
    let text = json::write(value).map_err(|error_| error("JsonError", error_.to_string()))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A number from 0 up to but not 1. Nothing is kept between calls: environments that start from one image draw different numbers.
fn random() -> Result<f64, Box<EvalAltResult>> {
    let bits = host::random().ok_or_else(|| error("RandomError", "the host gives no random numbers".to_owned()))?;
    // As many bits as a float holds exactly.
    Ok((bits >> 11) as f64 / (1u64 << 53) as f64)
}
