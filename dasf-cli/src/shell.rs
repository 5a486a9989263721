//! `dasf shell`.

use dasf::Caller;
use dasf::cli::{self, Connection, Error, Presence, progress_handler};

use crate::options::Shell;
use crate::{describe, read};

pub(crate) fn run(connection: &Connection, options: &Shell) -> Result<(), Error> {
    let topic = connection.topic()?;
    let limit = options.timeout.limit().duration();
    let builder = Caller::builder(topic.as_str()).address(connection.address()?);
    let builder = builder.timeout(limit);
    cli::run_shell(async {
        let caller = connection.connect(builder).await?;
        let presence = Presence::new(&caller, limit);
        let api = read(&caller, &describe(&caller, &presence).await?)?;
        let shell = cli::Shell::new(topic.as_str(), api);
        let done = shell
            .run(async |request| {
                let presence = Presence::new(&caller, limit);
                let on_progress = progress_handler(options.no_progress);
                let result = presence
                    .call(&request, options.timeout, on_progress)
                    .await?;
                options.output.print(&result)
            })
            .await;
        cli::close(caller).await;
        done
    })
}
