import { model } from "@airlock/resources";

const TOOLS = [
  {
    name: "weather",
    description: "The weather of a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];

// The host never runs a tool: what the model may do is what this function does for it.
function run(name: string, input: { city: string }): string {
  if (name !== "weather") throw new Error(`the model asked for \`${name}\`, which there is not`);
  return `sunny in ${input.city}`;
}

export default async function handle(input: { question: string }) {
  const first = await model.complete({
    model: "small",
    system: "Answer in one sentence.",
    messages: [{ role: "user", content: input.question }],
    tools: TOOLS,
    max_tokens: 200,
  });
  if (first.finish === "tool_calls") {
    return { tools: first.tool_calls.map((call) => run(call.name, call.arguments)), tokens: first.usage };
  }
  // The same once more, as it is made.
  const words: string[] = [];
  for await (const piece of model.stream({ model: "small", messages: [{ role: "user", content: input.question }] })) {
    if (piece.text !== undefined) words.push(piece.text);
  }
  return { answer: first.text, streamed: words.join(""), tokens: first.usage };
}
