import { shop } from "@airlock/resources";

interface Data {
  customer: { name: string; orders: { total: number }[] } | null;
}

const CUSTOMER = `
  query Customer($id: ID!) {
    customer(id: $id) {
      name
      orders(first: 20) { total }
    }
  }`;

export default async function handle(input: { id: string }) {
  const { data, problems } = await shop.queryResult<Data>(CUSTOMER, { id: input.id });
  if (data.customer === null) return { found: false, because: problems.map((one) => one.code) };
  const total = data.customer.orders.reduce((sum, order) => sum + order.total, 0);
  return { found: true, name: data.customer.name, total };
}
