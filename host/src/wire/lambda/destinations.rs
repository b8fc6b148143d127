//! Whether what is to get records and dead letters is there when it is set
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>).
//!
//! It may go later: what cannot be delivered then is counted, and the event kept.

use super::LambdaApi;
use super::constraints::invalid;
use crate::triggers::asynchronous::Destination;
use crate::wire::error::WireError;

/// Refuses an ARN that was read before, where there is no such queue or function.
pub(super) async fn check(api: &LambdaApi, arn: &str) -> Result<(), WireError> {
    let is_there = match Destination::parse(api.catalog.home(), arn) {
        Ok(Destination::Queue(queue)) => api.asynchronous.has_queue(&queue).await?,
        Ok(Destination::Function(function)) => api.catalog.exists(&function),
        Err(error) => return Err(invalid(error.to_string())),
    };
    if is_there { Ok(()) } else { Err(invalid(format!("The destination ARN {arn} is invalid."))) }
}
