//! Begins calls with large payloads, which may have to be fetched.

use std::future::pending;
use std::sync::Arc;

use dasf_protocol::Properties;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::cancel::Interruption;
use super::{CALLER_S_TIME_OVER, Call, Executor, Request};
use crate::host::counts;
use crate::host::inbox::{Fetched, Place};
use crate::host::reply_to::ReplyTo;
use crate::module::Failure;

impl Executor {
    /// Begins a call with a large payload, which the caller may send only when it is asked.
    pub(super) async fn begin_large(self: Arc<Self>, request: Request, is_on_demand: bool) {
        let Request {
            mut payload,
            properties,
            mut call,
        } = request;
        if is_on_demand {
            let place = match self.place_to_fetch(&call, &properties) {
                Ok(place) => place,
                Err(Some(failure)) => {
                    self.log_refusal(&call, counts::UNKNOWN, None, &failure);
                    return self.finish(call, None, Err(failure)).await;
                }
                Err(None) => return self.leave(call).await,
            };
            let fetched = tokio::select! {
                biased;
                why = self.interrupted(&call, pending()) => return match why {
                    Interruption::Cancelled => self.end_cancelled(call, counts::UNKNOWN).await,
                    Interruption::Aborted | Interruption::Late => self.leave(call).await,
                },
                () = self.returning.cancelled(), if self.limit.may_give_back(call.redelivery) => {
                    return self.leave(call).await;
                }
                fetched = self.fetch(place, &call.reply) => fetched,
            };
            payload = match fetched {
                Ok(fetched) => {
                    call.charge = fetched.charge.map(Box::new);
                    fetched.payload
                }
                Err(failure) => {
                    self.log_refusal(&call, counts::UNKNOWN, None, &failure);
                    return self.finish(call, None, Err(failure)).await;
                }
            };
        }
        let target = without_stalling(|| self.read(payload, &properties));
        self.start(target, properties, call);
    }

    /// Returns the place of a request whose payload its caller will send.
    ///
    /// # Errors
    /// Returns the failure of the call, or `None` if the request goes back to the broker.
    fn place_to_fetch(
        &self,
        call: &Call,
        properties: &Properties,
    ) -> Result<Place, Option<Failure>> {
        if !self.is_in_group {
            return Err(Some(Failure::validation(
                "this module has no group, so it does not ask for the payload of a request; send the payload with the \
                 request, or in fragments",
            )));
        }
        // The payload names the function.
        self.check_access(properties).map_err(Some)?;
        self.inbox.place(&call.reply).map_err(|full| {
            let is_kept = call.message.len() > 0 && self.limit.may_give_back(call.redelivery);
            (!is_kept).then(|| full.into())
        })
    }

    /// Asks the caller for the payload of its request, until the deadline.
    async fn fetch(&self, place: Place, reply: &ReplyTo) -> Result<Fetched, Failure> {
        let fetched = self.inbox.fetch(place, reply, &self.outbox);
        let Some(deadline) = &reply.deadline else {
            return fetched.await;
        };
        tokio::time::timeout_at(deadline.at(), fetched)
            .await
            .unwrap_or_else(|_| Err(Failure::processing(CALLER_S_TIME_OVER)))
    }
}

/// Runs work that may take long. The thread's other tasks move to another thread first.
fn without_stalling<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        // A runtime with one thread has no other thread for the tasks.
        _ => work(),
    }
}
