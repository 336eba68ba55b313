// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import { SM3 } from "./SM3.sol";

/// @title Inclusion in a Merkle tree
/// @notice RFC 6962's tree with SM3. Standard: RFC 9162 clause 2.1.
/// @dev For functions that a contract offers outside: memory must be untouched, see `SM3`.
library SM3Tree {
    /// @dev 0x01 || left || right.
    uint256 private constant NODE = 65;

    /// @notice The hash of a leaf. Standard: RFC 9162 clause 2.1.1.
    /// @param record The leaf's bytes
    /// @return 32 bytes
    function leafHash(bytes calldata record) internal pure returns (bytes32) {
        uint256 to = SM3.MESSAGE;
        SM3.begin(record.length < NODE ? NODE : record.length + 1);
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore8(to, 0)
            calldatacopy(add(to, 1), record.offset, record.length)
        }
        return SM3.finish(record.length + 1);
    }

    /// @notice Whether a path leads from a leaf to a root. Standard: RFC 9162 clause 2.1.3.2.
    /// @dev After `leafHash` or `SM3.begin`, which took the memory for a node. At most 64 rounds:
    /// each halves what is left of the size, and a longer path is refused.
    /// @param leaf Hash of the leaf
    /// @param index Its number, from 0
    /// @param size Number of leaves
    /// @param path Hashes from the leaf upwards
    /// @param root Root hash
    /// @return True where it does, and the path has the right length
    function leads(
        bytes32 leaf,
        uint256 index,
        uint256 size,
        bytes32[] calldata path,
        bytes32 root
    ) internal pure returns (bool) {
        if (index >= size) return false;
        uint256 last = size - 1;
        for (uint256 i = 0; i < path.length; ++i) {
            if (last == 0) return false;
            if (index & 1 == 1 || index == last) {
                leaf = _nodeHash(path[i], leaf);
                // Where no sibling stands to the right, the levels without one are passed over.
                while (index & 1 == 0 && index != 0) {
                    index >>= 1;
                    last >>= 1;
                }
            } else {
                leaf = _nodeHash(leaf, path[i]);
            }
            index >>= 1;
            last >>= 1;
        }
        return last == 0 && leaf == root;
    }

    /// @notice Take the memory in which nodes are hashed, where `leafHash` does not.
    function begin() internal pure {
        SM3.begin(NODE);
    }

    function _nodeHash(bytes32 left, bytes32 right) private pure returns (bytes32) {
        uint256 to = SM3.MESSAGE;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore8(to, 1)
            mstore(add(to, 1), left)
            mstore(add(to, 33), right)
        }
        return SM3.finish(NODE);
    }
}
