// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import { P256 } from "@openzeppelin/contracts/utils/cryptography/P256.sol";

import { ISm } from "../sm/ISm.sol";

/// @title Many signature checks in one call, and the gas of calls
/// @notice For tests and benchmarks; never deployed.
contract SmMeter {
    /// @notice One bit for each signature, the first lowest
    /// @param sm The contract to check
    /// @param cases Five words each: e, r, s, x, y
    /// @return valid 256 answers in each word
    function verifyMany(
        ISm sm,
        uint256[5][] calldata cases
    ) external view returns (uint256[] memory valid) {
        valid = new uint256[]((cases.length + 255) / 256);
        for (uint256 i = 0; i < cases.length; ++i) {
            uint256[5] calldata c = cases[i];
            if (sm.verify(bytes32(c[0]), c[1], c[2], c[3], c[4])) {
                valid[i / 256] |= 1 << (i % 256);
            }
        }
    }

    /// @notice Gas of a call with its own price, the target warm
    /// @param target Whom to call
    /// @param data With what
    /// @return used Gas
    function callGas(address target, bytes memory data) public view returns (uint256 used) {
        uint256 size = target.code.length;
        used = gasleft();
        (bool ok, ) = target.staticcall(data);
        used -= gasleft();
        // solhint-disable-next-line gas-custom-errors
        require(ok && size != 0, "call failed");
    }

    /// @notice Gas of the second of two equal calls: everything is warm
    /// @param target Whom to call
    /// @param data With what
    /// @return used Gas
    function warmGas(address target, bytes calldata data) external view returns (uint256 used) {
        callGas(target, data);
        return callGas(target, data);
    }

    /// @notice Gas of a digest and a check as an act calls them, everything cold
    /// @param sm The contract
    /// @param zA The key's id
    /// @param message The act
    /// @param c e, which must be the digest, and r, s, x, y
    /// @return used Gas
    function actGas(
        ISm sm,
        bytes32 zA,
        bytes calldata message,
        uint256[5] calldata c
    ) external view returns (uint256 used) {
        used = gasleft();
        (bytes32 e, bool ok) = sm.verifyMessage(zA, message, c[1], c[2], c[3], c[4]);
        used -= gasleft();
        // solhint-disable-next-line gas-custom-errors
        require(ok && e == bytes32(c[0]), "signature invalid");
    }

    /// @notice Gas of OpenZeppelin's check of an ECDSA signature over P-256, in Solidity
    /// @param h Digest
    /// @param r First half
    /// @param s Second half
    /// @param x First coordinate of the key
    /// @param y Second coordinate of the key
    /// @return used Gas
    function p256Gas(
        bytes32 h,
        bytes32 r,
        bytes32 s,
        bytes32 x,
        bytes32 y
    ) external view returns (uint256 used) {
        used = gasleft();
        bool ok = P256.verifySolidity(h, r, s, x, y);
        used -= gasleft();
        // solhint-disable-next-line gas-custom-errors
        require(ok, "signature invalid");
    }
}
