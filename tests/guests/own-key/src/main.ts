import { modelOfGlobex } from "@airlock/resources";

export default async function handle() {
  const { text } = await modelOfGlobex.complete({ model: "small", messages: [{ role: "user", content: "hi" }] });
  return text;
}
