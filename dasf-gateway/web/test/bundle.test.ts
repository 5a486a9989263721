import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOfSources } from '../scripts/sources';

const ADVICE = 'run `cargo xtask web`, and commit `dasf-gateway/web/dist`';

test('the bundle belongs to the sources', () => {
  assert.equal(readFileSync('dist/sources.sha256', 'utf8').trim(), digestOfSources('.'), ADVICE);
});

test('nobody has changed the files of the bundle', () => {
  const table = readFileSync('dist/assets.rs', 'utf8');
  const named = [...table.matchAll(/path: "([^"]+)".*digest: "([^"]+)"/g)];
  const files = ['index.html', ...readdirSync('dist/assets').map((name) => `assets/${name}`)];
  assert.deepEqual(named.map(([, path]) => path).sort(), files.sort(), ADVICE);
  for (const [, path = '', digest = ''] of named) {
    const written = createHash('sha256').update(readFileSync(`dist/${path}`)).digest('hex');
    assert.ok(written.startsWith(digest), `${path}: ${ADVICE}`);
  }
});

test('the bundle is smaller than 400 kB', () => {
  const files = ['index.html', ...readdirSync('dist/assets').map((name) => `assets/${name}`)];
  const size = files.reduce((sum, path) => sum + gzipSync(readFileSync(`dist/${path}`)).length, 0);
  assert.ok(size < 400_000, `${size} bytes`);
});
