// Times our decoder on Node: `node hdf5_decode.mjs ENVELOPE` prints {"milliseconds": …} for the stored chunk in the envelope.
// The sources are what the browser gets; esbuild, which the extension's tests bring, takes the types away.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const EXTENSION = new URL('../extensions/hdf5/', import.meta.url);
const esbuild = createRequire(new URL('package.json', EXTENSION))('esbuild');

async function load(name) {
  const source = readFileSync(new URL(`src/decode/${name}.ts`, EXTENSION), 'utf8');
  const { code } = await esbuild.transform(source, { loader: 'ts', format: 'esm' });
  return import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
}

const { makeDecoder } = await load('decoder');
const { BSLZ4_WASM } = await load('module');
const decoder = makeDecoder(Uint8Array.from(Buffer.from(BSLZ4_WASM, 'base64')));

const envelope = readFileSync(process.argv[2]);
const headerBytes = envelope.readUInt32LE(4);
const header = JSON.parse(envelope.subarray(8, 8 + headerBytes).toString());
const [array] = header.arrays;
const start = 8 + headerBytes + array.offset;
const chunk = new Uint8Array(envelope.subarray(start, start + array.nbytes));
const itemsize = Number(array.dtype.slice(2));
const nbytes = array.shape.reduce((product, length) => product * length, itemsize);

const taken = [];
for (let turn = 0; turn < 25; turn++) {
  const begin = performance.now();
  const decoded = decoder.decode(chunk, array.stored, nbytes, itemsize);
  taken.push(performance.now() - begin);
  if (decoded.byteLength !== nbytes) {
    throw new Error(`${decoded.byteLength} bytes instead of ${nbytes}`);
  }
}
console.log(JSON.stringify({ milliseconds: Math.min(...taken) }));
