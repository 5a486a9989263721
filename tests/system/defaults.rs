//! Integer literals as defaults and examples of floats.

use dasf::Context;
use serde_json::{Value, json};

/// Functions whose floats have defaults without a decimal point.
#[dasf::module(main = false)]
#[allow(clippy::too_many_arguments, unreachable_pub)]
pub(crate) mod whole {
    pub(crate) type Celsius = f64;
    pub(crate) type Narrow = f32;
    pub(crate) type Count = u64;

    #[dasf::function]
    fn floats(
        #[dasf(default = 1)] wide: f64,
        #[dasf(default = -2)] negative: f64,
        #[dasf(default = 0x10)] narrow: f32,
        #[dasf(default = 1_000, example = 3)] maybe: Option<f64>,
        #[dasf(default = -4)] maybe_narrow: Option<f32>,
        #[dasf(default = 5, ge = 5)] borrowed: &f64,
    ) -> (f64, f64, f32, Option<f64>, Option<f32>, f64) {
        (wide, negative, narrow, maybe, maybe_narrow, *borrowed)
    }

    #[dasf::function]
    fn aliases(
        #[dasf(default = 20)] celsius: Celsius,
        #[dasf(default = -3)] narrow: Narrow,
        #[dasf(default = 4)] maybe: Option<Celsius>,
        #[dasf(default = 18446744073709551615)] count: Count,
        #[dasf(default = 7)] maybe_count: Option<Count>,
    ) -> (Celsius, Narrow, Option<Celsius>, Count, Option<Count>) {
        (celsius, narrow, maybe, count, maybe_count)
    }

    #[dasf::function]
    fn integers(
        #[dasf(default = -1)] maybe: Option<i64>,
        #[dasf(default = 255)] small: u8,
    ) -> (Option<i64>, u8) {
        (maybe, small)
    }

    pub(crate) struct Scale(f64);

    #[dasf::class]
    impl Scale {
        pub fn new(#[dasf(default = 2)] factor: f64) -> Self {
            Self(factor)
        }

        pub fn times(&self, #[dasf(default = -3)] x: f64) -> f64 {
            self.0 * x
        }
    }
}

#[tokio::test]
async fn an_integer_is_the_default_of_a_float() {
    let module = whole::module().unwrap();
    let call = async |request: Value| -> Value {
        let outcome = module.call_value(request, Context::local(), None).await;
        serde_json::from_str(outcome.unwrap().as_json()).unwrap()
    };
    assert_eq!(
        call(json!({"func_name": "floats"})).await,
        json!([1.0, -2.0, 16.0, 1000.0, -4.0, 5.0])
    );
    assert_eq!(
        call(json!({"func_name": "aliases"})).await,
        json!([20.0, -3.0, 4.0, u64::MAX, 7])
    );
    assert_eq!(
        call(json!({"func_name": "integers"})).await,
        json!([-1, 255])
    );
    let times = json!({"class_name": "Scale", "function": {"func_name": "times"}});
    assert_eq!(call(times).await, json!(-6.0));

    let info = serde_json::to_value(module.api_info("t")).unwrap();
    let floats = &info["functions"][0]["rpc_schema"]["properties"];
    assert_eq!(floats["narrow"]["default"], json!(16.0));
    assert_eq!(floats["maybe"]["examples"], json!([3.0]));
}
