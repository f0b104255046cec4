// Stack frames of the bundle, told in files and lines of the project.

let program = null;

// The bundler calls this at the end of the bundle. `starts[i]` is a line of the bundle, ascending, which came from line
// `lines[i]` of `files[sources[i]]`.
export function setLines(files, starts, sources, lines) {
  program = { files, starts, sources, lines };
}

function locate(line) {
  let low = 0;
  let high = program.starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (program.starts[middle] <= line) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return null;
  const file = program.files[program.sources[low - 1]];
  return file === null ? null : `${file}:${program.lines[low - 1]}`;
}

// Frames of the SDK and of the engine are left out, and so is the `$1` that the bundler may have put behind a name.
export function translate(stack) {
  if (program === null || typeof stack !== "string") return stack ?? "";
  const frames = [];
  for (const frame of stack.split("\n")) {
    const match = /^(\s*at .*?)\(?[^\s()]*?:(\d+)(?::\d+)?\)?\s*$/.exec(frame);
    const place = match && locate(Number(match[2]));
    if (place) frames.push(`${match[1].trimEnd().replace(/\$\d+$/, "")} (${place})`);
  }
  return frames.join("\n");
}
