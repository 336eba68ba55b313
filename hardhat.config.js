// Compiles the contracts and runs their own tests, offline and the same way everywhere.

const path = require("node:path");
const { createRequire } = require("node:module");
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");

const { AS_WRITTEN, SOLC_VERSION, solcSettings } = require("./scripts/solc.js");

// Hardhat asks for telemetry and fetches a banner and release notes when it finds a terminal.
// Taken for unattended, it does none of this: a government network has no way out.
process.env.HARDHAT_DISABLE_TELEMETRY_PROMPT = "true";
createRequire(require.resolve("hardhat/package.json"))("ci-info").isCI = true;

// The compiler is the npm package that the lock file pins; Hardhat would download its own.
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD).setAction(async ({ solcVersion }) => {
  const installed = require("solc/package.json").version;
  if (solcVersion !== installed) {
    throw new Error(`solc ${solcVersion} is wanted, node_modules holds ${installed}: run npm ci`);
  }
  return {
    version: installed,
    longVersion: SOLC_VERSION,
    compilerPath: require.resolve("solc/soljson.js"),
    isSolcJs: true,
  };
});

const version = require("solc/package.json").version;

module.exports = {
  solidity: {
    compilers: [{ version, settings: solcSettings() }],
    overrides: Object.fromEntries(
      [...AS_WRITTEN].map((name) => [name, { version, settings: solcSettings(name) }]),
    ),
  },
  paths: {
    sources: path.join(__dirname, "contracts"),
    tests: path.join(__dirname, "tests", "contracts_js"),
    cache: path.join(__dirname, "cache", "hardhat"),
    artifacts: path.join(__dirname, "cache", "artifacts"),
  },
  networks: {
    // London opcodes, as the oldest consortium client in use; no EIP-170 exception.
    hardhat: { hardfork: "merge", allowUnlimitedContractSize: false },
  },
  mocha: { timeout: 60_000 },
};
