// Queries for Salesforce: constant text with values in its holes, each written as SOQL wants it.

import { wellFormed } from "airlock:sdk/text";

const ESCAPES = { "\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f" };
const LIST_MAX = 2000;

// Text that is not a value: only `soql.date` makes one.
class Written {
  constructor(text) {
    this.text = text;
  }
}

function quote(value) {
  const clean = wellFormed(value);
  if (clean.includes("\0")) throw new TypeError("a text for SOQL has no NUL character");
  return `'${clean.replace(/[\\'"\n\r\t\b\f]/g, (character) => ESCAPES[character])}'`;
}

function literal(value, index) {
  const refuse = (what) => {
    throw new TypeError(`the value in hole ${index + 1} is ${what}: pass text, a number, a boolean, a Date, soql.date, null or an array of those`);
  };
  if (value === null) return "null";
  if (value instanceof Written) return value.text;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? refuse("an invalid Date") : value.toISOString();
  if (Array.isArray(value)) {
    if (value.length === 0 || value.length > LIST_MAX) return refuse(`an array of ${value.length}, which has no form in SOQL`);
    return `(${value.map((one) => (Array.isArray(one) ? refuse("an array in an array") : literal(one, index))).join(", ")})`;
  }
  switch (typeof value) {
    case "string":
      return quote(value);
    case "boolean":
    case "bigint":
      return String(value);
    case "number":
      return /^-?\d+(\.\d+)?$/.test(String(value)) ? String(value) : refuse(`${value}, which has no form in SOQL`);
    default:
      return refuse(`a ${typeof value}`);
  }
}

export function soql(strings, ...values) {
  if (!Array.isArray(strings?.raw)) throw new TypeError("write soql`SELECT .. WHERE Name = ${name}` as a tagged template");
  // A hole within quotes would end them.
  const quotes = strings.map((part) => (part.replace(/\\./gs, "").match(/'/g) ?? []).length % 2);
  if (quotes.slice(0, -1).some((odd) => odd === 1)) throw new TypeError("leave out the quotes around a hole: soql writes them");
  return strings.reduce((text, part, index) => text + literal(values[index - 1], index - 1) + part);
}

// A day without a time, `2026-01-31`.
soql.date = (day) => {
  if (typeof day !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(day)) throw new TypeError("write a day as 2026-01-31");
  return new Written(day);
};
Object.freeze(soql);
