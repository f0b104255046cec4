// A client for a resource of kind `http`.

import { fromHost, HttpError } from "airlock:sdk/errors";
import { decode, encode, text, toJson, wellFormed } from "airlock:sdk/text";

// `{ name: value }` or `{ name: [value, value] }` as pairs.
function pairs(record, what) {
  if (record === undefined || record === null) return [];
  // A Map, an array of pairs or a text would be taken apart into something else.
  if (typeof record !== "object" || record[Symbol.iterator]) throw new TypeError(`${what} must be an object of names and values`);
  const entries = [];
  for (const [name, value] of Object.entries(record)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === undefined || one === null) continue;
      if (!["string", "number", "bigint", "boolean"].includes(typeof one)) {
        throw new TypeError(`${what}: \`${name}\` must be text, a number or a boolean, not a ${typeof one}`);
      }
      entries.push([wellFormed(name), wellFormed(one)]);
    }
  }
  return entries;
}

function encodeBody(body, headers) {
  if (body === undefined || body === null) return null;
  // A copy: the bytes of a view can move or vanish. That of a detached buffer throws here.
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice();
  if (body instanceof ArrayBuffer) return new Uint8Array(body).slice();
  const [content, type] = typeof body === "string" ? [body, "text/plain; charset=utf-8"] : [toJson(body), "application/json"];
  if (content === "null" && typeof body !== "string") throw new TypeError("the body has no form in JSON: pass text, bytes or plain data");
  if (!headers.some(([name]) => name.toLowerCase() === "content-type")) headers.push(["content-type", type]);
  return encode(content);
}

class Response {
  constructor(raw) {
    this.status = raw.status;
    this.ok = raw.status >= 200 && raw.status <= 299;
    this.headers = raw.headers;
    this.bytes = Uint8Array.from(raw.body);
  }
  header(name) {
    const wanted = name.toLowerCase();
    return this.headers.find(([candidate]) => candidate.toLowerCase() === wanted)?.[1] ?? null;
  }
  text() {
    return decode(this.bytes);
  }
  json() {
    return JSON.parse(this.text());
  }
  // Parsed JSON where the body is JSON, text where it is not, null where there is none.
  value() {
    if (this.bytes.length === 0) return null;
    const type = this.header("content-type");
    const content = this.text();
    if (type !== null && !/[/+]json\b/i.test(type)) return content;
    try {
      return JSON.parse(content);
    } catch (error) {
      if (type !== null) throw error;
      return content;
    }
  }
}

// A request as the host takes it.
function prepared({ method = "GET", path, query, headers, body }) {
  const fields = pairs(headers, "headers");
  return {
    method: text(method, "the method").toUpperCase(),
    path: text(path, "the path"),
    query: pairs(query, "query"),
    headers: fields,
    body: encodeBody(body, fields),
  };
}

// A host call whose failure is one of this SDK's errors.
async function told(resource, call) {
  try {
    return await call();
  } catch (thrown) {
    throw fromHost(resource, thrown);
  }
}

const comesInPieces = (body) =>
  typeof body === "object" && body !== null && !ArrayBuffer.isView(body) && !Array.isArray(body) &&
  typeof (body[Symbol.asyncIterator] ?? body[Symbol.iterator]) === "function";

// Breaks an exchange off without waiting for the engine to find out that nobody has it.
function letGo(exchange) {
  try {
    exchange[Symbol.dispose]();
  } catch {
    // A call in it has not ended, because nobody waits for it: the host ends both with the function.
  }
}

// The response of an exchange. It is read once, and broken off when the loop over it is left early.
class Stream {
  #resource;
  #exchange;
  constructor(resource, exchange, head) {
    this.status = head.status;
    this.ok = head.status >= 200 && head.status <= 299;
    this.headers = head.headers;
    this.#resource = resource;
    this.#exchange = exchange;
  }
  header(name) {
    return Response.prototype.header.call(this, name);
  }
  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        const piece = await told(this.#resource, () => this.#exchange.next());
        if (piece === null) return;
        yield Uint8Array.from(piece);
      }
    } finally {
      letGo(this.#exchange);
    }
  }
}

// Every client of this function, for `fetch`.
export const clients = [];

export function httpClient(resource, host) {
  const request = async (call) => {
    const raw = prepared(call);
    return new Response(await told(resource, () => host.send(raw)));
  };
  const covers = (url) => told(resource, () => host.covers(text(url, "the URL")));
  clients.push({ resource, request, covers });
  // Bodies of any size: what is an iterable of text or bytes is sent piece by piece, and the response is read the same way.
  const stream = async ({ body, ...call }) => {
    const pieces = comesInPieces(body) ? body : null;
    const raw = prepared({ ...call, body: pieces === null ? body : null });
    const exchange = await told(resource, () => host.open(raw));
    try {
      if (pieces !== null) {
        for await (const piece of pieces) {
          const bytes = encodeBody(piece, [["content-type", ""]]);
          if (bytes !== null) await told(resource, () => exchange.write(bytes));
        }
      }
      return new Stream(resource, exchange, await told(resource, () => exchange.response()));
    } catch (thrown) {
      letGo(exchange);
      throw thrown;
    }
  };
  const value = async (call) => {
    const response = await request(call);
    if (!response.ok) throw new HttpError(resource, response.status, response.value());
    return response.value();
  };
  const withBody = (method) => (path, body, options) => value({ ...options, method, path, body });
  return Object.freeze({
    request,
    stream,
    get: (path, options) => value({ ...options, method: "GET", path }),
    post: withBody("POST"),
    put: withBody("PUT"),
    patch: withBody("PATCH"),
    delete: withBody("DELETE"),
  });
}
