// A client for a resource of kind `sql`.

import { fromHost } from "airlock:sdk/errors";

function encodeParameter(value, index) {
  if (value === undefined) throw new TypeError(`parameter ?${index + 1} is undefined: pass null for NULL`);
  if (typeof value === "bigint") return value.toString();
  return value;
}

const encodeParameters = (values) => JSON.stringify(Array.from(values, encodeParameter));

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

export function sqlClient(resource, host) {
  const query = async (statement, parameters = []) => {
    const encoded = encodeParameters(parameters);
    try {
      return decodeRows(await host.query(statement, encoded));
    } catch (thrown) {
      throw fromHost(resource, thrown);
    }
  };
  const execute = async (statement, parameters = []) => {
    const encoded = encodeParameters(parameters);
    try {
      return await host.execute(statement, encoded);
    } catch (thrown) {
      throw fromHost(resource, thrown);
    }
  };
  // Holes become bound parameters: no value is ever part of the statement's text.
  const sql = async (strings, ...values) => {
    if (!Array.isArray(strings?.raw)) {
      throw new TypeError("write sql`select ...` as a tagged template, or use query(statement, parameters)");
    }
    return query(strings.reduce((text, part, index) => `${text}?${index}${part}`), values);
  };
  return Object.freeze({ sql, query, execute });
}
