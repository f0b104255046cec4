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

export function httpClient(resource, host) {
  const request = async ({ method = "GET", path, query, headers, body }) => {
    const fields = pairs(headers, "headers");
    const call = {
      method: text(method, "the method").toUpperCase(),
      path: text(path, "the path"),
      query: pairs(query, "query"),
      headers: fields,
      body: encodeBody(body, fields),
    };
    try {
      return new Response(await host.send(call));
    } catch (thrown) {
      throw fromHost(resource, thrown);
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
    get: (path, options) => value({ ...options, method: "GET", path }),
    post: withBody("POST"),
    put: withBody("PUT"),
    patch: withBody("PATCH"),
    delete: withBody("DELETE"),
  });
}
