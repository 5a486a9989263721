#[tokio::main]
async fn main() -> Result<(), String> {
    Ok(())
}

#[dasf::module]
mod service {
    #[dasf::function]
    pub fn add(a: i64) -> i64 {
        a
    }
}
