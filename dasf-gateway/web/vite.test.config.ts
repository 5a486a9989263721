import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vite';

const FOLDER = join(import.meta.dirname, 'test');

/** Turns the tests into JavaScript, which Node.js runs. */
export default defineConfig({
  build: {
    ssr: true,
    target: 'node20',
    outDir: 'node_modules/.test',
    emptyOutDir: true,
    rollupOptions: {
      input: readdirSync(FOLDER).map((name) => join(FOLDER, name)),
      output: { entryFileNames: '[name].mjs' },
    },
  },
});
