// A client for a resource of kind `kv`.

import { fromHost } from "airlock:sdk/errors";
import { text, toJson } from "airlock:sdk/text";

const key = (value) => text(value, "the key");

// JSON of a value. What JSON leaves out in silence would read back as something else.
function encode(value) {
  if (value === undefined || typeof value === "function" || typeof value === "symbol") {
    throw new TypeError(`the value is ${value === undefined ? "undefined" : `a ${typeof value}`}: pass null, text, a number, a boolean or plain data`);
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`the value is ${value}, which has no form in JSON`);
  return toJson(value);
}

function number(value, what) {
  if (typeof value !== "number") throw new TypeError(`${what} must be a number, not ${value === null ? "null" : typeof value}`);
  return value;
}

const ttl = (options) => {
  const { ttlMs } = options ?? {};
  return ttlMs === undefined || ttlMs === null ? null : number(ttlMs, "ttlMs");
};

export function kvClient(resource, host) {
  const ask = async (call) => {
    try {
      return await call();
    } catch (thrown) {
      throw fromHost(resource, thrown);
    }
  };
  const getText = async (name) => {
    const wanted = key(name);
    return (await ask(() => host.get(wanted))) ?? null;
  };
  const get = async (name) => {
    const found = await getText(name);
    return found === null ? null : JSON.parse(found);
  };
  const setText = async (name, value, options) => {
    const [wanted, content, time] = [key(name), text(value, "the value"), ttl(options)];
    await ask(() => host.set(wanted, content, time));
  };
  const list = async (prefix = "", cursor = null) => {
    const [begin, place] = [text(prefix, "the prefix"), cursor === null ? null : text(cursor, "the cursor")];
    const page = await ask(() => host.list(begin, place));
    return { keys: page.keys, cursor: page.cursor ?? null };
  };
  async function* keys(prefix) {
    let page = { cursor: null };
    do {
      page = await list(prefix, page.cursor);
      yield* page.keys;
    } while (page.cursor !== null);
  }
  const increment = async (name, by = 1, options) => {
    const [wanted, added, time] = [key(name), number(by, "the number to add"), ttl(options)];
    return ask(() => host.increment(wanted, added, time));
  };
  const compareAndSet = async (name, expected, value, options) => {
    const believed = expected === null || expected === undefined ? null : encode(expected);
    const [wanted, content, time] = [key(name), encode(value), ttl(options)];
    return ask(() => host.compareAndSet(wanted, believed, content, time));
  };
  return Object.freeze({
    get,
    getText,
    set: async (name, value, options) => setText(name, encode(value), options),
    setText,
    delete: async (name) => {
      const wanted = key(name);
      return ask(() => host.delete(wanted));
    },
    list,
    keys,
    increment,
    compareAndSet,
  });
}
