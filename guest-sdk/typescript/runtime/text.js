// Text on its way to the host, and UTF-8 in both directions: the engine has no TextEncoder and no TextDecoder.

const REPLACEMENT = 0xfffd;
// String.fromCharCode takes its characters as arguments, and the engine bounds how many there may be.
const CHUNK = 4096;

// What the host takes as text. Half a surrogate pair has no UTF-8: it becomes U+FFFD, as it does in browsers.
export const wellFormed = (value) => String(value).toWellFormed();

// An argument that must be text. A mistake of the program is an exception that it can see, not the end of the call.
export function text(value, what) {
  if (typeof value !== "string") {
    throw new TypeError(`${what} must be a string, not ${value === null ? "null" : typeof value}`);
  }
  return value.toWellFormed();
}

// JSON of any value. `JSON.stringify` writes half a surrogate pair as an escape that strict readers refuse.
export function toJson(value, replacer) {
  const json = JSON.stringify(value, replacer) ?? "null";
  return json.includes("\\ud") ? json.replace(/(?<!\\)((?:\\\\)*)\\ud[89a-f][0-9a-f]{2}/g, "$1\\ufffd") : json;
}

export function encode(text) {
  const out = new Uint8Array(text.length * 3);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    let code = text.charCodeAt(index);
    if (code < 0x80) {
      out[length++] = code;
      continue;
    }
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 ? text.charCodeAt(index + 1) : NaN;
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        index++;
      } else {
        code = REPLACEMENT;
      }
    }
    if (code < 0x800) {
      out[length++] = 0xc0 | (code >> 6);
    } else {
      if (code < 0x10000) {
        out[length++] = 0xe0 | (code >> 12);
      } else {
        out[length++] = 0xf0 | (code >> 18);
        out[length++] = 0x80 | ((code >> 12) & 0x3f);
      }
      out[length++] = 0x80 | ((code >> 6) & 0x3f);
    }
    out[length++] = 0x80 | (code & 0x3f);
  }
  return out.slice(0, length);
}

// The code point at `index` and the bytes it takes; malformed input gives U+FFFD for the longest valid prefix.
function codePoint(bytes, index) {
  const first = bytes[index];
  const length = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return [REPLACEMENT, 1];
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  let code = first & (0xff >> (length + 1));
  for (let offset = 1; offset < length; offset++) {
    const next = bytes[index + offset];
    const legal = offset === 1 ? next >= lowest && next <= highest : next >= 0x80 && next <= 0xbf;
    if (!legal) return [REPLACEMENT, offset];
    code = (code << 6) | (next & 0x3f);
  }
  return [code, length];
}

export function decode(bytes) {
  let text = "";
  let units = [];
  for (let index = 0; index < bytes.length; ) {
    if (bytes[index] < 0x80) {
      units.push(bytes[index++]);
    } else {
      const [code, length] = codePoint(bytes, index);
      index += length;
      if (code < 0x10000) units.push(code);
      else units.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
    if (units.length >= CHUNK) {
      text += String.fromCharCode.apply(null, units);
      units = [];
    }
  }
  return text + String.fromCharCode.apply(null, units);
}

globalThis.TextEncoder = class TextEncoder {
  get encoding() {
    return "utf-8";
  }
  encode(text = "") {
    return encode(String(text));
  }
};

globalThis.TextDecoder = class TextDecoder {
  constructor(label = "utf-8") {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`the encoding \`${label}\` is not supported: use utf-8`);
  }
  get encoding() {
    return "utf-8";
  }
  decode(bytes = new Uint8Array()) {
    const view = ArrayBuffer.isView(bytes)
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : new Uint8Array(bytes);
    const mark = view[0] === 0xef && view[1] === 0xbb && view[2] === 0xbf;
    return decode(mark ? view.subarray(3) : view);
  }
};
