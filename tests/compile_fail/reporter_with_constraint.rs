#[dasf::module]
mod service {
    #[dasf::function]
    pub fn wait(#[dasf(min_items = 1)] reporter: dasf::ProgressReport) {
        drop(reporter);
        todo!()
    }
}
