interface Input {
  name: string;
}

export default function handle(input: Input) {
  return { greeting: `hello, ${input.name}` };
}
