// A client for a resource of kind `llm`.

import { fromHost } from "airlock:sdk/errors";
import { text, toJson } from "airlock:sdk/text";

function encode(request) {
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    throw new TypeError("the request must be an object with `model` and `messages`");
  }
  return text(toJson(request), "the request");
}

export function llmClient(resource, host) {
  const told = async (call) => {
    try {
      return await call();
    } catch (thrown) {
      throw fromHost(resource, thrown);
    }
  };
  const complete = async (request) => {
    const asked = encode(request);
    return JSON.parse(await told(() => host.complete(asked)));
  };
  // Pieces as they come: `{ text }`, and at last `{ done }`. The completion ends with the loop, also when that is left early.
  async function* stream(request) {
    const asked = encode(request);
    const pieces = await told(() => host.completeStream(asked));
    try {
      for (;;) {
        const piece = await told(() => pieces.next());
        if (piece === null || piece === undefined) return;
        yield JSON.parse(piece);
      }
    } finally {
      try {
        pieces[Symbol.dispose]();
      } catch {
        // A call in it has not ended, because nobody waits for it: the host ends both with the function.
      }
    }
  }
  return Object.freeze({ complete, stream });
}
