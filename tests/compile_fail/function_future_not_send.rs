#[dasf::module]
mod service {
    use std::rc::Rc;

    #[dasf::function]
    pub async fn count(a: i64) -> i64 {
        let shared = Rc::new(a);
        std::future::ready(()).await;
        *shared
    }
}
