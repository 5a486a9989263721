//! Calls the module `climate` from Rust, and prints a report.

use std::env;
use std::error::Error;

use climate::{Client, SeriesName};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("give the URL of the broker")?;
    let client = Client::connect(&url).await?;

    for series in client.list_series().await? {
        println!("{}", series.title);
        let (first, last) = (series.first, series.last);
        println!(
            "  {} to {}, {} months without a value",
            first.year, last.year, series.gaps
        );

        // Arguments with a default are methods of the call. You can leave them out.
        let trend = client.trend(series.name).from(1960).to(2000).await?;
        let [slope, lower, upper] =
            [trend.slope, trend.lower, trend.upper].map(|per_year| per_year * 10.0);
        let unit = &series.unit;
        println!("  trend: {slope:.2} {unit} per decade (95 %: {lower:.2} to {upper:.2})");
    }

    // An object of the class `Station` keeps its arguments for several calls.
    let station = client.station(SeriesName::Nino12);
    println!("Niño 1+2");
    println!("  mean of 1998: {:.2} °C", station.annual_mean(1998).await?);
    if let Some(extremes) = station.extremes().await? {
        let hottest = extremes.highest;
        println!("  hottest month: {}-{:02}", hottest.year, hottest.month);
    }

    // The error contains the reason why a call has no result.
    if let Err(error) = client.station(SeriesName::Co2).annual_mean(1964).await {
        println!("No annual mean: {error}");
    }
    Ok(())
}
