// The one description of how contracts are compiled, for Hardhat, the ABI files and auditors.

const fs = require("node:fs");
const path = require("node:path");

const ROOT = path.join(__dirname, "..");

// The build's full name, fixed here: reading it from the compiler loads 30 MB of WebAssembly.
const SOLC_VERSION = "0.8.37+commit.f401782d";

// Sources whose Yul is written as it shall run. The Yul optimizer takes the unrolled steps of SM3
// apart until it has no memory left, and moves variables of the field arithmetic to memory.
const AS_WRITTEN = new Set(["contracts/sm/Sm.sol"]);

/** The compiler settings of a source; a fresh copy, as Hardhat adds its output selection to it. */
function solcSettings(sourceName) {
  const yulDetails = AS_WRITTEN.has(sourceName) ? { yulDetails: { optimizerSteps: ":" } } : {};
  return {
    evmVersion: "paris",
    // constantOptimizer off: it trades each PUSH32 of a curve constant for longer arithmetic,
    // which costs the signature check a third of its gas.
    optimizer: { enabled: true, runs: 200, details: { constantOptimizer: false, ...yulDetails } },
    viaIR: true,
    metadata: { appendCBOR: false, bytecodeHash: "none" },
  };
}

function sourcePath(name) {
  if (name.startsWith("contracts/")) return path.join(ROOT, name);
  return require.resolve(name, { paths: [ROOT] });
}

/** The source text of each file that `entry` needs, itself included, by source name. */
function sourceClosure(entry) {
  const found = {};
  const queue = [entry];
  while (queue.length > 0) {
    const name = queue.pop();
    if (found[name] !== undefined) continue;
    const content = fs.readFileSync(sourcePath(name), "utf8");
    found[name] = { content };
    const code = content.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "");
    for (const [, target] of code.matchAll(/\bimport\b[^;]*?["']([^"']+)["']\s*;/g)) {
      queue.push(target.startsWith(".") ? path.posix.join(path.posix.dirname(name), target) : target);
    }
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
}

module.exports = { AS_WRITTEN, ROOT, SOLC_VERSION, solcSettings, sourceClosure };
