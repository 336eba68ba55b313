// The contracts compile under Hardhat, and Sm passes the standard's examples in Hardhat's own EVM.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const hre = require("hardhat");

const vectors = JSON.parse(
  fs.readFileSync(path.join(__dirname, "..", "vectors", "sm.json"), "utf8"),
);
const ADDRESS = "0x00000000000000000000000000000000005a0001";
const word = (hex) => hex.padStart(64, "0");
const bytesArgument = (hex) =>
  word((hex.length / 2).toString(16)) + hex.padEnd(Math.ceil(hex.length / 64) * 64, "0");

describe("Sm", () => {
  const selectors = {};
  const call = (name, args) =>
    hre.network.provider.send("eth_call", [
      { to: ADDRESS, data: `0x${selectors[name]}${args}` },
      "latest",
    ]);

  before(async () => {
    const artifact = await hre.artifacts.readArtifact("Sm");
    const build = await hre.artifacts.getBuildInfo("contracts/sm/Sm.sol:Sm");
    const { evm } = build.output.contracts["contracts/sm/Sm.sol"].Sm;
    for (const [signature, selector] of Object.entries(evm.methodIdentifiers)) {
      selectors[signature.split("(")[0]] = selector;
    }
    await hre.network.provider.send("hardhat_setCode", [ADDRESS, artifact.deployedBytecode]);
  });

  it("computes the digests of GB/T 32905", async () => {
    assert.equal(vectors.sm3.length, 3);
    for (const { message_hex, digest_hex } of vectors.sm3) {
      assert.equal(await call("sm3", word("20") + bytesArgument(message_hex)), `0x${digest_hex}`);
    }
  });

  it("accepts the signature of GB/T 32918.5 and refuses altered ones", async () => {
    const [v] = vectors.sm2;
    const args = [v.e_hex, v.r_hex, v.s_hex, v.public_key_x_hex, v.public_key_y_hex];
    assert.equal(await call("verify", args.join("")), `0x${word("1")}`);
    for (let i = 0; i < args.length; i += 1) {
      const last = args[i].endsWith("0") ? "1" : "0";
      const altered = args.map((arg, j) => (i === j ? arg.slice(0, -1) + last : arg));
      assert.equal(await call("verify", altered.join("")), `0x${word("0")}`);
    }
  });

  it("is what the committed artifact holds", async () => {
    const file = path.join(__dirname, "..", "..", "ledger", "chain", "abi", "Sm.json");
    const committed = JSON.parse(fs.readFileSync(file, "utf8"));
    const { deployedBytecode } = await hre.artifacts.readArtifact("Sm");
    assert.equal(deployedBytecode, committed.deployedBytecode);
  });
});
