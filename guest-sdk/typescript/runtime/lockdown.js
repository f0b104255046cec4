// Removes every way to run a string as code, before any other module is evaluated.
//
// The names stay, because `value instanceof Function` is ordinary code; calling one of them throws.

const refuse = (name) => {
  const refused = function () {
    throw new EvalError(`\`${name}\` is not available in a function: code that was not analysed cannot run`);
  };
  Object.defineProperty(refused, "name", { value: name });
  return refused;
};

const constructors = [
  ["Function", Object.getPrototypeOf(function () {})],
  ["AsyncFunction", Object.getPrototypeOf(async function () {})],
  ["GeneratorFunction", Object.getPrototypeOf(function* () {})],
  ["AsyncGeneratorFunction", Object.getPrototypeOf(async function* () {})],
];

for (const [name, prototype] of constructors) {
  const refused = refuse(name);
  Object.defineProperty(refused, "prototype", { value: prototype, writable: false });
  Object.defineProperty(prototype, "constructor", { value: refused, writable: false, configurable: false });
  if (name === "Function") {
    Object.defineProperty(globalThis, "Function", { value: refused, writable: false, configurable: false });
  }
}
Object.defineProperty(globalThis, "eval", { value: refuse("eval"), writable: false, configurable: false });
