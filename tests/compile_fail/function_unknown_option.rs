#[dasf::module]
mod service {
    #[dasf::function(nmae = "x", zzz)]
    pub fn add(a: i64) -> i64 {
        drop(a);
        todo!()
    }
}
