interface Input {
  name: string;
}

export default async function handle(input: Input) {
  console.log(`greeting ${input.name}`);
  return { greeting: `hello, ${input.name}` };
}
