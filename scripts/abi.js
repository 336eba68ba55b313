// Writes the artifacts that Python reads, ledger/chain/abi/<Contract>.json, or checks them.
//
//   npm run abi              compile and write
//   npm run abi -- --check   compile and compare; exit 1 and name each stale file
//
// Each file is compiled with its own imports only, so that an artifact depends on nothing else
// and an auditor can repeat it from the artifact's "sources" and "solc". Compiler output is kept
// under cache/abi by the hash of its input; `--fresh` ignores it.

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");

const { ROOT, SOLC_VERSION, solcSettings, sourceClosure } = require("./solc.js");

const ABI_DIR = path.join(ROOT, "ledger", "chain", "abi");
const CACHE_DIR = path.join(ROOT, "cache", "abi");
// Contracts there support tests and are never deployed.
const TEST_DIR = "contracts/test/";
// Below EIP-170's 24,576, as some consortium chains store code with a header.
const CODE_LIMIT_BYTES = 22 * 1024;
// Contracts allowed above the limit, each with its reason.
const CODE_LIMIT_EXCEPTIONS = new Map([]);

let compiler;

function compile(input) {
  if (compiler === undefined) {
    compiler = require("solc");
    if (!compiler.version().startsWith(SOLC_VERSION)) {
      throw new Error(`solc ${SOLC_VERSION} is wanted, found ${compiler.version()}: run npm ci`);
    }
  }
  return JSON.parse(compiler.compile(JSON.stringify(input)));
}

function compileCached(input, fresh) {
  const key = crypto
    .createHash("sha256")
    .update(SOLC_VERSION + JSON.stringify(input))
    .digest("hex");
  const file = path.join(CACHE_DIR, `${key}.json`);
  if (!fresh && fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, "utf8"));
  const output = compile(input);
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join("\n"));
  fs.mkdirSync(CACHE_DIR, { recursive: true });
  const part = `${file}.${process.pid}`;
  fs.writeFileSync(part, JSON.stringify(output));
  fs.renameSync(part, file);
  return output;
}

/** The deployable contracts of one source file, as artifacts. */
function artifactsOf(sourceName, fresh) {
  const sources = sourceClosure(sourceName);
  const settings = {
    ...solcSettings(sourceName),
    outputSelection: {
      [sourceName]: {
        "": ["ast"],
        "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"],
      },
    },
  };
  // A file of interfaces or types only has no code to make.
  const code = sources[sourceName].content.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "");
  if (!/^\s*contract\s/m.test(code)) return [];
  const output = compileCached({ language: "Solidity", sources, settings }, fresh);
  return output.sources[sourceName].ast.nodes
    .filter((n) => n.nodeType === "ContractDefinition")
    .filter((n) => n.contractKind === "contract" && !n.abstract)
    .map(({ name }) => {
      const { abi, evm } = output.contracts[sourceName][name];
      if (/__\$/.test(evm.bytecode.object)) {
        throw new Error(`${sourceName}: ${name} needs a linked library; use internal functions`);
      }
      return {
        contractName: name,
        sources: Object.keys(sources),
        abi,
        bytecode: `0x${evm.bytecode.object}`,
        deployedBytecode: `0x${evm.deployedBytecode.object}`,
        solc: { version: SOLC_VERSION, settings: solcSettings(sourceName) },
      };
    });
}

/** JSON with sorted keys: one artifact has one text. */
function canonical(value) {
  const sorted = (v) => {
    if (Array.isArray(v)) return v.map(sorted);
    if (v === null || typeof v !== "object") return v;
    return Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])]));
  };
  return `${JSON.stringify(sorted(value), null, 1)}\n`;
}

function solidityFiles() {
  return fs
    .readdirSync(path.join(ROOT, "contracts"), { recursive: true })
    .map((name) => `contracts/${name.split(path.sep).join("/")}`)
    .filter((name) => name.endsWith(".sol") && !name.startsWith(TEST_DIR))
    .sort();
}

function main(args) {
  const unknown = args.filter((a) => a !== "--check" && a !== "--fresh");
  if (unknown.length > 0) throw new Error(`unknown option ${unknown.join(" ")}`);
  const check = args.includes("--check");

  const wanted = new Map();
  const failures = [];
  for (const sourceName of solidityFiles()) {
    for (const artifact of artifactsOf(sourceName, args.includes("--fresh"))) {
      const { contractName } = artifact;
      const file = `${contractName}.json`;
      if (wanted.has(file)) throw new Error(`two contracts are named ${contractName}`);
      wanted.set(file, canonical(artifact));
      const size = (artifact.deployedBytecode.length - 2) / 2;
      console.log(`${contractName.padEnd(32)} ${String(size).padStart(6)} bytes`);
      if (size > CODE_LIMIT_BYTES && !CODE_LIMIT_EXCEPTIONS.has(contractName)) {
        failures.push(`${contractName}: ${size} bytes of code exceed ${CODE_LIMIT_BYTES}`);
      }
    }
  }

  const present = fs.existsSync(ABI_DIR)
    ? fs.readdirSync(ABI_DIR).filter((name) => name.endsWith(".json"))
    : [];
  const label = (file) => path.relative(ROOT, path.join(ABI_DIR, file));
  for (const file of present.filter((name) => !wanted.has(name))) {
    if (check) failures.push(`${label(file)} has no contract: run npm run abi`);
    else fs.unlinkSync(path.join(ABI_DIR, file));
  }
  if (!check) fs.mkdirSync(ABI_DIR, { recursive: true });
  for (const [file, text] of wanted) {
    const full = path.join(ABI_DIR, file);
    if (fs.existsSync(full) && fs.readFileSync(full, "utf8") === text) continue;
    if (check) failures.push(`${label(file)} is stale: run npm run abi`);
    else fs.writeFileSync(full, text);
  }

  for (const failure of failures) console.error(failure);
  return failures.length > 0 ? 1 : 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
