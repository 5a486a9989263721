#[dasf::module(errors = "all")]
mod service {
    #[dasf::function(errors)]
    pub fn add(a: i64) -> Result<i64, String> {
        Ok(a)
    }

    #[dasf::function(errors = true)]
    pub fn double(a: i64) -> Result<i64, String> {
        Ok(2 * a)
    }
}
