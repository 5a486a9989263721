//! Submits two hundred jobs, and collects their results. It may be killed and started again at any time: the jobs
//! have keys, so a job that is there already is not submitted a second time.

use std::env;
use std::error::Error;
use std::future::IntoFuture;

use campaign::{Client, Rock};
use futures_util::future::try_join_all;

const ROCKS: u64 = 200;
const POROSITIES: [f64; 4] = [0.55, 0.58, 0.60, 0.63];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(url), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("give the URL of the broker, and a name of the campaign".into());
    };
    let client = Client::connect(&url).await?;

    let mut jobs = Vec::new();
    let mut found = 0;
    for seed in 0..ROCKS {
        let porosity = POROSITIES[seed as usize % POROSITIES.len()];
        let submit = client.pour(seed, porosity).submit();
        let job = submit.key(&format!("{name}/{seed}")).await?;
        found += u32::from(!job.is_new());
        jobs.push((porosity, job));
        if jobs.len().is_multiple_of(50) {
            println!(
                "{} jobs submitted, {found} of them were there already",
                jobs.len()
            );
        }
    }

    // A few at a time, because each wait has a connection.
    let mut rocks: Vec<(f64, Rock)> = Vec::new();
    for some in jobs.chunks(20) {
        let waiting = some.iter().map(async |(porosity, job)| {
            let rock = job.result().into_future().await?;
            Ok::<_, dasf::CallError>((*porosity, rock))
        });
        rocks.extend(try_join_all(waiting).await?);
        if rocks.len().is_multiple_of(100) {
            println!("{} results collected", rocks.len());
        }
    }
    for porosity in POROSITIES {
        let of_porosity = rocks.iter().filter(|(it, _)| *it == porosity);
        let leaks = of_porosity.filter(|(_, rock)| rock.leaks).count();
        println!("porosity {porosity:.2}: {leaks} of 50 rocks leak");
    }
    // The results are printed, so the broker need not keep them.
    for (_, job) in jobs {
        job.forget().await?;
    }
    Ok(())
}
