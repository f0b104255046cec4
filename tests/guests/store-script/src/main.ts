import { kv } from "./kv.ts";

export default async function handle(input: { run: "kv" }) {
  const seen: Record<string, unknown> = {};
  if (input.run === "kv") await kv(seen);
  return seen;
}
