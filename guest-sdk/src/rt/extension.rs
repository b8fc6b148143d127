//! The `lamina:function/extension` export of an extension.

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::extension::{
    Environment, Extension, InvokeEvent, Record, Registration, ShutdownEvent, ShutdownReason, Subscription,
};
use crate::{Error, logging};

/// Generated from the contract.
#[allow(unsafe_code, missing_docs, reason = "generated: component exports take raw pointers")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "function-extension",
        pub_export_macro: true,
        export_macro_name: "__export_function_extension",
        with: { "lamina:function/types@0.1.0": crate::__rt::event::bindings::lamina::function::types },
    });
}

pub use crate::__rt::event::FunctionError;
pub use bindings::__export_function_extension as export;
use bindings::exports::lamina::function::extension as wit;
pub use wit::{
    Environment as WitEnvironment, Guest, InvokeEvent as WitInvokeEvent, Registration as WitRegistration,
    ShutdownEvent as WitShutdownEvent, TelemetryRecord as WitRecord,
};

/// Where an extension is kept between calls.
pub type Slot<T> = RefCell<Option<T>>;

/// Starts it.
pub fn init<T: Extension>(
    slot: &'static LocalKey<Slot<T>>,
    environment: WitEnvironment,
) -> Result<WitRegistration, FunctionError> {
    logging::install();
    let (extension, registration) = T::init(environment.into()).map_err(|error| failed("Init Error", error))?;
    slot.set(Some(extension));
    Ok(registration.into())
}

/// Tells it of an invocation.
pub fn invoke<T: Extension>(slot: &'static LocalKey<Slot<T>>, event: WitInvokeEvent) -> Result<(), FunctionError> {
    with(slot, |extension| {
        let WitInvokeEvent { request_id, deadline_ms, invoked_function_arn, trace_id } = event;
        logging::set_request_id(&request_id);
        let answer = extension.invoke(InvokeEvent { request_id, deadline_ms, invoked_function_arn, trace_id });
        logging::set_request_id("");
        answer.map_err(|error| failed("Invoke Error", error))
    })
}

/// Hands it records.
pub fn telemetry<T: Extension>(slot: &'static LocalKey<Slot<T>>, records: Vec<WitRecord>) -> Result<(), FunctionError> {
    with(slot, |extension| {
        let records = records.into_iter().map(|WitRecord { time, type_, record }| Record { time, kind: type_, record });
        extension.telemetry(records.collect()).map_err(|error| failed("Telemetry Error", error))
    })
}

/// Tells it that the environment ends.
pub fn shutdown<T: Extension>(slot: &'static LocalKey<Slot<T>>, event: WitShutdownEvent) {
    let reason = match event.reason {
        wit::ShutdownReason::Spindown => ShutdownReason::Spindown,
        wit::ShutdownReason::Timeout => ShutdownReason::Timeout,
        wit::ShutdownReason::Failure => ShutdownReason::Failure,
    };
    // The host calls it after init only, so it is there.
    let _ = with(slot, |extension| {
        extension.shutdown(ShutdownEvent { reason, deadline_ms: event.deadline_ms });
        Ok(())
    });
}

fn with<T: Extension>(
    slot: &'static LocalKey<Slot<T>>,
    call: impl FnOnce(&mut T) -> Result<(), FunctionError>,
) -> Result<(), FunctionError> {
    slot.with_borrow_mut(|extension| match extension {
        Some(extension) => call(extension),
        None => Err(Error::from("the extension was called before its init").into()),
    })
}

fn failed(what: &str, error: Error) -> FunctionError {
    super::log_failure(what, &error);
    error.into()
}

impl From<WitEnvironment> for Environment {
    fn from(environment: WitEnvironment) -> Self {
        Self {
            extension_name: environment.extension_name,
            function_name: environment.function_name,
            function_version: environment.function_version,
            handler: environment.handler,
            memory_limit_mb: environment.memory_limit_mb,
            log_group: environment.log_group,
            log_stream: environment.log_stream,
        }
    }
}

impl From<Registration> for WitRegistration {
    fn from(registration: Registration) -> Self {
        let mut events = wit::Events::empty();
        events.set(wit::Events::INVOKE, registration.invoke);
        events.set(wit::Events::SHUTDOWN, registration.shutdown);
        Self { events, telemetry: registration.telemetry.map(Into::into) }
    }
}

impl From<Subscription> for wit::Subscription {
    fn from(subscription: Subscription) -> Self {
        let Subscription { platform, function, extension, max_items, max_bytes, timeout_ms } = subscription;
        let mut types = wit::TelemetryTypes::empty();
        types.set(wit::TelemetryTypes::PLATFORM, platform);
        types.set(wit::TelemetryTypes::FUNCTION, function);
        types.set(wit::TelemetryTypes::EXTENSION, extension);
        Self { types, buffering: Some(wit::Buffering { max_items, max_bytes, timeout_ms }) }
    }
}
