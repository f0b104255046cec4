import { HostError } from "@airlock/errors";

export default async function handle(input: { url: string }) {
  try {
    const response = await fetch(input.url);
    return { status: response.status, body: await response.text() };
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const { kind, reason, resource, rule, hint } = error;
    return { kind, reason, resource, rule, hint };
  }
}
