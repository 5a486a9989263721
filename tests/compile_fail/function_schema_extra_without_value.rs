#[dasf::module]
mod service {
    #[dasf::function(schema_extra)]
    pub fn add(a: i64) -> i64 {
        drop(a);
        todo!()
    }
}
