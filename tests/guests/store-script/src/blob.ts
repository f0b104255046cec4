import { files } from "@airlock/resources";
import { refusal } from "./refusal.ts";

export async function blob(seen: Record<string, unknown>) {
  seen.missing = [await files.get("missing"), await files.text("missing"), await files.head("missing")];
  seen.noPieces = await refusal(async () => {
    for await (const _ of files.pieces("missing"));
  });
  const etag = await files.put("reports/2026/größe.txt", "grüße 漢字");
  const head = await files.head("reports/2026/größe.txt");
  seen.head = [head?.size, head?.contentType, head?.etag === etag];
  seen.text = await files.text("reports/2026/größe.txt");
  await files.put("reports/data.json", { a: [1, null] });
  seen.json = [await files.text("reports/data.json"), (await files.head("reports/data.json"))?.contentType];
  await files.put("bytes", new Uint8Array([0, 255, 13, 10]), { contentType: "image/x-own" });
  seen.bytes = [Array.from((await files.get("bytes"))!), (await files.head("bytes"))?.contentType];
  seen.ranges = [
    Array.from((await files.get("bytes", { offset: 1, length: 2 }))!),
    Array.from((await files.get("bytes", { offset: 3, length: 99 }))!),
    Array.from((await files.get("bytes", { offset: 4 }))!),
  ];
  await files.put("empty", new Uint8Array(0));
  seen.empty = [(await files.get("empty"))!.length, (await files.head("empty"))?.size];
  const large = new Uint8Array(2_500_000).map((_, index) => index % 251);
  await files.put("large", large);
  const sizes: number[] = [];
  for await (const piece of files.pieces("large")) sizes.push(piece.length);
  const back = (await files.get("large"))!;
  seen.large = [sizes, back.length, back.every((byte, index) => byte === index % 251)];
  await files.delete("large");
  await files.delete("large");
  const page = await files.list("reports/");
  seen.page = [page.entries, page.cursor];
  seen.keys = (await files.list()).entries.map((entry) => entry.key).sort();
  const clientErrors = [
    () => files.put("x", 7 as any),
    () => files.put("x", null as any),
    () => files.get(7 as any),
    () => files.get("bytes", { offset: "1" as any }),
    () => files.signedUrl("bytes", "1" as any),
  ];
  seen.typeErrors = await Promise.all(clientErrors.map(refusal));
  const hostErrors = [
    () => files.get("../bytes"),
    () => files.put("/etc/passwd", "x"),
    () => files.head("a//b"),
    () => files.get("bytes", { offset: -1 }),
    () => files.put("x", "y", { contentType: "no type" }),
    () => files.signedUrl("bytes", 1_000),
  ];
  seen.hostErrors = await Promise.all(hostErrors.map(refusal));
}
