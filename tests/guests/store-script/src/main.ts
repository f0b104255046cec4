import { blob } from "./blob.ts";
import { kv } from "./kv.ts";

export default async function handle(input: { run: "kv" | "blob" }) {
  const seen: Record<string, unknown> = {};
  await { kv, blob }[input.run](seen);
  return seen;
}
