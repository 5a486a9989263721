/** The same call as code to copy. */

import { type Json, type JsonObject, isNumber, isObject, stringify } from './json';

export interface CallCode {
  url: string;
  body: JsonObject;
  /** Whether the caller sends a token. The code reads it from the environment: it is a secret. */
  token: boolean;
}

export interface Language {
  name: string;
  write: (call: CallCode) => string;
}

export const LANGUAGES: Language[] = [
  { name: 'curl', write: curl },
  { name: 'Rust', write: rust },
  { name: 'Python', write: python },
  { name: 'R', write: r },
  { name: 'TypeScript', write: typescript },
];

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function curl({ url, body, token }: CallCode): string {
  const lines = [
    `curl ${shellQuoted(url)}`,
    ...(token ? ['-H "Authorization: Bearer $DASF_TOKEN"'] : []),
    "-H 'Content-Type: application/json'",
    `-d ${shellQuoted(stringify(body))}`,
  ];
  return lines.join(' \\\n  ');
}

function python({ url, body, token }: CallCode): string {
  const secret = token ? `, "Authorization": f"Bearer {os.environ['DASF_TOKEN']}"` : '';
  return `import json
${token ? 'import os\n' : ''}from urllib.request import Request, urlopen

arguments = ${pythonValue(body, 0)}
request = Request(
    ${JSON.stringify(url)},
    data=json.dumps(arguments).encode(),
    headers={"Content-Type": "application/json"${secret}},
)
with urlopen(request) as response:
    result = json.load(response)
print(result)
`;
}

function pythonValue(value: Json, depth: number): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return nested(value, depth, '    ', (name) => `${JSON.stringify(name)}: `, ['{', '}'], ['[', ']'], pythonValue);
}

function rust({ url, body, token }: CallCode): string {
  const header = token ? '\n        .bearer_auth(std::env::var("DASF_TOKEN")?)' : '';
  return `// cargo add reqwest --features blocking,json
// cargo add serde_json
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = json!(${stringify(body, 4).replaceAll('\n', '\n    ')});
    let result: Value = reqwest::blocking::Client::new()
        .post(${JSON.stringify(url)})${header}
        .json(&arguments)
        .send()?
        .error_for_status()?
        .json()?;
    println!("{result}");
    Ok(())
}
`;
}

function r({ url, body, token }: CallCode): string {
  const header = token ? '  req_auth_bearer_token(Sys.getenv("DASF_TOKEN")) |>\n' : '';
  return `library(httr2)  # install.packages("httr2")

result <- request(${JSON.stringify(url)}) |>
${header}  req_body_json(${rValue(body, 1)}, digits = NA, null = "null") |>
  req_perform() |>
  resp_body_json(simplifyVector = TRUE)
print(result)
`;
}

function rValue(value: Json, depth: number): string {
  if (value === null) return 'NULL';
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  // An empty list is a list in JSON, and an object needs names.
  if (isObject(value) && Object.keys(value).length === 0) return 'setNames(list(), character(0))';
  return nested(value, depth, '  ', (name) => `${rName(name)} = `, ['list(', ')'], ['list(', ')'], rValue);
}

function rName(name: string): string {
  return /^[A-Za-z.][\w.]*$/.test(name) ? name : `\`${name.replaceAll('`', '\\`')}\``;
}

function typescript({ url, body, token }: CallCode): string {
  const header = token ? '\n    authorization: `Bearer ${process.env.DASF_TOKEN}`,' : '';
  return `const response = await fetch(${JSON.stringify(url)}, {
  method: 'POST',
  headers: {${header}
    'content-type': 'application/json',
  },
  body: JSON.stringify(${stringify(body, 2).replaceAll('\n', '\n  ')}),
});
if (!response.ok) throw new Error(await response.text());
const result = await response.json();
console.log(result);
`;
}

function nested(
  value: Exclude<Json, null | boolean>,
  depth: number,
  unit: string,
  key: (name: string) => string,
  [openObject, closeObject]: [string, string],
  [openList, closeList]: [string, string],
  write: (value: Json, depth: number) => string,
): string {
  // The strings of JSON are strings of Python and R, too.
  if (typeof value === 'string' || isNumber(value)) return stringify(value);
  const list = Array.isArray(value);
  const parts = list
    ? value.map((each) => write(each, depth + 1))
    : Object.entries(value).map(([name, each]) => key(name) + write(each, depth + 1));
  const [open, close] = list ? [openList, closeList] : [openObject, closeObject];
  const line = `${open}${parts.join(', ')}${close}`;
  if (line.length + depth * unit.length <= 80 && !line.includes('\n')) return line;
  const margin = unit.repeat(depth);
  return `${open}\n${margin}${unit}${parts.join(`,\n${margin}${unit}`)}\n${margin}${close}`;
}
