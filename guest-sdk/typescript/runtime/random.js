// Randomness that differs between instances.
//
// The snapshot freezes the engine's own generator, so every instance would repeat the same numbers. This one takes its
// seed from the host at the first use of each instance.

import host from "wasi:random/random@0.2.0";

// As in browsers (Web Cryptography Level 2, section 10.1.1); the host refuses more.
const RANDOM_BYTES_MAX = 65536;

let state = null;

// Forgets a seed that was drawn at build time.
export function reseed() {
  state = null;
}

// xoshiro128**: D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators", 2018.
function next() {
  state ??= new Uint32Array(Uint8Array.from(host.getRandomBytes(16)).buffer);
  const product = Math.imul(state[1], 5);
  const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
  const shifted = state[1] << 9;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = (state[3] << 11) | (state[3] >>> 21);
  return result;
}

Object.defineProperty(Math, "random", {
  value: () => ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000,
  writable: true,
  configurable: true,
});

globalThis.crypto = {
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array)) throw new TypeError("getRandomValues fills a typed array");
    if (array.byteLength > RANDOM_BYTES_MAX) throw new RangeError(`ask for at most ${RANDOM_BYTES_MAX} random bytes at once`);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    bytes.set(host.getRandomBytes(bytes.length));
    return array;
  },
  randomUUID() {
    const bytes = Uint8Array.from(host.getRandomBytes(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const text = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return text.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  },
};
