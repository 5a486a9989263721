import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { type Plugin, defineConfig } from 'vite';
import { digestOfSources } from './scripts/sources';
import { noticesOf } from './scripts/notices';

const ROOT = import.meta.dirname;
const require = createRequire(import.meta.url);

/** The world atlas without the names and numbers of countries, which the map does not show. */
function world(): Plugin {
  const id = 'virtual:world';
  return {
    name: 'world',
    resolveId: (source) => (source === id ? `\0${id}` : null),
    load(loaded) {
      if (loaded !== `\0${id}`) return null;
      const atlas = JSON.parse(readFileSync(require.resolve('world-atlas/countries-110m.json'), 'utf8'));
      for (const country of atlas.objects.countries.geometries) {
        delete country.properties;
        delete country.id;
      }
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(atlas))})`;
    },
  };
}

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** Writes the notices of the packages, the table of files for Rust, and the digest of the sources. */
function table(folder: string): Plugin {
  return {
    name: 'table',
    apply: 'build',
    async writeBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((part) =>
        part.type === 'chunk' ? Object.keys(part.modules) : [],
      );
      writeFileSync(join(folder, 'assets/licences.txt'), noticesOf(ROOT, modules));
      const names = ['index.html', ...readdirSync(join(folder, 'assets')).sort().map((name) => `assets/${name}`)];
      const rows = names.map((name) => {
        const type = TYPES[extname(name)];
        if (!type) throw new Error(`${name} has no media type in vite.config.ts`);
        const digest = createHash('sha256').update(readFileSync(join(folder, name))).digest('hex');
        return `    Asset { path: "${name}", media_type: "${type}", digest: "${digest.slice(0, 32)}", bytes: include_bytes!("${name}") },\n`;
      });
      const head = '// `cargo xtask web` writes this file.\n';
      writeFileSync(join(folder, 'assets.rs'), `${head}&[\n${rows.join('')}]\n`);
      writeFileSync(join(folder, 'sources.sha256'), `${digestOfSources(ROOT)}\n`);
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [world(), table(join(ROOT, 'dist'))],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    // The page has one host, so the polyfill for older browsers brings nothing.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': process.env['DASF_GATEWAY'] ?? 'http://127.0.0.1:8090' } },
});
