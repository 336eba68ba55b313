// Prints the artifacts of one source that is never deployed, for tests and benchmarks:
//
//   node scripts/test_artifact.js contracts/test/SmMeter.sol
//
// Compiler output is kept under cache/abi by the hash of its input.

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");

const { ROOT, SOLC_VERSION, solcSettings, sourceClosure } = require("./solc.js");

const CACHE_DIR = path.join(ROOT, "cache", "abi");

function main(sourceName) {
  const settings = {
    ...solcSettings(sourceName),
    outputSelection: { [sourceName]: { "*": ["abi", "evm.deployedBytecode.object"] } },
  };
  const input = JSON.stringify({
    language: "Solidity",
    sources: sourceClosure(sourceName),
    settings,
  });
  const key = crypto.createHash("sha256").update(SOLC_VERSION + input).digest("hex");
  const file = path.join(CACHE_DIR, `${key}.test.json`);
  if (!fs.existsSync(file)) {
    const output = JSON.parse(require("solc").compile(input));
    const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
    if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
    const artifacts = Object.entries(output.contracts[sourceName]).map(([name, { abi, evm }]) => [
      name,
      { abi, deployedBytecode: `0x${evm.deployedBytecode.object}` },
    ]);
    fs.mkdirSync(CACHE_DIR, { recursive: true });
    const part = `${file}.${process.pid}`;
    fs.writeFileSync(part, JSON.stringify(Object.fromEntries(artifacts)));
    fs.renameSync(part, file);
  }
  process.stdout.write(fs.readFileSync(file));
}

main(process.argv[2]);
