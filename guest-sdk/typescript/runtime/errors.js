// What a function can catch, and what it can throw on purpose.

const TEXTS = {
  denied: (f) => `denied by ${f.rule}: ${f.hint}`,
  limit: (f) => `the limit \`${f.limit}\` of ${f.configured} is reached: ${f.hint}`,
  backend: (f) => f.message,
};

// A host call that failed. `kind` is `denied`, `limit`, `timeout`, `unavailable`, `bad_request` or `backend`.
export class HostError extends Error {
  constructor(resource, failure) {
    const kind = failure.tag.replaceAll("-", "_");
    const fields = typeof failure.val === "object" && failure.val !== null ? failure.val : { message: String(failure.val) };
    super(`${resource}: ${(TEXTS[kind] ?? ((f) => f.message))(fields)}`);
    const { message: _, ...rest } = fields;
    Object.assign(this, { kind, resource }, rest);
  }
}
Object.defineProperty(HostError.prototype, "name", { value: "HostError" });

// An HTTP API answered with a status outside 200 to 299.
export class HttpError extends Error {
  constructor(resource, status, body) {
    super(`${resource} answered with status ${status}`);
    Object.assign(this, { resource, status, body, code: "http_error" });
  }
}
Object.defineProperty(HttpError.prototype, "name", { value: "HttpError" });

// A GraphQL API answered with a part of the data. `code` is that of the first problem that has one.
export class GraphqlError extends Error {
  constructor(resource, data, problems) {
    super(`${resource}: ${problems.map((one) => one.message).join("; ")}`);
    Object.assign(this, { resource, data, problems, code: problems.find((one) => one.code !== "")?.code ?? "GRAPHQL_ERROR" });
  }
}
Object.defineProperty(GraphqlError.prototype, "name", { value: "GraphqlError" });

// An error the function declares: the caller gets code, message and details as they are.
export class FunctionError extends Error {
  constructor(code, message, details = null) {
    super(message);
    Object.assign(this, { code, details });
  }
}
Object.defineProperty(FunctionError.prototype, "name", { value: "FunctionError" });

// The value a failed import throws, as an error of this module. Anything else passes unchanged.
export function fromHost(resource, thrown) {
  const failure = thrown?.payload ?? thrown;
  return typeof failure?.tag === "string" && !(failure instanceof Error) ? new HostError(resource, failure) : thrown;
}
