export async function refusal(what: () => Promise<unknown>): Promise<string> {
  try {
    await what();
    return "accepted";
  } catch (error: any) {
    return `${error.name} ${error.kind ?? ""} ${error.code ?? ""}`.trim();
  }
}
