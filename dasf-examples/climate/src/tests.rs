//! The functions of the module, called as ordinary Rust.

use crate::climate::{mean, values};
use crate::*;
use crate::{series::SeriesName, statistics};

#[test]
fn both_series_are_listed() {
    let list = list_series().unwrap();
    let names: Vec<SeriesName> = list.iter().map(|info| info.name).collect();
    assert_eq!(names, SeriesName::ALL);
    assert_eq!((list[0].count, list[0].gaps), (521, 5));
    assert_eq!((list[0].first.year, list[0].last.year), (1958, 2001));
    assert_eq!((list[1].count, list[1].gaps), (732, 0));
}

#[test]
fn the_trend_of_some_years_is_that_of_the_same_data() {
    let level = 0.9;
    let of_series = trend(
        SeriesName::Nino12,
        Some(1960),
        Some(1999),
        level,
        SampleSize::Effective,
    )
    .unwrap();
    assert_eq!(of_series.count, 480);

    let series = SeriesName::Nino12.load().unwrap();
    let points = series.between(Some(1960), Some(1999));
    let cycle = statistics::seasonal_cycle(points).unwrap();
    let points = statistics::anomalies(points, &cycle).unwrap();
    let own = trend_of(
        &points.iter().map(Point::time).collect::<Vec<_>>(),
        &values(&points),
        level,
        SampleSize::Effective,
    )
    .unwrap();
    assert_eq!(own, of_series);
}

#[test]
fn an_array_has_a_time_axis_and_nan_in_gaps() {
    let array = monthly(SeriesName::Co2, Some(1958), Some(1958)).unwrap();
    assert_eq!(array.attributes().text("units"), Some("ppm"));
    let times = array.coordinate("time").unwrap().to_times().unwrap();
    assert_eq!(times.len(), 10);
    assert_eq!(times[0].unwrap().to_string(), "1958-03-01 00:00:00");
    let values = array.to_f64().unwrap();
    assert_eq!(values[0], 316.1);
    assert!(values[3].is_nan());

    let error = monthly(SeriesName::Co2, Some(2010), None).unwrap_err();
    assert_eq!(error.to_string(), "co2 has no value from 2010");
}

#[test]
fn carbon_dioxide_rises() {
    let trend = trend(
        SeriesName::Co2,
        Some(1975),
        Some(2000),
        0.95,
        SampleSize::Effective,
    )
    .unwrap();
    assert!(trend.lower > 1.0 && trend.upper < 2.0, "{trend:?}");
}

#[test]
fn anomalies_of_the_base_period_cancel() {
    let anomalies = anomalies(SeriesName::Nino12, 1961, 1990).unwrap();
    let inside: Vec<Point> = anomalies
        .points
        .into_iter()
        .filter(|point| (1961..=1990).contains(&point.year))
        .collect();
    assert_eq!(inside.len(), 360);
    assert!(mean(&inside).abs() < 1e-9);
    assert_eq!(anomalies.normals.len(), 12);
}

#[test]
fn a_moving_mean_has_every_month() {
    let whole = moving_mean(SeriesName::Co2, 12, None).unwrap();
    let tolerant = moving_mean(SeriesName::Co2, 12, Some(6)).unwrap();
    let present = |points: &[Point]| values(points).iter().flatten().count();
    assert_eq!((whole.len(), tolerant.len()), (526, 526));
    // The window around the first month, March 1958, has values for five and a half months only.
    assert_eq!((present(&whole), present(&tolerant)), (491, 525));
    assert_eq!(tolerant[0].value, None);
    assert!(moving_mean(SeriesName::Co2, 12, Some(13)).is_err());
}

#[test]
fn a_curve_has_the_values_and_their_mean() {
    let report = dasf::ProgressReport::new("");
    let curve = curve(SeriesName::Co2, Some(1960), Some(1961), 3, report).unwrap();
    assert_eq!(curve.len(), 24);
    let times = curve.index().times().unwrap();
    assert_eq!(times[0].to_string(), "1960-01-01T00:00:00Z");
    let [measured, mean] = ["measured", "mean"].map(|name| curve.column(name).unwrap());
    assert_eq!(measured.unit(), Some("ppm"));
    let expected = measured.values()[..3].iter().sum::<f64>() / 3.0;
    assert!((mean.values()[1] - expected).abs() < 1e-9);
    // The window around the first month has two of three values.
    assert!(mean.values()[0].is_nan());
}

#[test]
fn places_are_found_in_an_area() {
    let corners = [(-180.0, 0.0), (-140.0, 0.0), (-140.0, 40.0), (-180.0, 40.0)];
    let corners = corners.map(|(lon, lat)| dasf::present::GeoLocation { lon, lat });
    let map = places(&corners.into_iter().collect());
    let ids: Vec<&str> = map.features().iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["co2"]);
}

#[test]
fn a_station_answers() {
    let station = Station::new(SeriesName::Nino12, None, None).unwrap();
    assert!((station.annual_mean(1983).unwrap() - 25.70333333333333).abs() < 1e-9);
    assert!((station.mean() - 23.09262295081967).abs() < 1e-9);
    let extremes = station.extremes().unwrap();
    assert_eq!(extremes.lowest.value, Some(18.95));
    assert_eq!(extremes.highest.value, Some(29.24));

    let station = Station::new(SeriesName::Co2, Some(1964), None).unwrap();
    assert_eq!(
        station.annual_mean(1964).unwrap_err().to_string(),
        "1964 has 9 of 12 months"
    );
    assert!((station.annual_mean(2000).unwrap() - 369.36083333333335).abs() < 1e-9);
    let cycle = station.seasonal_cycle().unwrap();
    assert_eq!(cycle.departures.len(), 12);
    assert!(cycle.range > 5.0 && cycle.range < 7.0, "{}", cycle.range);
}

#[test]
fn years_without_a_value_are_named() {
    let message = |from, to| {
        Station::new(SeriesName::Co2, from, to)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(Some(2010), Some(2020)),
        "co2 has no value from 2010 to 2020"
    );
    assert_eq!(message(None, Some(1900)), "co2 has no value until 1900");
    assert_eq!(message(Some(2010), None), "co2 has no value from 2010");
}

#[test]
fn a_gap_is_null_and_a_name_is_short_in_json() {
    let points = moving_mean(SeriesName::Co2, 12, None).unwrap();
    assert_eq!(
        serde_json::to_value(points[0]).unwrap(),
        serde_json::json!({"year": 1958, "month": 3, "value": null})
    );
    let names = (SeriesName::Nino12, SampleSize::Effective);
    assert_eq!(
        serde_json::to_value(names).unwrap(),
        serde_json::json!(["nino12", "effective"])
    );
}
