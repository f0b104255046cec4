// What a TypeScript function finds beside the language itself.
// `@airlock/resources` is declared per project: see `airlock bindings`.

declare module "@airlock/clients" {
  /** A value that can be bound to a parameter. Integers keep all digits within 64 bits; a larger `bigint` travels as text. */
  export type SqlParameter = string | number | bigint | boolean | null | Date;

  /** Values as JSON carries them: what a number cannot hold exactly is a string. */
  export type SqlValue = string | number | boolean | null;

  export interface SqlRows<Row> extends Array<Row> {
    /** True when a row or byte limit cut the result. */
    readonly truncated: boolean;
    readonly columns: readonly { readonly name: string; readonly databaseType: string }[];
  }

  /** What runs statements: a database, or a transaction in it. */
  export interface SqlStatements {
    /** Runs a statement that reads. Each hole becomes a bound parameter: $1, $2, .. */
    sql<Row = Record<string, any>>(statement: TemplateStringsArray, ...holes: SqlParameter[]): Promise<SqlRows<Row>>;
    /** Runs a statement that reads, with parameters for $1, $2, .. */
    query<Row = Record<string, any>>(statement: string, parameters?: readonly SqlParameter[]): Promise<SqlRows<Row>>;
    /** Runs a statement that writes; resolves to the number of rows it touched. */
    execute(statement: string, parameters?: readonly SqlParameter[]): Promise<{ rows: number }>;
  }

  export interface SqlClient extends SqlStatements {
    /**
     * Runs `work` in a transaction: commits when it returns, rolls back when it throws. A statement that the database
     * refuses ends the transaction at once. Where the function may not write, all its reads see one state.
     */
    transaction<Result>(work: (tx: SqlStatements) => Promise<Result>): Promise<Result>;
    /**
     * Runs a statement that reads and gives its rows in batches, however many there are:
     * `for await (const batch of db.stream(..))`. A batch that is `truncated` is the last, and may be empty.
     */
    stream<Row = Record<string, any>>(statement: string, parameters?: readonly SqlParameter[]): AsyncGenerator<SqlRows<Row>, void>;
  }

  export type HttpFields = Record<string, string | number | boolean | null | undefined | readonly (string | number | boolean)[]>;

  export interface HttpOptions {
    query?: HttpFields;
    headers?: HttpFields;
  }

  export interface HttpResponse {
    readonly status: number;
    /** True for 200 to 299. */
    readonly ok: boolean;
    readonly headers: readonly (readonly [string, string])[];
    readonly bytes: Uint8Array;
    header(name: string): string | null;
    text(): string;
    json(): any;
  }

  export interface HttpStream extends AsyncIterable<Uint8Array> {
    readonly status: number;
    /** True for 200 to 299. */
    readonly ok: boolean;
    readonly headers: readonly (readonly [string, string])[];
    header(name: string): string | null;
  }

  /**
   * Paths are absolute and without a query: `/customers/42`. The methods resolve to the parsed JSON body, to text where
   * the body is not JSON, or to null where there is none; a status outside 200 to 299 throws `HttpError`.
   */
  export interface HttpClient {
    get<Body = any>(path: string, options?: HttpOptions): Promise<Body>;
    post<Body = any>(path: string, body?: unknown, options?: HttpOptions): Promise<Body>;
    put<Body = any>(path: string, body?: unknown, options?: HttpOptions): Promise<Body>;
    patch<Body = any>(path: string, body?: unknown, options?: HttpOptions): Promise<Body>;
    delete<Body = any>(path: string, body?: unknown, options?: HttpOptions): Promise<Body>;
    /** Resolves to the whole response, whatever its status. */
    request(call: HttpOptions & { method?: string; path: string; body?: unknown }): Promise<HttpResponse>;
    /**
     * Bodies of any size: `body` may be an iterable of text or bytes, sent piece by piece, and the response is read with
     * `for await (const piece of response)`. Leaving the loop breaks the exchange off.
     */
    stream(call: HttpOptions & { method?: string; path: string; body?: unknown }): Promise<HttpStream>;
  }

  export interface KvOptions {
    /** Milliseconds after which the entry is gone; without them it stays. */
    ttlMs?: number;
  }

  /**
   * Keys are 1 to 512 bytes of text without control characters, and this tenant's own unless the operator shares the store.
   * Values are JSON; `undefined` and what else has no form in JSON is refused. `null` is what a missing entry reads as.
   */
  export interface KvClient {
    /** The value of an entry, or null where there is none. */
    get<Value = any>(key: string): Promise<Value | null>;
    /** Sets an entry, whatever was there, its time to live included. */
    set(key: string, value: unknown, options?: KvOptions): Promise<void>;
    /** Removes an entry; resolves to whether there was one. */
    delete(key: string): Promise<boolean>;
    /** A page of the keys that begin with `prefix`, in no promised order; `cursor` is null after the last. */
    list(prefix?: string, cursor?: string | null): Promise<{ keys: string[]; cursor: string | null }>;
    /** Every key that begins with `prefix`, page by page. A key may come twice where others come and go meanwhile. */
    keys(prefix?: string): AsyncIterableIterator<string>;
    /** Adds to a whole number and resolves to the sum; a missing entry counts as 0. `ttlMs` is for a new entry. */
    increment(key: string, by?: number, options?: KvOptions): Promise<number>;
    /** Sets an entry if its JSON is that of `expected` (null: if there is none); resolves to whether it did. */
    compareAndSet(key: string, expected: unknown, value: unknown, options?: KvOptions): Promise<boolean>;
    /** As `get` and `set`, with the text itself and no JSON. */
    getText(key: string): Promise<string | null>;
    setText(key: string, value: string, options?: KvOptions): Promise<void>;
  }

  export interface BlobInfo {
    /** All of the object, in bytes. */
    readonly size: number;
    readonly contentType: string;
    /** Changes with the content. Opaque. */
    readonly etag: string;
  }

  /**
   * Keys are 1 to 512 bytes of text without control characters and `\`; their parts between `/` are not empty, `.` or `..`.
   * An object is read in pieces of at most 1 MiB: `get` and `text` ask for all of them, so the object has to fit in memory.
   */
  export interface BlobClient {
    /** All bytes of an object, or null where there is none. `range` is for a part of it. */
    get(key: string, range?: { offset?: number; length?: number }): Promise<Uint8Array | null>;
    /** An object as UTF-8 text, or null where there is none. */
    text(key: string): Promise<string | null>;
    /** An object piece by piece, for what does not fit in memory. Throws where there is none or it changes meanwhile. */
    pieces(key: string): AsyncIterableIterator<Uint8Array>;
    /** What is known of an object, or null where there is none. */
    head(key: string): Promise<BlobInfo | null>;
    /** Stores bytes, text or plain data as JSON, whatever was there; resolves to the etag. */
    put(key: string, body: string | ArrayBuffer | ArrayBufferView | object, options?: { contentType?: string }): Promise<string>;
    /** Removes an object. It is no error if there is none. */
    delete(key: string): Promise<void>;
    /** A page of the objects whose keys begin with `prefix`; `cursor` is null after the last. */
    list(prefix?: string, cursor?: string | null): Promise<{ entries: { key: string; size: number }[]; cursor: string | null }>;
    /** A URL that reads the object without a token, where the operator allows it. */
    signedUrl(key: string, ttlMs: number): Promise<string>;
  }
}

declare module "@airlock/clients" {
  /** Why a part of the data of a GraphQL answer is missing. */
  export interface GraphqlProblem {
    readonly message: string;
    /** What the API has in `extensions.code`; empty for nothing. */
    readonly code: string;
    /** Names and positions from the root of the data, joined by `.`; empty for nothing. */
    readonly path: string;
  }

  /**
   * A document has exactly one operation, and its values travel as variables. `query` and `mutate` resolve to the data, and
   * throw `GraphqlError` where a part of it is missing; an answer without data throws `HostError` of kind `backend`.
   */
  export interface GraphqlClient {
    query<Data = any>(document: string, variables?: Record<string, unknown>): Promise<Data>;
    mutate<Data = any>(document: string, variables?: Record<string, unknown>): Promise<Data>;
    /** As `query` and `mutate`, for those who can do with a part. */
    queryResult<Data = any>(document: string, variables?: Record<string, unknown>): Promise<{ data: Data; problems: GraphqlProblem[] }>;
    mutateResult<Data = any>(document: string, variables?: Record<string, unknown>): Promise<{ data: Data; problems: GraphqlProblem[] }>;
  }
}

declare module "@airlock/clients" {
  /** What the model asks the function to do. The host never does it. */
  export interface LlmToolCall {
    id: string;
    name: string;
    /** By the tool's schema, or so the model was told: a text where the model wrote no JSON. */
    arguments: any;
  }

  export type LlmMessage =
    | { role: "user"; content: string }
    | { role: "assistant"; content?: string; tool_calls?: LlmToolCall[] }
    | { role: "tool"; tool_call_id: string; content: string };

  /** The same for every provider. */
  export interface LlmRequest {
    /** One of the models that the operator lists. */
    model: string;
    system?: string;
    messages: LlmMessage[];
    tools?: { name: string; description?: string; parameters: object }[];
    tool_choice?: "auto" | "none" | "required";
    /** Most tokens of the completion; as many as the operator allows when missing. */
    max_tokens?: number;
    temperature?: number;
    stop?: string[];
  }

  export interface LlmCompletion {
    text: string;
    tool_calls: LlmToolCall[];
    finish: "stop" | "length" | "tool_calls";
    model: string;
    usage: { input_tokens: number; output_tokens: number };
  }

  export interface LlmClient {
    /** Waits for the whole completion. */
    complete(request: LlmRequest): Promise<LlmCompletion>;
    /** The completion as it is made: more text, and at last all of it. Ends with the loop over it. */
    stream(request: LlmRequest): AsyncGenerator<{ text: string; done?: undefined } | { done: LlmCompletion; text?: undefined }, void>;
  }
}

declare module "@airlock/errors" {
  /** A host call that failed: refused, out of budget, or failed behind the host. */
  export class HostError extends Error {
    readonly kind: "denied" | "limit" | "timeout" | "unavailable" | "bad_request" | "backend";
    /** The resource that was called. */
    readonly resource: string;
    /** `denied`: stable name of the reason. */
    readonly reason?: string;
    /** `denied`: the rule that decided, and where it is written. */
    readonly rule?: string;
    /** `denied`, `limit`: what can be done about it. */
    readonly hint?: string;
    /** `limit`: its name, the value in force and what the call would have brought it to. */
    readonly limit?: string;
    readonly configured?: number;
    readonly used?: number;
    /** `backend`: the backend's own code. */
    readonly code?: string;
  }

  /** An HTTP API answered with a status outside 200 to 299. */
  export class HttpError extends Error {
    readonly resource: string;
    readonly status: number;
    readonly body: any;
  }

  /** A GraphQL API answered with a part of the data. */
  export class GraphqlError extends Error {
    readonly resource: string;
    readonly data: any;
    readonly problems: readonly { readonly message: string; readonly code: string; readonly path: string }[];
    /** That of the first problem that has one. */
    readonly code: string;
  }

  /** An error the function declares: the caller gets code, message and details as they are. */
  export class FunctionError extends Error {
    constructor(code: string, message: string, details?: unknown);
    readonly code: string;
    readonly details: unknown;
  }
}

declare module "@airlock/soql" {
  export type SoqlValue = string | number | bigint | boolean | Date | SoqlDay | null;
  /** A day without a time: only `soql.date` makes one. */
  export interface SoqlDay {
    readonly text: string;
  }
  export const soql: {
    /** A query with its values written as SOQL wants them: texts quoted and escaped, arrays as lists for IN. */
    (query: TemplateStringsArray, ...holes: (SoqlValue | readonly SoqlValue[])[]): string;
    /** A day such as `2026-01-31`. */
    date(day: string): SoqlDay;
  };
}

declare module "@airlock/context" {
  export interface Invocation {
    readonly id: string;
    readonly function: string;
    readonly revision: string;
    readonly environment: string;
    readonly tenant: string;
    readonly principal: string;
    /** Milliseconds since 1970 at which this invocation is stopped. */
    readonly deadlineUnixMs: number;
  }

  export const context: {
    current(): Invocation;
    /** Milliseconds until this invocation is stopped. */
    remainingMs(): number;
  };
}

/** Each call is one structured log line. A plain object behind a text becomes its fields. */
declare const console: Record<"trace" | "debug" | "log" | "info" | "warn" | "error", (...values: unknown[]) => void>;

declare const crypto: {
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): string;
};

declare class TextEncoder {
  readonly encoding: string;
  encode(text?: string): Uint8Array;
}

declare class TextDecoder {
  constructor(label?: string);
  readonly encoding: string;
  decode(bytes?: ArrayBuffer | ArrayBufferView): string;
}

interface FetchResponse {
  readonly url: string;
  readonly status: number;
  /** True for 200 to 299. */
  readonly ok: boolean;
  readonly headers: Iterable<readonly [string, string]> & { get(name: string): string | null; has(name: string): boolean };
  text(): Promise<string>;
  json(): Promise<any>;
  bytes(): Promise<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

/**
 * A request through the resource of kind `http` that covers the URL; what none covers is a `HostError` of kind `denied` that names
 * the rule. The host decides about credentials and redirects.
 */
declare function fetch(
  url: string | { toString(): string },
  options?: { method?: string; headers?: Record<string, string> | Iterable<readonly [string, string]>; body?: unknown },
): Promise<FetchResponse>;
