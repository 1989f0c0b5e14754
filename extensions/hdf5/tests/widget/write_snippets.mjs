// Reads [{flavour, subject}, …] as JSON from the input and answers with the code that the browser would write for each.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { build } = createRequire(join(root, 'package.json'))('esbuild');
const folder = await mkdtemp(join(tmpdir(), 'snippets-'));
const outfile = join(folder, 'snippets.mjs');
const contents = "export * from './snippets'; export { viewCode } from './viewCode';";
await build({
  stdin: { contents, resolveDir: join(root, 'src/code'), loader: 'ts' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  outfile,
  logLevel: 'error'
});
const { snippet, viewCode } = await import(pathToFileURL(outfile));
const asked = JSON.parse(await readFile('/dev/stdin', 'utf8'));
const answers = asked.map(({ flavour, subject, state }) => {
  try {
    return flavour === 'view' ? { code: viewCode(subject.path, state), variable: '' } : snippet(flavour, subject);
  } catch (error) {
    return { error: error.message };
  }
});
process.stdout.write(JSON.stringify(answers));
await rm(folder, { recursive: true });
