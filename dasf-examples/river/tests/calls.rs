//! Calls of the module over a real broker.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use dasf::{Address, CallError, Host, HostOptions};
use dasf_broker::Broker;
use river::{Client, RiverError, Statistic};

/// Starts a broker and the module, and connects a client.
async fn start() -> (Broker, Host, Client) {
    let broker = Broker::builder().bind(([127, 0, 0, 1], 0).into());
    let broker = broker.start().await.unwrap();
    let address = Address::websocket(&broker.url()).unwrap();
    let topic = "river".parse().unwrap();
    let module = river::module().unwrap();
    let host = Host::start(module, &topic, address, HostOptions::default()).await;
    let client = Client::connect(&broker.url()).await.unwrap();
    (broker, host.unwrap(), client)
}

fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

#[tokio::test]
async fn each_day_has_a_level_or_a_gap() {
    let (_broker, host, client) = start().await;
    let levels = client
        .levels("Millford", day(2024, 1, 1))
        .days(366)
        .await
        .unwrap();
    assert_eq!(levels.len(), 366);
    assert_eq!(levels[59].date, day(2024, 2, 29));
    let gaps: Vec<NaiveDate> = levels
        .iter()
        .filter(|day| day.level.is_none())
        .map(|day| day.date)
        .collect();
    assert!((12..=36).contains(&gaps.len()), "{gaps:?}");
    assert_eq!(client.year("Millford", 2024).gaps().await.unwrap(), gaps);
    host.shutdown().await;
}

#[tokio::test]
async fn a_month_has_one_value_for_each_statistic() {
    let (_broker, host, client) = start().await;
    let monthly = |statistic| {
        let call = client.monthly("Eastmouth", 2020).statistic(statistic);
        async {
            call.await
                .unwrap()
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        }
    };
    let lowest = monthly(Statistic::Lowest).await;
    let mean = monthly(Statistic::Mean).await;
    let highest = monthly(Statistic::Highest).await;
    assert_eq!((lowest.len(), mean.len(), highest.len()), (12, 12, 12));
    for month in 0..12 {
        assert!(lowest[month] < mean[month] && mean[month] < highest[month]);
    }
    let before = client.monthly("Eastmouth", 2014).await.unwrap();
    assert_eq!(before, [None; 12]);
    host.shutdown().await;
}

#[tokio::test]
async fn an_error_keeps_its_type() {
    let (_broker, host, client) = start().await;
    let error = client
        .levels("Atlantis", day(2024, 1, 1))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "executing: there is no station Atlantis");
    let name = "Atlantis".to_owned();
    assert_eq!(error.typed(), Some(RiverError::UnknownStation { name }));

    let error = client
        .levels("Millford", day(1999, 1, 1))
        .await
        .unwrap_err();
    let no_value = RiverError::NoValue {
        station: "Millford".to_owned(),
        from: day(1999, 1, 1),
        to: day(1999, 1, 7),
    };
    assert_eq!(error.typed(), Some(no_value));
    host.shutdown().await;
}

#[tokio::test]
async fn a_simulation_reports_its_progress() {
    let (_broker, host, client) = start().await;
    let mut reports = Vec::new();
    let chance = client
        .flood_chance("Millford", 3.5)
        .years(3_000)
        .on_progress(|report| reports.push(report.to_string()))
        .await
        .unwrap();
    assert!(chance > 0.0 && chance < 1.0, "{chance}");
    let last_step = reports
        .iter()
        .any(|report| report.contains("years 2001 to 3000"));
    assert!(last_step, "{reports:?}");

    // A lower level is more likely.
    let lower = client
        .flood_chance("Millford", 3.0)
        .years(3_000)
        .await
        .unwrap();
    assert!(lower > chance, "{lower}");
    host.shutdown().await;
}

#[tokio::test]
async fn a_simulation_stops_when_nobody_waits_for_it() {
    let (_broker, host, client) = start().await;
    let call = client.flood_chance("Millford", 3.5).years(u32::MAX);
    let error = call.timeout(Duration::from_millis(500)).await.unwrap_err();
    assert!(matches!(error, CallError::Timeout { .. }), "{error}");

    // The simulation would take days, and a shutdown waits up to 30 s for a running call.
    let start = Instant::now();
    host.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(15));
}
