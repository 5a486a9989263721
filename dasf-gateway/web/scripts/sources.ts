/** The digest of everything that the bundle is made of. */

import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

const FILES = ['index.html', 'package.json', 'package-lock.json', 'tsconfig.json', 'vite.config.ts'];

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}

/** Returns the digest of the sources in a folder; it does not depend on the line ends of a checkout. */
export function digestOfSources(root: string): string {
  const folders = ['src', 'scripts'].flatMap((folder) => filesIn(join(root, folder)));
  const files = [...FILES.map((file) => join(root, file)), ...folders];
  const names = files.map((file) => relative(root, file).split(sep).join('/')).sort();
  const digest = createHash('sha256');
  for (const name of names) {
    const text = readFileSync(join(root, name), 'utf8').replaceAll('\r\n', '\n');
    digest.update(`${name}\n${text.length}\n${text}\n`);
  }
  return digest.digest('hex');
}
