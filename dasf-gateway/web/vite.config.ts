import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { quantize } from 'topojson-client';
import type { GeometryCollection, Topology, Transform } from 'topojson-specification';
import { type Plugin, defineConfig } from 'vite';
import { digestOfSources } from './scripts/sources';
import { noticesOf } from './scripts/notices';

const ROOT = import.meta.dirname;
const require = createRequire(import.meta.url);

type Objects = Record<string, GeometryCollection>;

/** Reads a file of the world atlas. */
function atlas(name: string): Topology<Objects> {
  return JSON.parse(readFileSync(require.resolve(`world-atlas/${name}.json`), 'utf8'));
}

/** Returns the world without the names and numbers of countries, which the map does not show. */
function world(): Topology {
  const topology = atlas('countries-110m');
  for (const country of topology.objects['countries']?.geometries ?? []) {
    delete country.properties;
    delete country.id;
  }
  return topology;
}

/** Returns finer coastlines, with places on a grid of 4 km, which needs half of the size. */
function coast(): Topology {
  const topology = atlas('land-50m');
  const { scale, translate } = topology.transform as Transform;
  const arcs = topology.arcs.map((arc) => {
    let [x, y] = [0, 0];
    return arc.map(([right = 0, up = 0]) => {
      [x, y] = [x + right, y + up];
      return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
    });
  });
  const { transform: _, ...absolute } = topology;
  return quantize({ ...absolute, arcs }, 10_000);
}

/** Provides the outlines of the map as modules. */
function outlines(): Plugin {
  const made: Record<string, () => Topology> = { 'virtual:world': world, 'virtual:coast': coast };
  return {
    name: 'outlines',
    resolveId: (source) => (source in made ? `\0${source}` : null),
    load(id) {
      const make = id.startsWith('\0') ? made[id.slice(1)] : undefined;
      return make ? `export default JSON.parse(${JSON.stringify(JSON.stringify(make()))})` : null;
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
  plugins: [outlines(), table(join(ROOT, 'dist'))],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    // The page has one host, so the polyfill for older browsers brings nothing.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': process.env['DASF_GATEWAY'] ?? 'http://127.0.0.1:8090' } },
});
