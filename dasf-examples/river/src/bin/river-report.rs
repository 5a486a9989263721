//! Calls the module `river` from Rust, and prints a report.

use std::env;
use std::error::Error;
use std::time::Duration;

use chrono::NaiveDate;
use river::{Client, RiverError, Statistic};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("give the URL of the broker")?;
    let client = Client::connect(&url).await?;

    println!("Stations");
    for station in client.stations().await? {
        println!("  {}, {} to {}", station.name, station.first, station.last);
    }

    println!("Levels at Millford");
    let from: NaiveDate = "2024-03-10".parse()?;
    for day in client.levels("Millford", from).days(5).await? {
        match day.level {
            Some(level) => println!("  {}  {level:.3} m", day.date),
            None => println!("  {}  no value", day.date),
        }
    }

    let highest = client
        .monthly("Millford", 2024)
        .statistic(Statistic::Highest)
        .await?;
    let highest = highest.into_iter().flatten().fold(0.0, f64::max);
    println!("Highest level of 2024: {highest:.3} m");

    let year = client.year("Millford", 2024);
    println!("Days above 2.5 m: {}", year.days_above(2.5).await?);
    println!("Days without a value: {}", year.gaps().await?.len());

    // An error arrives with the type that the module gave it.
    if let Err(error) = client.levels("Atlantis", from).await {
        match error.typed() {
            Some(RiverError::UnknownStation { name }) => println!("Unknown station: {name}"),
            _ => return Err(error.into()),
        }
    }

    // The module reports its progress while it works.
    let chance = client
        .flood_chance("Millford", 3.5)
        .on_progress(|report| println!("{report}"))
        .await?;
    println!("Chance of 3.5 m within a year: {:.1} %", chance * 100.0);

    // The module stops the call when its caller does not wait any longer.
    let call = client.flood_chance("Millford", 3.5).years(u32::MAX);
    if let Err(error) = call.timeout(Duration::from_secs(1)).await {
        println!("Too many years: {error}");
    }
    Ok(())
}
