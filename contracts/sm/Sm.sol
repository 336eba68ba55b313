// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import { ISm } from "./ISm.sol";
import { SM2 } from "./SM2.sol";
import { SM3 } from "./SM3.sol";

/// @title SM2 and SM3 in plain EVM
/// @notice Needs no precompile and no state, and is pinned by its address.
contract Sm is ISm {
    /// @inheritdoc ISm
    function sm3(bytes calldata message) external pure override returns (bytes32 digest_) {
        return SM3.digest(message);
    }

    /// @inheritdoc ISm
    function keyId(uint256 x, uint256 y) external pure override returns (bytes32 zA) {
        if (!SM2.isOnCurve(x, y)) revert PublicKeyInvalid(x, y);
        return SM2.zA(x, y);
    }

    /// @inheritdoc ISm
    function digest(bytes32 zA, bytes calldata message) external pure override returns (bytes32 e) {
        return SM3.digest(bytes.concat(zA), message);
    }

    /// @inheritdoc ISm
    function verify(
        bytes32 e,
        uint256 r,
        uint256 s,
        uint256 x,
        uint256 y
    ) external pure override returns (bool valid) {
        return SM2.verify(uint256(e), r, s, x, y);
    }
}
