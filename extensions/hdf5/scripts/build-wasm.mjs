// Compiles src/wasm/bslz4.ts and writes it, as base64, into src/decode/module.ts: the extension then needs no further file, and
// works below any base URL, in a notebook's widget, and without network.
import asc from 'assemblyscript/asc';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = await mkdtemp(join(tmpdir(), 'bslz4-'));
try {
  const output = join(folder, 'bslz4.wasm');
  const { error, stderr } = await asc.main([
    'src/wasm/bslz4.ts',
    '--outFile', output,
    '--optimizeLevel', '3',
    '--shrinkLevel', '0',
    '--runtime', 'stub',
    '--noAssert',
    '--importMemory',
    '--enable', 'simd',
    '--enable', 'bulk-memory',
    '--use', 'abort='
  ]);
  if (error) {
    console.error(stderr.toString());
    process.exit(1);
  }
  const wasm = await readFile(output);
  await WebAssembly.compile(wasm);
  const text = `// Written by scripts/build-wasm.mjs from src/wasm/bslz4.ts.\nexport const BSLZ4_WASM =\n  '${wasm.toString('base64')}';\n`;
  await mkdir('src/decode', { recursive: true });
  const target = 'src/decode/module.ts';
  const before = await readFile(target, 'utf8').catch(() => '');
  if (before !== text) {
    await writeFile(target, text);
  }
  console.log(`bslz4.wasm: ${wasm.length} bytes`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
