#[dasf::module]
mod service {
    #[dasf::function]
    pub fn wait(first: dasf::ProgressReport, second: &mut dasf::ProgressReport) {
        drop((first, second));
        todo!()
    }
}
