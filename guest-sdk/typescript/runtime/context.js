// Facts about the running invocation.

import host from "airlock:guest/context@1.0.0";

export const context = {
  current: () => host.current(),
  // Milliseconds until the host stops this invocation.
  remainingMs: () => Math.max(0, host.current().deadlineUnixMs - Date.now()),
};
