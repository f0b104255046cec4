// The export of the component: JSON text in, JSON text out, every exception told as a `function-error`.

import { FunctionError, HostError } from "airlock:sdk/errors";
import { reseed } from "airlock:sdk/random";
import { translate } from "airlock:sdk/stack";
import { toJson, wellFormed } from "airlock:sdk/text";

const isCode = (code) => typeof code === "string" && code.length > 0;

function describe(thrown) {
  if (!(thrown instanceof Error)) {
    return { code: "exception", message: String(thrown), details: { thrown } };
  }
  const { name, message } = thrown;
  const stack = translate(thrown.stack);
  if (thrown instanceof HostError) {
    return { code: `host_error.${thrown.kind}`, message, details: { name, stack, ...thrown } };
  }
  if (thrown instanceof FunctionError) {
    return { code: thrown.code, message, details: thrown.details };
  }
  return { code: isCode(thrown.code) ? thrown.code : "exception", message, details: { name, stack, ...thrown } };
}

// What a thrown value says about itself may throw again: a getter, a proxy, an object that is no text.
function attempt(make, instead) {
  try {
    return make();
  } catch {
    return instead;
  }
}

function functionError(thrown) {
  const unreadable = { code: "exception", message: "the function threw a value that cannot be read", details: null };
  const { code, message, details } = attempt(() => describe(thrown), unreadable);
  return {
    code: attempt(() => wellFormed(code), unreadable.code),
    message: attempt(() => wellFormed(message), unreadable.message),
    // Details that are not JSON, such as a cycle, must not hide the error itself.
    details: attempt(() => toJson(details), "null"),
  };
}

export function serve(handle) {
  if (typeof handle !== "function") {
    throw new TypeError("the default export of the entry file is not a function: write `export default async function handle(input) { .. }`");
  }
  return {
    async handle(input) {
      reseed();
      try {
        return toJson(await handle(input === "" ? undefined : JSON.parse(input)));
      } catch (thrown) {
        throw functionError(thrown);
      }
    },
  };
}
