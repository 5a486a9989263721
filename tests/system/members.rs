//! Constraints, defaults, documentation and classes: in the schema, in the module and in the generated
//! client.

use dasf::{CallError, Context, FailureKind, HostOptions, Module};
use dasf_test_support::{broker, listen};
use serde_json::{Value, json};

/// Functions whose arguments and results keep contracts.
#[dasf::module(main = false, topic = "constrained")]
#[allow(clippy::needless_pass_by_value)]
pub(crate) mod constrained {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[dasf::function]
    fn numbers(
        #[dasf(gt = 0)] above: i64,
        #[dasf(ge = -1.5)] least: f64,
        #[dasf(lt = 10)] below: u8,
        #[dasf(le = 9)] most: Option<f32>,
        #[dasf(multiple_of = 5)] step: i32,
    ) -> f64 {
        let _ = (least, below, most, step);
        above as f64
    }

    #[dasf::function]
    fn texts(
        #[dasf(min_length = 2)] long: &str,
        #[dasf(max_length = 3)] short: String,
        #[dasf(pattern = "^[a-z]+$")] word: &str,
        #[dasf(format = "ipv4")] address: String,
    ) -> usize {
        long.len() + short.len() + word.len() + address.len()
    }

    #[dasf::function]
    fn lists(#[dasf(min_items = 1)] some: &[f64], #[dasf(max_items = 2)] few: Vec<u8>) -> usize {
        some.len() + few.len()
    }

    /// Between the poles.
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Latitude {
        #[schemars(range(min = -90, max = 90))]
        pub(crate) degrees: f64,
        #[schemars(length(min = 1), regex(pattern = "^[NS]$"))]
        pub(crate) side: String,
    }

    #[dasf::function]
    fn mirror(latitude: Latitude, #[dasf(default = 1.0)] scale: f64) -> Latitude {
        Latitude {
            degrees: -latitude.degrees * scale,
            side: latitude.side,
        }
    }

    #[dasf::function(returns(le = 100, description = "At most 100"))]
    fn doubled(value: i64) -> i64 {
        value * 2
    }
}

/// An enum of which some variants have documentation.
#[dasf::module(main = false, topic = "quakes")]
pub(crate) mod quakes {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// The scale of a magnitude.
    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub(crate) enum Scale {
        /// The scale of Richter.
        Local,
        Moment,
        /// Of body waves.
        Body,
        Surface,
    }

    #[dasf::function]
    fn same(scale: Scale) -> Scale {
        scale
    }
}

#[tokio::test]
async fn variants_without_documentation_keep_their_place() {
    let module = quakes::module().unwrap();
    let schema = serde_json::to_value(&module.api_info("t").functions[0].rpc_schema).unwrap();
    let scale = &schema["$defs"]["Scale"];
    assert_eq!(
        scale["oneOf"],
        json!([
            {"type": "string", "const": "local", "description": "The scale of Richter."},
            {"type": "string", "const": "moment"},
            {"type": "string", "const": "body", "description": "Of body waves."},
            {"type": "string", "const": "surface"},
        ]),
        "{schema}"
    );
    let request = json!({"func_name": "same", "scale": "energy"});
    let failure = module.call_value(request, Context::local(), None).await;
    let message = failure.unwrap_err().message().to_owned();
    let end = r#""energy" is not one of "local", "moment", "body" or "surface""#;
    assert!(message.ends_with(end), "{message}");
}

/// Returns the error of a request, without the name of the function.
async fn problems(module: &Module, request: Value) -> Vec<String> {
    let failure = module
        .call_value(request, Context::local(), None)
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Validation);
    let (_, problems) = failure.message().split_once(": ").unwrap();
    problems.split("; ").map(str::to_owned).collect()
}

#[tokio::test]
async fn every_constraint_is_in_the_schema_and_kept() {
    let module = constrained::module().unwrap();
    let schema = module.schema("t");
    let property = |function: &str, argument: &str, keyword: &str| {
        schema["$defs"][function]["properties"][argument][keyword].clone()
    };
    assert_eq!(property("FuncNumbers", "above", "exclusiveMinimum"), 0);
    assert_eq!(property("FuncNumbers", "least", "minimum"), -1.5);
    assert_eq!(property("FuncNumbers", "below", "exclusiveMaximum"), 10);
    assert_eq!(property("FuncNumbers", "most", "anyOf")[0]["maximum"], 9);
    assert_eq!(property("FuncNumbers", "step", "multipleOf"), 5);
    assert_eq!(property("FuncTexts", "long", "minLength"), 2);
    assert_eq!(property("FuncTexts", "short", "maxLength"), 3);
    assert_eq!(property("FuncTexts", "word", "pattern"), "^[a-z]+$");
    assert_eq!(property("FuncTexts", "address", "format"), "ipv4");
    assert_eq!(property("FuncLists", "some", "minItems"), 1);
    assert_eq!(property("FuncLists", "few", "maxItems"), 2);

    let request = json!({"func_name": "numbers", "above": 0, "least": -2, "below": 10, "most": 9.5,
        "step": 3});
    assert_eq!(
        problems(&module, request).await,
        [
            "above: 0 is less than or equal to the minimum of 0",
            "least: -2 is less than the minimum of -1.5",
            "below: 10 is greater than or equal to the maximum of 10",
            "most: 9.5 is greater than the maximum of 9",
            "step: 3 is not a multiple of 5",
        ]
    );
    let request = json!({"func_name": "texts", "long": "ä", "short": "abcd", "word": "A",
        "address": "1.2.3"});
    assert_eq!(
        problems(&module, request).await,
        [
            "long: \"ä\" is shorter than 2 characters",
            "short: \"abcd\" is longer than 3 characters",
            "word: \"A\" does not match \"^[a-z]+$\"",
            "address: \"1.2.3\" is not a \"ipv4\"",
        ]
    );
    let request = json!({"func_name": "lists", "some": [], "few": [1, 2, 3]});
    assert_eq!(
        problems(&module, request).await,
        [
            "some: [] has less than 1 item",
            "few: [1,2,3] has more than 2 items"
        ]
    );
}

#[tokio::test]
async fn constraints_of_a_struct_s_fields_are_kept() {
    let module = constrained::module().unwrap();
    let latitude = json!({"degrees": 91, "side": "E"});
    let request = json!({"func_name": "mirror", "latitude": latitude});
    assert_eq!(
        problems(&module, request).await,
        [
            "latitude.degrees: 91 is greater than the maximum of 90",
            "latitude.side: \"E\" does not match \"^[NS]$\"",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_breaks_its_contract_is_an_error_of_the_module() {
    use constrained::Latitude;

    let broker = broker().await;
    let module = constrained::module().unwrap();
    let info = module.api_info("t").functions;
    let doubled = info.iter().find(|it| it.name == "doubled").unwrap();
    assert_eq!(doubled.return_schema["maximum"], 100);
    assert_eq!(doubled.return_schema["description"], "At most 100");
    let host = listen(&broker, "constrained", module, HostOptions::default()).await;
    let client = constrained::Client::connect(&broker.url()).await.unwrap();
    assert_eq!(client.doubled(50).await.unwrap(), 100);
    let error = |error: CallError| {
        let CallError::Module(failure) = error else {
            panic!("{error}")
        };
        assert_eq!(failure.kind(), Some(FailureKind::Processing));
        failure.message().to_owned()
    };
    assert_eq!(
        error(client.doubled(51).await.unwrap_err()),
        "the result does not match its schema: doubled: result: 102 is greater than the maximum of 100"
    );
    // The constraint of a field holds in results and in arguments.
    let latitude = |degrees| Latitude {
        degrees,
        side: "N".to_owned(),
    };
    assert_eq!(
        client.mirror(latitude(60.0)).await.unwrap(),
        latitude(-60.0)
    );
    assert_eq!(
        error(client.mirror(latitude(60.0)).scale(2.0).await.unwrap_err()),
        "the result does not match its schema: mirror: result.degrees: -120.0 is less than the minimum of -90"
    );
    host.shutdown().await;
}

/// What a caller may leave out.
///
/// This paragraph is for readers of the source.
#[dasf::module(main = false, topic = "defaults")]
#[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
pub(crate) mod defaults {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    const LIMIT: u32 = 10;

    /// How to count.
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Way {
        pub(crate) backwards: bool,
    }

    /// Take everything.
    ///
    /// More words.
    ///
    /// # Arguments
    /// * `literal` - A number
    ///   of two lines
    /// - `text`: A text
    ///
    /// # Returns
    /// What was taken
    #[dasf::function]
    fn take(
        #[dasf(default = -2)] literal: i64,
        #[dasf(default = "m")] text: String,
        #[dasf(default = LIMIT * 2)] expression: u32,
        #[dasf(default = vec![Way { backwards: true }])] built: Vec<Way>,
        #[dasf(default)] of_type: Way,
        /// Documented here
        optional: Option<f64>,
        #[dasf(default = "%", description = "Given in the option", title = "Sign")]
        sign: char_text::Text,
        #[dasf(default, example = 1, example = 2)] examples: u8,
    ) -> (i64, String, u32, Vec<Way>, Way, Option<f64>) {
        let _ = (sign, examples);
        (literal, text, expression, built, of_type, optional)
    }

    /// A type that is made from a text.
    pub(crate) mod char_text {
        use schemars::JsonSchema;
        use serde::{Deserialize, Serialize};

        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        pub(crate) struct Text(String);

        impl From<&str> for Text {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    }

    #[dasf::function(description = "In the option", returns(description = "Nothing"))]
    fn described() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_are_in_the_schema_and_in_the_client() {
    use defaults::Way;

    let broker = broker().await;
    let module = defaults::module().unwrap();
    let schema = module.schema("t")["$defs"]["FuncTake"].clone();
    assert_eq!(schema["required"], json!(["func_name"]));
    for (name, default) in [
        ("literal", json!(-2)),
        ("text", json!("m")),
        ("expression", json!(20)),
        ("built", json!([{"backwards": true}])),
        ("of_type", json!({"backwards": false})),
        ("optional", json!(null)),
        ("sign", json!("%")),
        ("examples", json!(0)),
    ] {
        assert_eq!(schema["properties"][name]["default"], default, "{name}");
    }
    assert_eq!(schema["properties"]["examples"]["examples"], json!([1, 2]));
    let host = listen(&broker, "defaults", module, HostOptions::default()).await;
    let client = defaults::Client::connect(&broker.url()).await.unwrap();
    let backwards = |backwards| Way { backwards };
    assert_eq!(
        client.take().await.unwrap(),
        (
            -2,
            "m".to_owned(),
            20,
            vec![backwards(true)],
            backwards(false),
            None
        )
    );
    let call = client
        .take()
        .literal(1)
        .text("km")
        .expression(3)
        .built(Vec::new());
    assert_eq!(
        call.of_type(backwards(true)).optional(0.5).await.unwrap(),
        (
            1,
            "km".to_owned(),
            3,
            Vec::new(),
            backwards(true),
            Some(0.5)
        )
    );
    host.shutdown().await;
}

#[test]
fn documentation_reaches_the_caller() {
    let module = defaults::module().unwrap();
    assert_eq!(module.description(), "What a caller may leave out.");
    let info = module.api_info("t");
    let [take, described] = info.functions.as_slice() else {
        panic!("{info:?}")
    };
    assert_eq!(take.rpc_schema["description"], "Take everything.");
    assert_eq!(take.return_schema["description"], "What was taken");
    let properties = &take.rpc_schema["properties"];
    for (name, description) in [
        ("literal", json!("A number of two lines")),
        ("text", json!("A text")),
        ("expression", Value::Null),
        ("optional", json!("Documented here")),
        ("sign", json!("Given in the option")),
    ] {
        assert_eq!(properties[name]["description"], description, "{name}");
    }
    assert_eq!(properties["sign"]["title"], "Sign");
    assert_eq!(properties["of_type"]["title"], Value::Null); // the definition has a title
    assert_eq!(described.rpc_schema["description"], "In the option");
    assert_eq!(described.return_schema["description"], "Nothing");
}

/// Two classes beside each other.
#[dasf::module(main = false, topic = "classes")]
#[allow(unreachable_pub)]
pub(crate) mod classes {
    use dasf::{Context, ProgressReport};

    /// Counts.
    ///
    /// # Arguments
    /// * `start` - Where to begin
    pub(crate) struct Counter {
        value: i64,
    }

    /// Why there is no counter.
    #[derive(Debug, PartialEq, thiserror::Error, dasf::IntoError)]
    #[error("{start} is too much")]
    pub(crate) struct TooMuch {
        pub(crate) start: i64,
    }

    #[dasf::class]
    impl Counter {
        /// Begin to count.
        pub async fn new(#[dasf(default = 0)] start: i64) -> Result<Self, TooMuch> {
            tokio::task::yield_now().await;
            if start > 100 {
                return Err(TooMuch { start });
            }
            Ok(Self { value: start })
        }

        /// Count up.
        pub fn add(&mut self, by: i64) -> i64 {
            self.value += by;
            self.value
        }

        /// Count with a report, while somebody waits.
        pub async fn count(
            &mut self,
            context: Context,
            steps: u32,
            report: &mut ProgressReport,
        ) -> Result<i64, String> {
            report.set_steps(steps as usize);
            for step in 0..steps {
                if context.is_cancelled() {
                    return Err("cancelled".to_owned());
                }
                let mut step = report.step(format!("step {step}"));
                let _inner = step.step("inside");
                self.value += 1;
            }
            Ok(self.value)
        }

        #[dasf(name = "now")]
        pub fn value(&self) -> i64 {
            self.value
        }

        #[dasf(skip)]
        #[expect(
            dead_code,
            reason = "nobody calls it: it cannot be called from outside"
        )]
        pub fn helper(self) -> i64 {
            self.value
        }
    }

    /// Without arguments.
    pub(crate) enum Unit {
        Only,
    }

    #[dasf::class(name = "Single", description = "There is one.")]
    impl Unit {
        pub fn new() -> Self {
            Self::Only
        }

        #[dasf(inline)]
        pub fn size(&self) -> u8 {
            1
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_creates_a_new_object() {
    let broker = broker().await;
    let module = classes::module().unwrap();
    let info = module.api_info("t").classes;
    assert_eq!(info[0].rpc_schema["description"], "Counts.");
    let start = &info[0].rpc_schema["properties"]["start"];
    assert_eq!(start["description"], "Where to begin");
    let methods: Vec<&str> = info[0].methods.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(methods, ["add", "count", "now"]);
    assert_eq!(
        (info[1].name.as_str(), &info[1].rpc_schema["description"]),
        ("Single", &json!("There is one."))
    );
    let host = listen(&broker, "classes", module, HostOptions::default()).await;
    let client = classes::Client::connect(&broker.url()).await.unwrap();
    let counter = client.counter().start(5);
    // A call does not affect the next one.
    assert_eq!(counter.add(2).await.unwrap(), 7);
    assert_eq!(counter.add(2).await.unwrap(), 7);
    assert_eq!(counter.value().await.unwrap(), 5);
    assert_eq!(client.unit().size().await.unwrap(), 1);

    let mut last = None;
    let counted = counter.count(3);
    let counted = counted.on_progress(|report| last = Some(report.clone()));
    assert_eq!(counted.await.unwrap(), 8);
    let last = last.unwrap();
    assert_eq!((last.steps, last.children.len()), (3, 3));
    assert_eq!(last.children[2].children[0].step_message, "inside");

    let error = client.counter().start(101).add(1).await.unwrap_err();
    assert_eq!(error.to_string(), "executing: 101 is too much");
    assert_eq!(error.typed(), Some(classes::TooMuch { start: 101 }));
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_modules_of_one_crate_are_served_side_by_side() {
    let broker = broker().await;
    let options = HostOptions::default;
    let first = listen(
        &broker,
        "constrained",
        constrained::module().unwrap(),
        options(),
    )
    .await;
    let second = listen(&broker, "classes", classes::module().unwrap(), options()).await;
    let constrained = constrained::Client::connect(&broker.url()).await.unwrap();
    let classes = classes::Client::connect(&broker.url()).await.unwrap();
    let (doubled, value) = tokio::join!(constrained.doubled(2), async {
        classes.counter().value().await
    });
    assert_eq!((doubled.unwrap(), value.unwrap()), (4, 0));
    first.shutdown().await;
    second.shutdown().await;
}
