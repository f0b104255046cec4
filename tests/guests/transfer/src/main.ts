import { FunctionError } from "@airlock/errors";
import { ordersDb } from "@airlock/resources";

type Input = { from: number; to: number; amount: number; times?: number };

export default async function handle({ from, to, amount, times = 1 }: Input) {
  for (let done = 0; done < times; done++) {
    await ordersDb.transaction(async (tx) => {
      await tx.execute("update orders set total = total - $1 where id = $2", [amount, from]);
      const [source] = await tx.sql<{ total: string }>`select total from orders where id = ${from}`;
      if (Number(source!.total) < 0) throw new FunctionError("too_little", "there is not that much in it");
      await tx.execute("update orders set total = total + $1 where id = $2", [amount, to]);
    });
  }
  const rows = await ordersDb.sql<{ total: string }>`select total from orders where id in (${from}, ${to}) order by id`;
  return rows.map(({ total }) => Number(total));
}
