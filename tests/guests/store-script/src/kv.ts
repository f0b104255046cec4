import { cache } from "@airlock/resources";
import { refusal } from "./refusal.ts";

export async function kv(seen: Record<string, unknown>) {
  const order = { id: 7, note: "grüße 漢字 \u0000", nested: [1, null, true] };
  seen.missing = await cache.get("missing");
  await cache.set("order", order);
  seen.order = await cache.get("order");
  seen.text = await cache.getText("order");
  await cache.setText("plain", "not JSON");
  seen.plain = await cache.getText("plain");
  seen.notJson = await refusal(() => cache.get("plain"));
  await cache.set("null", null);
  seen.null = [await cache.get("null"), await cache.getText("null")];
  await cache.set("brief", 1, { ttlMs: 1 });
  // A loop and no timer: the engine has none.
  while ((await cache.get("brief")) !== null);
  seen.brief = await cache.get("brief");
  seen.sums = [await cache.increment("counter"), await cache.increment("counter", 41), await cache.get("counter")];
  seen.swaps = [
    await cache.compareAndSet("lock", null, "me", { ttlMs: 60_000 }),
    await cache.compareAndSet("lock", null, "you"),
    await cache.compareAndSet("lock", "me", "you"),
  ];
  seen.page = await cache.list("l");
  const keys: string[] = [];
  for await (const key of cache.keys()) keys.push(key);
  seen.keys = keys.sort();
  seen.deleted = [await cache.delete("order"), await cache.delete("order")];
  const clientErrors = [
    () => cache.set("x", undefined),
    () => cache.set("x", NaN),
    () => cache.set("x", () => 1),
    () => cache.get(7 as any),
    () => cache.increment("x", "1" as any),
    () => cache.set("x", 1, { ttlMs: "1" as any }),
  ];
  seen.typeErrors = await Promise.all(clientErrors.map(refusal));
  const hostErrors = [
    () => cache.get(""),
    () => cache.get("a\u0000b"),
    () => cache.increment("x", 0.5),
    () => cache.set("x", 1, { ttlMs: 0 }),
    () => cache.increment("plain"),
  ];
  seen.hostErrors = await Promise.all(hostErrors.map(refusal));
}
