//! `dasf gateway`: serves the modules over HTTP.

use dasf::cli::{self, Connection, Error, print_result};
use dasf_gateway::Options;
use tokio::net::TcpListener;

use crate::options::Gateway;

pub(crate) fn run(connection: &Connection, options: &Gateway) -> Result<(), Error> {
    let listen = options.listen;
    if !options.insecure && !listen.ip().to_canonical().is_loopback() {
        return Err(Error::Usage(format!(
            "other machines reach {listen}, and HTTP shows tokens to the network; listen on 127.0.0.1 behind a \
             reverse proxy that ends TLS, or add --insecure"
        )));
    }
    let address = connection.address()?;
    let gateway = dasf_gateway::Gateway::new(address, gateway_options(options)?);
    let gateway = gateway.map_err(Error::usage)?;
    let serving = cli::run_until_interrupted(async {
        let listener = TcpListener::bind(listen).await;
        let listener = listener
            .map_err(|error| Error::Failed(format!("cannot listen on {listen}: {error}")))?;
        let listen = listener.local_addr().map_err(Error::failed)?;
        print_result(&format!("dasf gateway listens on http://{listen}/api"))?;
        let served = gateway.serve(listener, std::future::pending()).await;
        served.map_err(Error::failed)
    });
    match serving {
        // That is how a server ends.
        Err(Error::Interrupted) => Ok(()),
        served => served,
    }
}

fn gateway_options(options: &Gateway) -> Result<Options, Error> {
    let mut set = Options::default().timeout(options.timeout.duration());
    for topic in &options.topics {
        set = set.topic(topic).map_err(Error::usage)?;
    }
    for origin in &options.allow_origin {
        set = set.allow_origin(origin);
    }
    if let Some(bytes) = options.max_body_size {
        set = set.max_body_size(bytes);
    }
    if let Some(calls) = options.max_calls_per_user {
        set = set.max_calls_per_user(calls);
    }
    if let Some(streams) = options.max_event_streams {
        set = set.max_event_streams(streams);
    }
    Ok(set)
}
