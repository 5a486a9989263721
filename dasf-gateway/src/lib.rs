//! The modules at a message broker over HTTP, for callers without a client.
//!
//! A [`Gateway`] connects to a broker of any kind, and calls its modules, in whichever language they are. Its
//! [`router`](Gateway::router) fits into every server of axum; [`serve`](Gateway::serve) is one with limits for its
//! connections. `dasf-broker` serves a gateway on its own port, and the command `dasf gateway` in front of another
//! broker. The chapter *Without a client* of the guide shows how to use it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api` | the modules that listen |
//! | `GET /api/{topic}` | the functions and classes of a module |
//! | `GET /api/openapi.json`, `GET /api/{topic}/openapi.json` | the same as OpenAPI 3.1 |
//! | `POST` or `GET /api/{topic}/{function}` | the result of a function |
//! | `POST` or `GET /api/{topic}/{Class}/{method}` | the result of a method |
//! | `GET` or `DELETE /api/jobs/{id}`, `GET …/result`, `GET …/events`, `POST …/cancel` | what is known of a job, and its end |
//!
//! Every error is a problem as in RFC 9457:
//!
//! | status | meaning |
//! |---|---|
//! | 400 | the arguments or headers are not valid; `errors` has the path of each offending value |
//! | 401, 403 | the broker refuses the token, or what its user may do; or a foreign web page asks |
//! | 404 | there is no function, class, method, job or path of this name |
//! | 405, 406, 415 | the method, the accepted types or the type of the body do not fit |
//! | 408 | the body did not come in time |
//! | 409 | the job is over, or cancelled |
//! | 413, 431 | the body, or the headers with the path, are too large |
//! | 422 | the module rejects the arguments, although its schema accepts them |
//! | 429 | the user has too many requests, or there are too many event streams |
//! | 500, 501 | the gateway failed; the broker does not offer this |
//! | 502 | the module failed |
//! | 503 | no module listens, or the broker cannot be reached or is full |
//! | 504 | the module did not answer in time |
//!
//! Each request logs in at the broker with its own token, so the rights are those of the broker. All that callers
//! send is bounded by the [`Options`]. A connection that closes cancels its call.

mod body;
mod definitions;
mod description;
mod events;
mod forms;
mod gateway;
mod guard;
mod jobs;
mod modules;
pub mod openapi;
mod options;
mod page;
mod preferences;
mod problem;
mod serve;
mod signature;
mod users;

pub use gateway::Gateway;
pub use options::{Options, OptionsError};
