//! Users: who calls, and who may call.

use dasf::client::ModuleFailure;
use dasf::protocol::payload;
use dasf::{Address, CallError, Caller, Context, FailureKind, Host, HostOptions, Module};
use dasf_test_support::peer::{Peer, text};
use dasf_test_support::{broker, broker_builder, listen, listen_at};
use serde_json::{Value, json};

use crate::naming::NamingBroker;

/// A station whose functions are for various users.
#[allow(unreachable_pub)] // public items of a class are callable
#[dasf::module(main = false, topic = "station")]
mod station {
    use dasf::Context;

    /// Returns who calls, and the groups.
    #[dasf::function]
    pub fn who(context: &Context) -> (Option<String>, Vec<String>) {
        let groups = context.groups().map(str::to_owned).collect();
        (context.user().map(str::to_owned), groups)
    }

    /// Returns the properties that name a user.
    #[dasf::function(inline)]
    pub fn claims(context: &Context) -> Vec<String> {
        let properties = context.properties().iter().map(|(name, _)| name.to_owned());
        let claims = properties.filter(|name| name.contains("user") || name.contains("groups"));
        claims.collect()
    }

    #[dasf::function(allow_groups = ["operators", "admins"])]
    pub fn stop(seconds: u32) -> u32 {
        seconds
    }

    #[dasf::function(allow_groups = ["nobody"])]
    pub fn never() {}

    #[dasf::function]
    pub fn length(text: &str) -> usize {
        text.len()
    }

    pub(super) struct Telescope;

    #[dasf::class(allow_groups = ["astronomers"])]
    impl Telescope {
        pub fn new(name: String) -> Self {
            drop(name);
            Self
        }

        pub fn look(&self) -> String {
            "stars".to_owned()
        }

        #[dasf(allow_groups = ["operators"])]
        pub fn turn(&self, degrees: f64) -> f64 {
            degrees
        }
    }
}

/// A module that is for operators alone, apart from one member.
#[dasf::module(main = false, topic = "machine", allow_groups = ["operators"])]
mod machine {
    #[dasf::function]
    pub(super) fn length(text: &str) -> usize {
        text.len()
    }

    #[dasf::function(allow_groups = ["inspectors"])]
    pub(super) fn inspect() {}
}

const USERS: &[(&str, &str)] = &[
    ("ada", "operators,hydrology"),
    ("bob", ""),
    ("eve", "astronomers"),
];

async fn client(broker: &NamingBroker, user: &str) -> station::Client {
    let builder = station::Client::builder().topic("station");
    let builder = builder.websocket(&broker.url_of(user));
    builder.connect().await.unwrap()
}

async fn serve(broker: &NamingBroker) -> Host {
    let address = Address::websocket(&broker.url()).unwrap();
    let module = station::module().unwrap();
    listen_at(address, "station", module, HostOptions::default()).await
}

/// Returns the failure of a call that is not allowed.
fn refused<T: std::fmt::Debug>(result: Result<T, CallError>) -> ModuleFailure {
    match result {
        Err(CallError::Module(failure)) => {
            assert_eq!(failure.kind(), Some(FailureKind::NotAllowed), "{failure}");
            assert_eq!(failure.code(), Some("not_allowed"));
            failure
        }
        other => panic!("{other:?}"),
    }
}

fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_knows_who_calls() {
    for offers_links in [true, false] {
        let behind = broker().await;
        let broker = NamingBroker::start(behind.local_addr(), USERS, offers_links).await;
        let host = serve(&broker).await;
        let (ada, bob) = (client(&broker, "ada").await, client(&broker, "bob").await);
        let groups = words(&["operators", "hydrology"]);
        assert_eq!(ada.who().await.unwrap(), (Some("ada".to_owned()), groups));
        let nobody = Vec::new();
        assert_eq!(bob.who().await.unwrap(), (Some("bob".to_owned()), nobody));
        assert_eq!(ada.stop(3).await.unwrap(), 3);
        let failure = refused(bob.stop(3).await);
        assert_eq!(
            failure.to_string(),
            "not allowed: stop: only users in one of the groups operators, admins may call it, and bob is in none of \
             them; ask the administrator of the broker"
        );
        let details = json!({"allow_groups": ["operators", "admins"], "user": "bob"});
        assert_eq!(failure.details(), Some(&details));
        refused(ada.never().await);
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_groups_of_a_class_hold_for_methods_without_their_own() {
    let behind = broker().await;
    let broker = NamingBroker::start(behind.local_addr(), USERS, true).await;
    let host = serve(&broker).await;
    let (ada, eve) = (client(&broker, "ada").await, client(&broker, "eve").await);
    let look = async |client: &station::Client| client.telescope("big").look().await;
    let turn = async |client: &station::Client| client.telescope("big").turn(1.0).await;
    assert_eq!(look(&eve).await.unwrap(), "stars");
    assert_eq!(turn(&ada).await.unwrap(), 1.0);
    let failure = refused(look(&ada).await);
    assert!(
        failure.message().starts_with("Telescope.look: "),
        "{failure}"
    );
    let failure = refused(turn(&eve).await);
    assert!(
        failure.message().starts_with("Telescope.turn: "),
        "{failure}"
    );
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_refused_before_its_arguments_are_read() {
    let behind = broker().await;
    let broker = NamingBroker::start(behind.local_addr(), USERS, true).await;
    let host = serve(&broker).await;
    let (ada, bob) = (client(&broker, "ada").await, client(&broker, "bob").await);
    let requests = [
        json!({"func_name": "stop"}),
        json!({"func_name": "stop", "seconds": "no number"}),
        json!({"class_name": "Telescope", "name": 5, "function": {"func_name": "turn"}}),
    ];
    for request in &requests {
        refused(bob.caller().call(request).await);
        let failure = ada.caller().call(request).await.unwrap_err();
        let CallError::Module(failure) = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(failure.kind(), Some(FailureKind::Validation), "{failure}");
    }
    // Unknown names are no secret.
    let unknown = json!({"func_name": "stopp"});
    let failure = bob.caller().call(&unknown).await.unwrap_err();
    assert!(failure.to_string().contains("did you mean"), "{failure}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_a_broker_that_has_users_is_ignored() {
    for offers_links in [true, false] {
        let behind = broker().await;
        let broker = NamingBroker::start(behind.local_addr(), USERS, offers_links).await;
        broker.say_so(false);
        let host = serve(&broker).await;
        let ada = client(&broker, "ada").await;
        assert_eq!(ada.who().await.unwrap(), (None, Vec::new()));
        assert_eq!(ada.claims().await.unwrap(), Vec::<String>::new());
        assert_eq!(
            refused(ada.stop(3).await).to_string(),
            "not allowed: stop: only users in one of the groups operators, admins may call it, and the broker does not \
             name its users; serve the module over a dasf-broker that does, with `--config FILE`"
        );
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_decides_whether_names_are_trusted() {
    for offers_links in [true, false] {
        let behind = broker().await;
        let broker = NamingBroker::start(behind.local_addr(), USERS, offers_links).await;
        let host = serve(&broker).await;
        let ada = client(&broker, "ada").await;
        for is_trusted in [true, false, true] {
            broker.say_so(is_trusted);
            broker.cut().await;
            let (user, _) = ada.who().await.unwrap();
            assert_eq!(user.is_some(), is_trusted, "links: {offers_links}");
            assert_eq!(ada.stop(1).await.is_ok(), is_trusted);
        }
        host.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_broker_without_users_only_free_functions_run() {
    let behind = broker().await;
    let host = listen(
        &behind,
        "station",
        station::module().unwrap(),
        HostOptions::default(),
    )
    .await;
    let builder = station::Client::builder().topic("station");
    let client = builder.websocket(&behind.url()).connect().await.unwrap();
    assert_eq!(client.who().await.unwrap(), (None, Vec::new()));
    let failure = refused(client.stop(1).await);
    assert!(failure.message().contains("--config FILE"), "{failure}");
    host.shutdown().await;
}

/// The rights of some users. The token of each is the name.
const CONFIG: &str = r#"
[groups.operators]

[users.ada]
groups = ["operators"]
call = ["station", "machine"]
tokens = [{ sha256 = "fdee430d40bd57deeac186cd9790033d0f06f909a8806e7ce6e717ab7c7d5029" }]

[users.bob]
call = ["station", "machine"]
tokens = [{ sha256 = "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9" }]

[users.server]
serve = ["station", "machine"]
tokens = [{ sha256 = "b3eacd33433b31b5252351032c9b3e7a2e7aa7738d5decdf0dd6c62680853c06" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_users_names_them() {
    let builder = broker_builder().config(CONFIG.parse().unwrap());
    let broker = builder.start().await.unwrap();
    let url = |user: &str| format!("{}?token={user}", broker.url());
    let at = || Address::websocket(&url("server")).unwrap();
    let module = station::module().unwrap();
    let station = listen_at(at(), "station", module, HostOptions::default()).await;
    let connect = async |user: &str| {
        let builder = station::Client::builder().topic("station");
        builder.websocket(&url(user)).connect().await.unwrap()
    };
    let (ada, bob) = (connect("ada").await, connect("bob").await);
    let (user, groups) = ada.who().await.unwrap();
    assert_eq!(
        (user.as_deref(), groups),
        (Some("ada"), words(&["operators"]))
    );
    assert_eq!(ada.stop(3).await.unwrap(), 3);
    let (user, groups) = bob.who().await.unwrap();
    assert_eq!((user.as_deref(), groups), (Some("bob"), Vec::new()));
    refused(bob.stop(3).await);

    // The payload of a large request to a group comes from the same user.
    let module = machine::module().unwrap();
    let options = HostOptions::default().group("workers".parse().unwrap());
    let machine = listen_at(at(), "machine", module, options).await;
    let length = json!({"func_name": "length", "text": "x".repeat(5000)});
    let call = async |user: &str| {
        let builder = Caller::builder("machine").websocket(&url(user));
        let caller = builder.max_payload_size(1000).connect().await.unwrap();
        caller.call(&length).await
    };
    assert_eq!(call("ada").await.unwrap(), 5000);
    refused(call("bob").await);
    machine.shutdown().await;
    station.shutdown().await;
}

async fn peer(broker: &NamingBroker, user: &str, topic: &str) -> Peer {
    let url = broker.url();
    let responses = format!("{url}/{topic}_responses/python-backend-{user}");
    let response_topic = format!("{topic}_responses");
    let producer = format!("{url}/{topic}?token={user}");
    Peer::connect_to(&producer, &responses, &response_topic).await
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_of_two_users_are_not_mixed() {
    let behind = broker().await;
    let broker = NamingBroker::start(behind.local_addr(), USERS, true).await;
    let host = serve(&broker).await;
    let mut ada = peer(&broker, "ada", "station").await;
    let mut bob = peer(&broker, "bob", "station").await;
    let request = |text: &str| {
        let request = json!({"func_name": "length", "text": text}).to_string();
        payload::encode(request.as_bytes())
    };
    let (of_ada, of_bob) = (request("a request of ada"), request("forged"));
    let position =
        |index: u32| json!({"fragment": index, "num_fragments": 2, "x_dasf_request": "id"});
    let (first, second) = of_ada.split_at(20);
    // The user comes with the producer; both have the same response topic and the same context.
    bob.send("request", 7, &of_bob[..20], position(0)).await;
    ada.send("request", 7, first, position(0)).await;
    bob.send("request", 7, "AAAA", position(1)).await;
    ada.send("request", 7, second, position(1)).await;
    let mut answers = vec![ada.answer().await, ada.answer().await];
    answers.sort_unstable();
    let [(failed, _), (succeeded, length)] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((failed.as_str(), succeeded.as_str()), ("error", "success"));
    assert_eq!(length, "16");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_refused_before_its_payload_is_fetched() {
    let behind = broker().await;
    let broker = NamingBroker::start(behind.local_addr(), USERS, true).await;
    let address = Address::websocket(&broker.url()).unwrap();
    let options = HostOptions::default().group("workers".parse().unwrap());
    let module = machine::module().unwrap();
    let host = listen_at(address, "machine", module, options).await;
    let on_demand = || json!({"x_dasf_on_demand": "1"});
    let mut bob = peer(&broker, "bob", "machine").await;
    bob.send("request", 1, "", on_demand()).await;
    let answer = bob.receive().await;
    assert_eq!(answer["properties"]["messageType"], "response");
    assert_eq!(
        text(&answer),
        "request not allowed: the module: only users in one of the groups inspectors, operators may call it, and bob is \
         in none of them; ask the administrator of the broker"
    );
    let mut ada = peer(&broker, "ada", "machine").await;
    ada.send("request", 2, "", on_demand()).await;
    let question = ada.receive().await;
    assert_eq!(question["properties"]["messageType"], "fetch");

    // Whoever may call another function is refused when the payload has come.
    let builder = Caller::builder("machine").websocket(&broker.url_of("ada"));
    let caller = builder.max_payload_size(1000).connect().await.unwrap();
    let large = "x".repeat(5000);
    let length = json!({"func_name": "length", "text": large});
    assert_eq!(caller.call(&length).await.unwrap(), 5000);
    let inspect = json!({"func_name": "inspect", "text": large});
    let failure = refused(caller.call(&inspect).await);
    assert!(failure.message().starts_with("inspect: "), "{failure}");
    // It would wait for the payload of the peer.
    drop(host);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_fragments_is_refused_with_its_first_one() {
    let behind = broker().await;
    let broker = NamingBroker::start(behind.local_addr(), USERS, true).await;
    let address = Address::websocket(&broker.url()).unwrap();
    let module = machine::module().unwrap();
    let host = listen_at(address, "machine", module, HostOptions::default()).await;
    let mut bob = peer(&broker, "bob", "machine").await;
    for (context, indices) in [(1, [0, 1]), (2, [1, 0])] {
        for index in indices {
            let position = json!({"fragment": index, "num_fragments": 3});
            bob.send("request", context, "AAAA", position).await;
        }
    }
    // The last fragments are missing, and each request has one answer.
    for context in ["1", "2"] {
        let answer = bob.receive().await;
        assert_eq!(answer["properties"]["requestContext"], context);
        let refusal = text(&answer);
        assert!(
            refusal.starts_with("request not allowed: the module: "),
            "{refusal}"
        );
    }
    bob.send("ping", 3, "", json!({})).await;
    let pong = bob.receive().await;
    assert_eq!(pong["properties"]["messageType"], "pong");
    host.shutdown().await;
}

#[tokio::test]
async fn the_groups_are_in_the_description() {
    let groups = |schema: &Value| schema.get("x_dasf_allow_groups").cloned();
    let info = station::module().unwrap().api_info("station");
    let of = |name: &str| {
        let function = info.functions.iter().find(|it| it.name == name).unwrap();
        groups(&function.rpc_schema)
    };
    assert_eq!(of("who"), None);
    assert_eq!(of("stop"), Some(json!(["operators", "admins"])));
    let methods = info.classes[0].methods.iter();
    let methods: Vec<_> = methods.map(|method| groups(&method.rpc_schema)).collect();
    let expected = [json!(["astronomers"]), json!(["operators"])];
    assert_eq!(methods, expected.map(Some));
    assert_eq!(groups(&info.classes[0].rpc_schema), None);
    let whole = &info.rpc_schema["$defs"]["FuncStop"];
    assert_eq!(groups(whole), Some(json!(["operators", "admins"])));

    let info = machine::module().unwrap().api_info("machine");
    let all = info.functions.iter().map(|it| groups(&it.rpc_schema));
    let expected = [json!(["operators"]), json!(["inspectors"])];
    assert_eq!(all.collect::<Vec<_>>(), expected.map(Some));
}

#[tokio::test]
async fn a_test_can_call_as_any_user() {
    async fn stop(module: &Module, context: Context) -> Result<String, FailureKind> {
        let request = json!({"func_name": "stop", "seconds": 2});
        let outcome = module.call_value(request, context, None).await;
        outcome
            .map(|output| output.as_json().to_owned())
            .map_err(|failure| failure.kind())
    }
    let module = station::module().unwrap();
    let two = || Ok("2".to_owned());
    assert_eq!(stop(&module, Context::local()).await, two());
    assert_eq!(
        stop(&module, Context::of_user("ada", ["operators"])).await,
        two()
    );
    for groups in [&[][..], &["hydrology"], &["operator"]] {
        let refused = stop(&module, Context::of_user("bob", groups)).await;
        assert_eq!(refused, Err(FailureKind::NotAllowed));
    }
}
