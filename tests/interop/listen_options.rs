//! The options of `listen` that give requests to other programs: the same requests to the reference module in Python
//! and in Rust, with the same option.

use std::collections::BTreeMap;
use std::path::Path;

use dasf::{CallError, Caller, FailureKind};
use dasf_test_support::broker;
use dasf_test_support::program::{self, Listening};
use dasf_test_support::python::{self, until_it_listens};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::reference_program;

/// The programs that the options name, and the places where they write.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("dumps")).unwrap();
        std::fs::create_dir(folder.path().join("calls")).unwrap();
        let write = |name: &str, script: &str| {
            std::fs::write(folder.path().join(name), script).unwrap();
        };
        // Writes its arguments and the request, except for the parts that differ from run to run.
        write(
            "record.sh",
            r#"calls=$1/calls; shift
call=$calls/$(ls "$calls" | wc -l)
{ echo "$#"
  [ "$1" = "$2" ] && echo 'the path twice'
  [ "$4/$3" = "$1" ] && echo 'and its parts'
  cat "$1"
} > "$call"
echo recorded; echo complaint >&2
"#,
        );
        write("fail.sh", "exit 3\n");
        write(
            "answer.sh",
            r#"case $(cat "$1") in
  *add*) echo 7 ;;
  *hello*) printf '%s' '"ä \u00e4"' ;;
  *sqrt*) echo -1 ;;
  *area*) printf '{"n": 1.0,\n  "s": 2.5}' ;;
  *echo*) echo 'no JSON' ;;
  *none*) echo null ;;
  *greet*) cat missing.txt ;;
  *twice*) echo '["a", 1]' ;;
esac
"#,
        );
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the contents of the files in a folder, by the last part of their names.
    fn files(&self, name: &str) -> BTreeMap<String, String> {
        let files = std::fs::read_dir(self.path().join(name)).unwrap();
        let files = files.map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let end = name.rsplit('_').next().unwrap();
            (end.to_owned(), std::fs::read_to_string(&path).unwrap())
        });
        files.collect()
    }
}

/// What became of the requests.
#[derive(Debug, PartialEq)]
struct Observed {
    answers: Vec<Result<Value, FailureKind>>,
    dumps: BTreeMap<String, String>,
    calls: BTreeMap<String, String>,
}

fn requests() -> Vec<Value> {
    vec![
        json!({"func_name": "add", "a": 1, "b": 2}),
        json!({"func_name": "hello", "name": "Ada ä 世"}),
        json!({"func_name": "sqrt", "a": 4.0}),
        json!({"func_name": "sqrt", "a": -4.0}),
        json!({"func_name": "area", "points": [{"x": 1.0, "y": 2.0}]}),
        json!({"func_name": "echo", "data": "$(id) '\"; `x`"}),
        json!({"func_name": "none"}),
        json!({"func_name": "fail", "msg": "boom"}),
        json!({"class_name": "Greeter", "function": {"func_name": "greet", "name": "Ada"}}),
        json!({"class_name": "Greeter", "function": {"func_name": "twice", "name": "Ada"}}),
    ]
}

/// Returns a value in which `1` is `1.0`. Python writes a number as its type does, and a command as it likes.
fn with_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(with_floats).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields.map(|(name, it)| (name, with_floats(it))).collect()
        }
        other => other,
    }
}

async fn observe(caller: &Caller, folder: &Folder) -> Observed {
    let mut answers = Vec::new();
    for request in requests() {
        answers.push(match caller.call(&request).await {
            Ok(result) => Ok(with_floats(result)),
            Err(CallError::Module(failure)) => Err(failure.kind().unwrap()),
            Err(other) => panic!("{other:?}"),
        });
    }
    Observed {
        answers,
        dumps: folder.files("dumps"),
        calls: folder.files("calls"),
    }
}

/// Gives options to `listen` of both modules, in which `DIR` is a folder, and returns what both do. The Rust module
/// gets further options.
async fn both(options: &[&str], further: &[&str]) -> [Observed; 2] {
    let broker = broker().await;
    let url = broker.url();
    let arguments = |topic: &str, folder: &Folder| {
        let folder = folder.path().to_str().unwrap();
        let options = options.iter().map(|option| option.replace("DIR", folder));
        let start = ["-t", topic, "--websocket-url", &url];
        let mut arguments = start.map(str::to_owned).to_vec();
        arguments.push("listen".to_owned());
        arguments.extend(options);
        arguments
    };
    let connect = async |topic: &str| {
        let builder = Caller::builder(topic).websocket(&url);
        builder.connect().await.unwrap()
    };

    let python = async {
        let folder = Folder::new();
        let mut command = python::command("reference_module.py", &[]);
        command
            .args(["--log-level", "50"])
            .args(arguments("python", &folder));
        let mut module = python::serve(command);
        let caller = connect("python").await;
        until_it_listens(&mut module, &caller).await;
        observe(&caller, &folder).await
    };
    let rust = async {
        let folder = Folder::new();
        let mut command = program::command(reference_program());
        command.args(arguments("rust", &folder)).args(further);
        let start = tokio::task::spawn_blocking(|| Listening::start(command));
        let _module = start.await.unwrap();
        observe(&connect("rust").await, &folder).await
    };
    let (of_python, of_rust) = tokio::join!(python, rust);
    [of_python, of_rust]
}

#[tokio::test(flavor = "multi_thread")]
async fn dump_to_saves_each_valid_request_and_runs_it() {
    let [python, rust] = both(&["--dump-to", "DIR/dumps"], &[]).await;
    assert_eq!(rust, python);
    assert_eq!(rust.answers[0], Ok(json!(3.0)));
    assert_eq!(rust.answers[3], Err(FailureKind::Validation));
    assert_eq!(rust.dumps.len(), requests().len() - 1);
}

const RECORD: &str = "sh DIR/record.sh DIR {} {path} {basename} {directory}";

#[tokio::test(flavor = "multi_thread")]
async fn dump_tool_sees_each_request_before_it_runs() {
    let [python, rust] = both(&["--dump-tool", RECORD], &[]).await;
    assert_eq!(rust, python);
    assert_eq!(rust.answers[0], Ok(json!(3.0)));
    assert_eq!(rust.calls.len(), requests().len() - 1);
    let first = &rust.calls["0"];
    assert!(
        first.starts_with("4\nthe path twice\nand its parts\n{"),
        "{first}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_does_not_run_after_a_dump_tool_that_fails() {
    let [python, rust] = both(&["--dump-tool", "sh DIR/fail.sh {}"], &[]).await;
    assert_eq!(rust, python);
    assert_eq!(rust.answers[0], Err(FailureKind::Execution));
}

#[tokio::test(flavor = "multi_thread")]
async fn cmd_answers_in_place_of_the_function() {
    let [python, rust] = both(&["-c", "sh DIR/answer.sh {}"], &[]).await;
    assert_eq!(rust, python);
    let execution = || Err(FailureKind::Execution);
    let expected = [
        Ok(json!(7.0)),
        Ok(json!("ä ä")),
        execution(),
        Err(FailureKind::Validation),
        Ok(json!({"n": 1.0, "s": 2.5})),
        execution(),
        Ok(json!(null)),
        execution(),
        execution(),
        execution(),
    ];
    assert_eq!(rust.answers, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_options_work_together() {
    let options = [
        "--dump-to",
        "DIR/dumps",
        "--dump-tool",
        RECORD,
        "--cmd",
        "sh DIR/answer.sh '{path}'",
    ];
    let [python, rust] = both(&options, &[]).await;
    assert_eq!(rust, python);
    assert_eq!((rust.dumps.len(), rust.calls.len()), (9, 9));
    assert_eq!(rust.answers[0], Ok(json!(7.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_runs_the_commands_if_it_is_asked_for() {
    let options = [
        "--dump-tool",
        "cat {path} >> DIR/calls/all && rm {path}",
        "--cmd",
        "[ -e {path} ] || echo 7 | cat",
    ];
    let [python, rust] = both(&options, &["--shell"]).await;
    assert_eq!(rust, python);
    assert_eq!(rust.answers[0], Ok(json!(7.0)));
    assert_eq!(rust.calls.len(), 1);
}

#[test]
fn a_module_does_not_start_with_a_command_that_needs_a_shell() {
    for (options, problem) in [
        (
            ["--cmd", "cat {} | jq ."],
            "--cmd: '|' has a meaning only in a shell; quote it, or add --shell",
        ),
        (
            ["--dump-to", "/no/such/folder"],
            "--dump-to: /no/such/folder is not a folder; create it first",
        ),
    ] {
        let mut command = program::command(reference_program());
        let output = command.arg("listen").args(options).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(printed, format!("error: {problem}\n"));
    }
}
