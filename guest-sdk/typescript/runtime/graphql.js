// A client for a resource of kind `graphql`.

import { fromHost, GraphqlError } from "airlock:sdk/errors";
import { text, toJson } from "airlock:sdk/text";

// JSON of the variables. What JSON leaves out in silence would reach the API as something else.
function encodeVariables(variables) {
  if (variables === undefined || variables === null) return "";
  if (typeof variables !== "object" || Array.isArray(variables) || variables[Symbol.iterator]) {
    throw new TypeError("variables must be an object of names and values");
  }
  for (const [name, value] of Object.entries(variables)) {
    if (typeof value === "function" || typeof value === "symbol") throw new TypeError(`the variable \`${name}\` is a ${typeof value}: pass plain data`);
    if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`the variable \`${name}\` is ${value}, which has no form in JSON`);
  }
  return toJson(variables);
}

export function graphqlClient(resource, host) {
  const ask = async (run, document, variables) => {
    const [asked, values] = [text(document, "the document"), encodeVariables(variables)];
    try {
      const { data, problems } = await run(asked, values);
      return { data: JSON.parse(data), problems };
    } catch (thrown) {
      throw fromHost(resource, thrown);
    }
  };
  // All of the data, or an error that has what there is of it.
  const whole = async (asked) => {
    const { data, problems } = await asked;
    if (problems.length > 0) throw new GraphqlError(resource, data, problems);
    return data;
  };
  const queryResult = (document, variables) => ask(host.query, document, variables);
  const mutateResult = (document, variables) => ask(host.mutate, document, variables);
  return Object.freeze({
    query: (document, variables) => whole(queryResult(document, variables)),
    mutate: (document, variables) => whole(mutateResult(document, variables)),
    queryResult,
    mutateResult,
  });
}
