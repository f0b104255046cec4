// A client for a resource of kind `sql`.

import { fromHost } from "airlock:sdk/errors";
import { text, toJson } from "airlock:sdk/text";

const INT64_MAX = 0x7fffffffffffffffn;
const isInt64 = (value) => value >= -INT64_MAX - 1n && value <= INT64_MAX;

const KNOWN = "pass text, a number, a boolean, a Date or null";

// JSON of one parameter. What JSON would turn into `null` or another number in silence is refused, and integers keep all
// their digits.
function encodeParameter(given, index) {
  const refuse = (what, advice) => {
    throw new TypeError(`parameter ${index + 1} is ${what}: ${advice}`);
  };
  const boxed = given instanceof Number || given instanceof String || given instanceof Boolean;
  const value = boxed ? given.valueOf() : given;
  switch (typeof value) {
    case "undefined":
      return refuse("undefined", "pass null for NULL");
    case "string":
    case "boolean":
      return toJson(value);
    case "bigint":
      return isInt64(value) ? value.toString() : `"${value}"`;
    case "number":
      if (!Number.isFinite(value)) return refuse(String(value), "it has no form in SQL; pass null for NULL");
      // From 2^53 on, JSON.stringify rounds the digits that it writes.
      return Number.isInteger(value) && !Number.isSafeInteger(value) && isInt64(BigInt(value))
        ? BigInt(value).toString()
        : toJson(value);
    case "object":
      if (value === null) return "null";
      if (typeof value.$bytes === "string") return toJson({ $bytes: value.$bytes });
      if (!(value instanceof Date)) return refuse("an object", `${KNOWN}, or JSON as text`);
      if (Number.isNaN(value.getTime())) return refuse("an invalid Date", "pass null for NULL");
      return toJson(value.toISOString());
    default:
      return refuse(`a ${typeof value}`, KNOWN);
  }
}

function encodeParameters(values) {
  if (typeof values?.[Symbol.iterator] !== "function" || typeof values === "string") {
    throw new TypeError("parameters must be an array, one value for each placeholder");
  }
  return `[${Array.from(values, encodeParameter).join(",")}]`;
}

// Rows as objects. `truncated` and `columns` do not show up when the array is printed or iterated.
function decodeRows(result) {
  const names = result.columns.map((column) => column.name);
  const rows = JSON.parse(result.rows).map((values) => {
    const row = {};
    for (let index = 0; index < names.length; index++) row[names[index]] = values[index];
    return row;
  });
  Object.defineProperty(rows, "truncated", { value: result.truncated });
  Object.defineProperty(rows, "columns", { value: result.columns });
  return rows;
}

// The statements of a database or of a transaction in it: `host` has `query` and `execute`.
function statements(resource, host) {
  const query = async (statement, parameters = []) => {
    const asked = text(statement, "the statement");
    const encoded = encodeParameters(parameters);
    return decodeRows(await told(resource, () => host.query(asked, encoded)));
  };
  const execute = async (statement, parameters = []) => {
    const asked = text(statement, "the statement");
    const encoded = encodeParameters(parameters);
    return told(resource, () => host.execute(asked, encoded));
  };
  // Holes become bound parameters: no value is ever part of the statement's text. PostgreSQL and SQLite both take $1, $2, ..
  const sql = async (strings, ...values) => {
    if (!Array.isArray(strings?.raw)) {
      throw new TypeError("write sql`select ...` as a tagged template, or use query(statement, parameters)");
    }
    return query(strings.reduce((text, part, index) => `${text}$${index}${part}`), values);
  };
  return { sql, query, execute };
}

// A host call whose failure is one of this SDK's errors.
async function told(resource, call) {
  try {
    return await call();
  } catch (thrown) {
    throw fromHost(resource, thrown);
  }
}

// Gives a transaction or a query back without waiting for the engine to find out that nobody has it.
function letGo(kept) {
  try {
    kept[Symbol.dispose]();
  } catch {
    // A call in it has not ended, because nobody waits for it: the host ends both with the function.
  }
}

// Runs the work of a transaction. What went wrong in it is what the caller has to hear, whatever comes of rolling back: where
// the database has ended the transaction already, that is refused.
async function attempt(opened, work, resource) {
  try {
    return await work(Object.freeze(statements(resource, opened)));
  } catch (thrown) {
    await opened.rollback().catch(() => {});
    throw thrown;
  }
}

export function sqlClient(resource, host) {
  // Commits what `work` did when it returns, and undoes it when it throws.
  const transaction = async (work) => {
    if (typeof work !== "function") throw new TypeError("write transaction(async (tx) => { .. })");
    const opened = await told(resource, () => host.begin());
    try {
      const result = await attempt(opened, work, resource);
      await told(resource, () => opened.commit());
      return result;
    } finally {
      letGo(opened);
    }
  };
  // Rows in batches, for results of any size. The query ends with the loop over them, also when that is left early.
  async function* stream(statement, parameters = []) {
    const asked = text(statement, "the statement");
    const encoded = encodeParameters(parameters);
    const batches = await told(resource, () => host.queryStream(asked, encoded));
    try {
      for (;;) {
        const batch = await told(resource, () => batches.next());
        if (batch === null) return;
        yield decodeRows(batch);
      }
    } finally {
      letGo(batches);
    }
  }
  return Object.freeze({ ...statements(resource, host), transaction, stream });
}
