// Parses the TypeScript files of a folder, which is the argument, and prints their number.

import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder] = process.argv.slice(2);
const typescript = createRequire(join(folder, 'parser.js'))('typescript');
const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
for (const name of files) {
  const text = readFileSync(join(folder, name), 'utf8');
  const { parseDiagnostics } = typescript.createSourceFile(name, text, typescript.ScriptTarget.Latest);
  for (const { messageText, start } of parseDiagnostics) {
    console.error(`${name}: ${messageText}: ${text.slice(start, start + 60)}`);
    process.exitCode = 1;
  }
}
console.log(files.length);
