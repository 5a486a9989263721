#[dasf::module]
mod service {
    use std::process::Command as Client;

    #[dasf::function]
    pub fn run() {
        let _ = Client::new("true");
        module();
    }

    fn module() {}
}
