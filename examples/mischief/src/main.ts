import { crm, metadata, ordersDb } from "@airlock/resources";

/** Each of these ends in a refusal that says which rule or limit stopped it. */
const attempts: Record<string, () => Promise<unknown>> = {
  async memory() {
    const kept: Uint8Array[] = [];
    for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
  },
  async loop() {
    for (;;);
  },
  write: () => ordersDb.execute("update orders set total = 0 where customer = 'ada'"),
  drop: () => ordersDb.query("DROP TABLE orders"),
  origin: () => crm.get("http://169.254.169.254/latest/meta-data"),
  address: () => metadata.get("/latest/meta-data"),
};

export default async function handle(input: { attempt: string }) {
  const attempt = attempts[input.attempt];
  if (attempt === undefined) return { attempts: Object.keys(attempts) };
  return attempt();
}
