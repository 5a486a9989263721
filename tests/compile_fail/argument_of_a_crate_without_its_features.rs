// Types as those crates have them, without the features for `serde` and `schemars`.
pub mod chrono {
    pub struct DateTime<Zone>(pub Zone);
    pub struct Utc;
}

pub mod uuid {
    #[derive(schemars::JsonSchema)]
    pub struct Uuid(pub u8);
}

pub mod url {
    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct Url(pub String);
}

pub mod time {
    pub struct Date(pub i32);
}

pub mod ndarray {
    pub struct Array2<T>(pub T);
}

#[dasf::module]
mod service {
    use super::uuid::Uuid;
    use super::{chrono, ndarray, time, url};

    #[dasf::function]
    pub fn of_date(at: chrono::DateTime<chrono::Utc>) -> bool {
        drop(at);
        true
    }

    #[dasf::function]
    pub fn of_id(id: &Uuid) -> Option<Uuid> {
        drop(id);
        None
    }

    #[dasf::function]
    pub fn of_urls(urls: Vec<url::Url>) -> usize {
        urls.len()
    }

    #[dasf::function]
    pub fn of_day(day: time::Date) -> bool {
        drop(day);
        true
    }

    #[dasf::function]
    pub fn of_array(array: ndarray::Array2<f64>) -> f64 {
        array.0
    }
}
