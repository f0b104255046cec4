// A client for a resource of kind `blob`.

import { fromHost } from "airlock:sdk/errors";
import { decode, encode, text, toJson } from "airlock:sdk/text";

const key = (value) => text(value, "the key");

function number(value, what) {
  if (typeof value !== "number") throw new TypeError(`${what} must be a number, not ${value === null ? "null" : typeof value}`);
  return value;
}

// Bytes and the type that they have unless the caller says another. A copy: the bytes of a view can move or vanish.
function content(body) {
  if (ArrayBuffer.isView(body)) {
    return [new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(), "application/octet-stream"];
  }
  if (body instanceof ArrayBuffer) return [new Uint8Array(body).slice(), "application/octet-stream"];
  if (typeof body === "string") return [encode(body), "text/plain; charset=utf-8"];
  if (typeof body === "object" && body !== null) return [encode(toJson(body)), "application/json"];
  throw new TypeError(`the body is ${body === null ? "null" : `a ${typeof body}`}: pass text, bytes or plain data`);
}

function joined(pieces) {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

export function blobClient(resource, host) {
  const ask = async (call) => {
    try {
      return await call();
    } catch (thrown) {
      throw fromHost(resource, thrown);
    }
  };
  // Pieces from an offset on, all of one state of the object; nothing at all where there is none.
  async function* read(name, offset, length) {
    let [at, left, etag] = [offset, length, null];
    for (;;) {
      const asked = left === Infinity ? null : left;
      const piece = (await ask(() => host.get(name, at, asked))) ?? null;
      if (piece === null && etag === null) return;
      if (piece === null || (etag !== null && piece.info.etag !== etag)) {
        throw new Error(`${resource}: \`${name}\` changed while it was read: read it again`);
      }
      const bytes = Uint8Array.from(piece.bytes);
      [etag, at, left] = [piece.info.etag, at + bytes.length, left - bytes.length];
      yield bytes;
      if (bytes.length === 0 || left <= 0 || at >= piece.info.size) return;
    }
  }
  const get = async (name, range) => {
    const { offset = 0, length = Infinity } = range ?? {};
    const [wanted, from, most] = [key(name), number(offset, "the offset"), number(length, "the length")];
    const pieces = [];
    for await (const piece of read(wanted, from, most)) pieces.push(piece);
    return pieces.length === 0 ? null : joined(pieces);
  };
  async function* pieces(name) {
    let found = false;
    for await (const piece of read(key(name), 0, Infinity)) {
      found = true;
      yield piece;
    }
    if (!found) throw new Error(`${resource}: there is no \`${name}\``);
  }
  const list = async (prefix = "", cursor = null) => {
    const [begin, place] = [text(prefix, "the prefix"), cursor === null ? null : text(cursor, "the cursor")];
    const page = await ask(() => host.list(begin, place));
    return { entries: page.entries, cursor: page.cursor ?? null };
  };
  return Object.freeze({
    get,
    text: async (name) => {
      const bytes = await get(name);
      return bytes === null ? null : decode(bytes);
    },
    pieces,
    head: async (name) => {
      const wanted = key(name);
      return (await ask(() => host.head(wanted))) ?? null;
    },
    put: async (name, body, options) => {
      const wanted = key(name);
      const [bytes, usual] = content(body);
      const type = text(options?.contentType ?? usual, "the content type");
      return ask(() => host.put(wanted, type, bytes));
    },
    delete: async (name) => {
      const wanted = key(name);
      await ask(() => host.delete(wanted));
    },
    list,
    signedUrl: async (name, ttlMs) => {
      const [wanted, time] = [key(name), number(ttlMs, "ttlMs")];
      return ask(() => host.signedUrl(wanted, time));
    },
  });
}
