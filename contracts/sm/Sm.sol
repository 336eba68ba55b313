// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import { ISm } from "./ISm.sol";
import { SM2 } from "./SM2.sol";
import { SM2Table } from "./SM2Table.sol";
import { SM3 } from "./SM3.sol";
import { SM3Tree } from "./SM3Tree.sol";

/// @title SM2 and SM3 in plain EVM
/// @notice Needs no precompile and no storage, and is pinned by its address. Tables of keys stand in
/// contracts of their own, which it alone computes.
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
        return SM3.digest(zA, message);
    }

    /// @inheritdoc ISm
    function verify(
        bytes32 e,
        uint256 r,
        uint256 s,
        uint256 x,
        uint256 y
    ) external view override returns (bool valid) {
        return _isSignature(e, r, s, x, y);
    }

    /// @inheritdoc ISm
    function verifyMessage(
        bytes32 zA,
        bytes calldata message,
        uint256 r,
        uint256 s,
        uint256 x,
        uint256 y
    ) external view override returns (bytes32 e, bool valid) {
        e = SM3.digest(zA, message);
        valid = _isSignature(e, r, s, x, y);
    }

    /// @inheritdoc ISm
    function isIncluded(
        bytes32 leafHash,
        uint64 index,
        uint64 size,
        bytes32[] calldata path,
        bytes32 root
    ) external pure override returns (bool included) {
        SM3Tree.begin();
        return SM3Tree.leads(leafHash, index, size, path, root);
    }

    /// @inheritdoc ISm
    function isRecordIncluded(
        bytes calldata record,
        uint64 index,
        uint64 size,
        bytes32[] calldata path,
        bytes32 root
    ) external pure override returns (bool included) {
        return SM3Tree.leads(SM3Tree.leafHash(record), index, size, path, root);
    }

    /// @inheritdoc ISm
    function buildTable(uint256 x, uint256 y) external override returns (address table) {
        table = tableOf(x, y);
        if (table != address(0)) return table;
        if (!SM2.isOnCurve(x, y) || SM2.isGenerator(x)) revert PublicKeyInvalid(x, y);
        SM2Table.create(x, y, SM2.zA(x, y));
        return SM2Table.addressOf(x, y);
    }

    /// @inheritdoc ISm
    function tableOf(uint256 x, uint256 y) public view override returns (address table) {
        table = SM2Table.addressOf(x, y);
        if (table.code.length == 0) return address(0);
    }

    function _isSignature(
        bytes32 e,
        uint256 r,
        uint256 s,
        uint256 x,
        uint256 y
    ) private view returns (bool) {
        (bool inRange, uint256 t) = SM2.checkRange(r, s);
        if (!inRange) return false;
        (uint256 x1, uint256 zz) = SM2Table.sumOfMultiples(SM2Table.addressOf(x, y), s, t);
        if (zz == 0) {
            // No table, or an addition degenerated; the complete formulas decide.
            if (!SM2.isOnCurve(x, y)) return false;
            (x1, zz) = SM2.sumOfMultiples(s, t, x, y);
            if (zz == 0) return false;
        }
        return SM2.matches(uint256(e), r, x1, zz);
    }
}
