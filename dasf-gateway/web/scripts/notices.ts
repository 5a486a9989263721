/** The licences of the packages in the bundle. */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const ALLOWED = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD'];

/** Returns the folder and the name of the package that a module of the bundle is from. */
function packageOf(module: string): { folder: string; name: string } | undefined {
  const match = module.match(/^(?:\0)?(.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+))[\\/]/);
  const [, folder, name] = match ?? [];
  return folder && name ? { folder, name } : undefined;
}

/** Returns the notices for modules of a folder. A licence that is not allowed is an error. */
export function noticesOf(root: string, modules: string[]): string {
  const packages = new Map<string, string>();
  for (const module of modules) {
    const found = packageOf(module);
    if (found) packages.set(found.folder, found.name);
  }
  // The map comes as data, so no module names its package.
  packages.set(join(root, 'node_modules/world-atlas'), 'world-atlas');
  const sorted = [...packages].sort(([, a], [, b]) => (a < b ? -1 : 1));
  const parts = sorted.map(([folder, name]) => {
    const { version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (!ALLOWED.includes(license)) throw new Error(`${name} has the licence ${license}`);
    const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
    if (!file) throw new Error(`${name} has no file with its licence`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  const head =
    'This page contains these packages. The outlines on its map are from Natural Earth, which is in\n' +
    'the public domain.\n';
  return [head, ...parts].join(`\n${'-'.repeat(80)}\n\n`);
}
