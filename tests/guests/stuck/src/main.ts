import { ordersDb } from "@airlock/resources";

export default async function handle(input: { write?: boolean }) {
  if (!input.write) return new Promise(() => {});
  void ordersDb.execute("update orders set status = 'left' where customer = 'ada'");
  await Promise.resolve();
  return "left";
}
