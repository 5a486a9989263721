#[dasf::module]
mod service {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    pub struct Read;

    #[derive(serde::Serialize, schemars::JsonSchema)]
    pub struct Written;

    #[derive(schemars::JsonSchema)]
    pub struct Described;

    #[derive(serde::Serialize)]
    pub struct OnlyWritten;

    #[derive(serde::Deserialize)]
    pub struct OnlyRead;

    #[dasf::function]
    pub fn read(a: Read) -> Written {
        drop(a);
        Written
    }

    #[dasf::function]
    pub fn describe(a: Described, b: OnlyRead) -> OnlyWritten {
        drop((a, b));
        OnlyWritten
    }
}
