//! The clients in TypeScript: a program that calls each function with its arguments as literals, so the
//! compiler checks their types.

use std::process::Command;

use dasf_codegen::Language;
use serde_json::{Map, Value};

use super::{Call, Sample, call_everything, corpus, position, succeed, write, write_clients};
use crate::web;

const CONFIGURATION: &str = r#"{
  "compilerOptions": {
    "exactOptionalPropertyTypes": true,
    "incremental": true,
    "module": "nodenext",
    "noUncheckedIndexedAccess": true,
    "outDir": "built",
    "strict": true,
    "target": "es2022"
  },
  "include": ["*.ts"]
}
"#;

/// The beginning of the program.
const SUPPORT: &str = r#"import { isDeepStrictEqual } from "node:util";
import { WebSocket } from "ws";

const url = process.argv[2];
const failures: string[] = [];

async function check(
  name: string,
  expected: unknown,
  undeclared: string[],
  call: () => Promise<unknown>,
): Promise<void> {
  try {
    const found = JSON.parse(JSON.stringify((await call()) ?? null));
    const wanted = JSON.parse(JSON.stringify(expected));
    for (const property of undeclared) {
      delete found[property];
      delete wanted[property];
    }
    if (!isDeepStrictEqual(found, wanted)) {
      failures.push(`${name}: returned ${JSON.stringify(found)} and not ${JSON.stringify(wanted)}`);
    }
  } catch (error) {
    failures.push(`${name}: ${error}`);
  }
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn clients_in_typescript() {
    // The compiler finds the packages only from their folder.
    let folder = web::packages().join("corpus");
    write_clients(&folder, Language::TypeScript);
    write(&folder.join("main.ts"), &program());
    write(&folder.join("tsconfig.json"), CONFIGURATION);
    write(&folder.join("package.json"), r#"{"type": "module"}"#);
    let mut tsc = Command::new("node");
    tsc.arg("../node_modules/typescript/bin/tsc")
        .current_dir(&folder);
    succeed(tsc).await;
    call_everything(|url| {
        let mut program = Command::new("node");
        program.args(["built/main.js", url]).current_dir(&folder);
        program
    })
    .await;
}

fn program() -> String {
    let mut program = SUPPORT.to_owned();
    for Sample { name, .. } in corpus() {
        program += &format!("import * as {name} from \"./{name}.js\";\n");
    }
    for sample in corpus() {
        let client = &sample.name;
        program += &format!("{{\n  const client = new {client}.Client({{ url, WebSocket }});\n");
        let source = sample.source(Language::TypeScript);
        for call in &sample.calls {
            let Call {
                function,
                result,
                undeclared,
                ..
            } = call;
            let label = Value::from(format!("{client}: {function} {}", json(&call.arguments)));
            let (undeclared, call) = (json(undeclared), expression(sample, &source, call));
            program += &format!("  await check({label}, {result}, {undeclared}, () => {call});\n");
        }
        program += "  await client.close();\n}\n";
    }
    program + "console.log(JSON.stringify(failures));\n"
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn expression(sample: &Sample, source: &str, call: &Call) -> String {
    let functions = sample.functions();
    let top = methods(source, "Client");
    let arguments = given(&call.arguments);
    let Some(class) = &call.class else {
        let name = top[position(&functions, &call.function)].0;
        return format!("client.{name}({arguments})");
    };
    let class = position(&sample.classes(), class);
    let (name, returns) = top[functions.len() + class];
    let method = position(&sample.methods(class), &call.function);
    let method = methods(source, returns)[method].0;
    let settings = given(call.constructor.as_ref().unwrap());
    format!("client.{name}({settings}).{method}({arguments})")
}

/// Returns the argument of a method, or nothing if it is empty.
fn given(arguments: &Map<String, Value>) -> String {
    if arguments.is_empty() {
        String::new()
    } else {
        json(arguments)
    }
}

/// The methods of a class in the order of the code, and their return types.
fn methods<'a>(source: &'a str, class: &str) -> Vec<(&'a str, &'a str)> {
    let start = format!("export class {class} {{\n");
    let (_, body) = source.split_once(&start).unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let mut methods = Vec::new();
    for line in body.lines() {
        // The body and the documentation of a method have a larger indent.
        let Some(line) = line.strip_prefix("  ") else {
            continue;
        };
        let line = line.strip_prefix("async ").unwrap_or(line);
        let (name, _) = line.split_once('(').unwrap_or_default();
        if name.starts_with(|first: char| first.is_alphabetic() || "_$".contains(first)) {
            methods.push((name, ""));
        }
        // The return type is on the same line, or below the parameters.
        if let (Some((_, returns)), Some(method)) = (line.rsplit_once("): "), methods.last_mut())
            && !line.starts_with(' ')
        {
            method.1 = returns.trim_end_matches(" {");
        }
    }
    // Every client has these. No function of a module is a getter, or has a type parameter.
    methods.retain(|(name, _)| *name != "constructor" && !name.contains([' ', '<']));
    methods
}
