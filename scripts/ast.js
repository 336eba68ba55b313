// Writes the syntax trees of the contracts that accept acts to stdout, as JSON by source name.
//
//   node scripts/ast.js
//
// Read by tests/model/contract_errors.py, which follows each act through them.

const fs = require("node:fs");
const path = require("node:path");
const compiler = require("solc");

const { ROOT, SOLC_VERSION, sourceClosure } = require("./solc.js");

const NOT_DEPLOYED = "contracts/test/";

function main() {
  if (!compiler.version().startsWith(SOLC_VERSION)) {
    throw new Error(`solc ${SOLC_VERSION} is wanted, found ${compiler.version()}: run npm ci`);
  }
  const sources = {};
  for (const name of fs.readdirSync(path.join(ROOT, "contracts"), { recursive: true })) {
    const source = `contracts/${name.split(path.sep).join("/")}`;
    if (!source.endsWith(".sol") || source.startsWith(NOT_DEPLOYED)) continue;
    Object.assign(sources, sourceClosure(source));
  }
  const settings = { evmVersion: "paris", outputSelection: { "*": { "": ["ast"] } } };
  const input = { language: "Solidity", sources, settings };
  const output = JSON.parse(compiler.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
  const trees = Object.entries(output.sources).map(([name, { ast }]) => [name, ast]);
  process.stdout.write(JSON.stringify(Object.fromEntries(trees)));
}

try {
  main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
