// `fetch`: a request through the resource of kind `http` that covers the URL. There is no other way out.

import "@airlock/resources";
import { HostError } from "airlock:sdk/errors";
import { clients } from "airlock:sdk/http";
import { decode } from "airlock:sdk/text";

const FIX = "declare a resource of kind `http` in function.toml whose binding covers the URL";

async function covering(url) {
  if (clients.length === 0) {
    const val = { reason: "egress_denied", rule: "the function has no resource of kind `http`", hint: FIX };
    throw new HostError("fetch", { tag: "denied", val });
  }
  if (clients.length === 1) return clients[0];
  for (const client of clients) {
    if (await client.covers(url)) return client;
  }
  // The host says which rule refuses, and has it on record.
  return clients[0];
}

// Names and values in any of the forms that `fetch` knows, as an object.
function fields(headers) {
  if (headers === undefined || headers === null) return {};
  const entries = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  const found = {};
  for (const [name, value] of entries) (found[name] ??= []).push(String(value));
  return found;
}

class FetchHeaders {
  #entries;
  constructor(entries) {
    this.#entries = entries;
  }
  get(name) {
    const wanted = String(name).toLowerCase();
    const values = this.#entries.filter(([candidate]) => candidate.toLowerCase() === wanted).map(([, value]) => value);
    return values.length === 0 ? null : values.join(", ");
  }
  has(name) {
    return this.get(name) !== null;
  }
  [Symbol.iterator]() {
    return this.#entries[Symbol.iterator]();
  }
}

class FetchResponse {
  #bytes;
  constructor(url, response) {
    this.url = url;
    this.status = response.status;
    this.ok = response.ok;
    this.headers = new FetchHeaders(response.headers);
    this.#bytes = response.bytes;
  }
  async bytes() {
    return this.#bytes.slice();
  }
  async arrayBuffer() {
    return this.#bytes.slice().buffer;
  }
  async text() {
    return decode(this.#bytes);
  }
  async json() {
    return JSON.parse(decode(this.#bytes));
  }
}

async function fetch(target, { method = "GET", headers, body } = {}) {
  const url = String(target);
  const client = await covering(url);
  return new FetchResponse(url, await client.request({ method, path: url, headers: fields(headers), body }));
}

Object.defineProperty(globalThis, "fetch", { value: fetch, writable: true, configurable: true });
