// `console` writes structured log lines of the invocation.

import log from "airlock:guest/log@1.0.0";
import { toJson, wellFormed } from "airlock:sdk/text";

function show(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.stack ? `${value.name}: ${value.message}\n${value.stack}` : String(value);
  if (typeof value === "object" && value !== null) {
    try {
      return toJson(value, (_, inner) => (typeof inner === "bigint" ? String(inner) : inner));
    } catch {
      return Object.prototype.toString.call(value);
    }
  }
  return String(value);
}

const isRecord = (value) =>
  typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));

// A plain object behind a text becomes the fields of the line: `console.log("loaded", { rows: 3 })`.
function write(level, values) {
  const last = values.at(-1);
  const structured = values.length > 1 && typeof values[0] === "string" && isRecord(last);
  const shown = structured ? values.slice(0, -1) : values;
  log.write(level, wellFormed(shown.map(show).join(" ")), structured ? show(last) : "");
}

globalThis.console = {
  trace: (...values) => write("trace", values),
  debug: (...values) => write("debug", values),
  log: (...values) => write("info", values),
  info: (...values) => write("info", values),
  warn: (...values) => write("warn", values),
  error: (...values) => write("error", values),
};
