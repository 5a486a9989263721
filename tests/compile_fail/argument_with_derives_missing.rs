#[dasf::module]
mod service {
    use std::rc::Rc;

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

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub struct Local {
        #[serde(skip)]
        pub shared: Rc<()>,
    }

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

    #[dasf::function]
    pub fn share(local: Local) -> bool {
        drop(local.shared);
        true
    }
}
