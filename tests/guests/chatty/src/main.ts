export default async function handle(input: { name: string }) {
  console.log(`greeting ${input.name}`);
  console.warn("a line\nand \u001b[31mred\u001b[0m");
  return { greeting: `hello, ${input.name}` };
}
