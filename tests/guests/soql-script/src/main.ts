import { salesforce } from "@airlock/resources";
import { soql } from "@airlock/soql";

const ask = (q: string, more: object = {}) => salesforce.get("/services/data/v60.0/query", { query: { q, ...more } });

export default async function handle(input: { value?: string; raw?: string; more?: object; kinds?: boolean }) {
  if (input.raw !== undefined) return ask(input.raw, input.more);
  if (input.kinds) {
    await ask(soql`SELECT Id FROM Account WHERE A = ${null} AND B = ${true} AND C = ${-1.5} AND D = ${9007199254740993n}`);
    await ask(soql`SELECT Id FROM Account WHERE A > ${new Date(0)} AND B = ${soql.date("2026-01-31")} AND C IN ${["a", "b'"]}`);
    const refused: string[] = [];
    for (const make of [
      () => soql`SELECT Id FROM A WHERE B = '${"x"}'`,
      () => soql`SELECT Id FROM A WHERE B IN ${[]}`,
      () => soql`SELECT Id FROM A WHERE B = ${NaN}`,
      () => soql`SELECT Id FROM A WHERE B = ${undefined as any}`,
      () => soql`SELECT Id FROM A WHERE B = ${{ text: "1 OR 1=1" } as any}`,
      () => soql.date("2026-01-31' OR Name != '"),
    ]) {
      try {
        make();
        refused.push("accepted");
      } catch (error: any) {
        refused.push(error.name);
      }
    }
    return refused;
  }
  return ask(soql`SELECT Id, Name FROM Account WHERE Name = ${input.value!} LIMIT 1`);
}
