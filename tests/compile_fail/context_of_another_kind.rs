#[dasf::module]
mod service {
    use super::Context;

    #[dasf::function]
    pub fn frame(context: Context) -> f64 {
        context.0
    }
}

pub struct Context(f64);
