// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import { SM2 } from "./SM2.sol";
import { SM2Comb } from "./SM2Comb.sol";

/// @title Signature checks with tables of multiples
/// @notice A comb of eight teeth, 32 bits apart. Why it is right: docs/sm-on-chain.md.
/// @dev A table is the code of a contract: the program SM2Comb, 128 entries for the generator, 128
/// for the key, Z_A. Entry j is (p - x, y) of 2^224 Q plus the sum over l < 7 of 2^(32 l) Q where
/// bit l of j is set, and minus 2^(32 l) Q where it is not.
library SM2Table {
    uint256 private constant P = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff;
    uint256 private constant GX = 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7;
    uint256 private constant GY = 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0;

    uint256 private constant ENTRIES = 128;
    uint256 private constant PART = 8192;
    uint256 private constant SIZE = SM2Comb.SIZE + 2 * PART + 32;

    /// @dev Creates a contract from the data of the one call that it gets, with nonce 1.
    uint256 private constant PROXY = 0x67363d3d37363d34f03d5260086018f3;
    /// @dev Keccak-256 of the 16 bytes of PROXY.
    bytes32 private constant PROXY_HASH =
        0x21c35dbe1b344a2488cf3321d6ce542f8e9f305544ff09e4993a62319a497c1f;
    /// @dev Copies what follows its 11 bytes and returns it as code.
    uint256 private constant LOADER = 0x600b380380600b3d393df3;

    /// @dev The chain did not create the table.
    error TableNotCreated();

    /// @notice Where the table of a key stands or would stand; only this contract can put it there.
    /// @param x First affine coordinate of the key
    /// @param y Second affine coordinate of the key
    /// @return table Address
    function addressOf(uint256 x, uint256 y) internal view returns (address table) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let free := mload(64)
            mstore(0, x)
            mstore(32, y)
            mstore(free, or(shl(248, 0xff), shl(88, address())))
            mstore(add(free, 21), keccak256(0, 64))
            mstore(add(free, 53), PROXY_HASH)
            // The list of the proxy and its nonce 1 in RLP.
            let proxy := and(keccak256(free, 85), 0xffffffffffffffffffffffffffffffffffffffff)
            mstore(0, or(shl(240, 0xd694), or(shl(80, proxy), shl(72, 1))))
            table := and(keccak256(0, 23), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }

    /// @notice Compute the table of a key and store it; reverts where it stands already.
    /// @param x First affine coordinate of a key, which is on the curve and not the generator's
    /// @param y Second affine coordinate
    /// @param zA The key's id
    function create(uint256 x, uint256 y, bytes32 zA) internal {
        bytes memory code = new bytes(11 + SIZE);
        uint256 start;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            start := add(code, 32)
            mstore(start, shl(168, LOADER))
            start := add(start, 11)
        }
        start = SM2Comb.write(start);
        _write(start, GX, GY);
        _write(start + PART, x, y);
        address proxy;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(add(start, mul(2, PART)), zA)
            mstore(0, x)
            mstore(32, y)
            let salt := keccak256(0, 64)
            mstore(0, PROXY)
            proxy := create2(0, 16, 16, salt)
            if proxy {
                if iszero(call(gas(), proxy, 0, add(code, 32), mload(code), 0, 0)) {
                    proxy := 0
                }
            }
        }
        if (proxy == address(0) || addressOf(x, y).code.length != SIZE) revert TableNotCreated();
    }

    /// @notice X and ZZ of sG + tQ, or ZZ = 0 where nothing is known: there is no table of Q, or an
    /// addition degenerated.
    /// @param table Where the table of Q stands or would stand
    /// @param s Below n
    /// @param t Below n
    /// @return x X, below p
    /// @return zz ZZ, below p
    function sumOfMultiples(
        address table,
        uint256 s,
        uint256 t
    ) internal view returns (uint256 x, uint256 zz) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(0, s)
            mstore(32, t)
            // Without code there a call succeeds and returns nothing.
            if staticcall(gas(), table, 0, 64, 0, 64) {
                if eq(returndatasize(), 64) {
                    x := mload(0)
                    zz := mload(32)
                }
            }
        }
    }

    /// @dev Writes the 128 entries of a point to memory.
    function _write(uint256 start, uint256 x, uint256 y) private pure {
        // 128 sums, then 2^(32 l) Q and twice that, as SM2 has them in memory.
        uint256[512] memory sums;
        uint256[28] memory twice;
        uint256 first = _at(sums);
        uint256 doubles;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            doubles := twice
        }
        // The teeth below the highest are subtracted, one after the other.
        uint256 zz = 1;
        uint256 zzz = 1;
        for (uint256 tooth = 0; tooth < 7; ++tooth) {
            // Minus Q, for the moment in the place of its double.
            SM2.put(doubles + 128 * tooth, x, P - y, zz, zzz);
            _accumulate(first, doubles + 128 * tooth);
            (x, y, zz, zzz) = SM2.double(x, y, zz, zzz);
            SM2.put(doubles + 128 * tooth, x, y, zz, zzz);
            for (uint256 i = 1; i < 32; ++i) (x, y, zz, zzz) = SM2.double(x, y, zz, zzz);
        }
        SM2.put(start, x, y, zz, zzz);
        _accumulate(first, start);
        for (uint256 tooth = 0; tooth < 7; ++tooth) {
            uint256 half = 1 << tooth;
            for (uint256 j = 0; j < half; ++j) {
                SM2.putSum(first + 128 * (half + j), first + 128 * j, doubles + 128 * tooth);
            }
        }
        _makeAffine(first, start);
    }

    function _at(uint256[512] memory words) private pure returns (uint256 position) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            position := words
        }
    }

    function _accumulate(uint256 sum, uint256 other) private pure {
        SM2.putSum(sum, sum, other);
    }

    /// @dev The entries of 128 sums, none of which is infinity, with one inversion.
    function _makeAffine(uint256 from, uint256 to) private pure {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            // Products of the ZZZ before each, in the place of the entry.
            let product := 1
            for { let j := 0 } lt(j, ENTRIES) { j := add(j, 1) } {
                mstore(add(to, shl(6, j)), product)
                product := mulmod(product, mload(add(add(from, shl(7, j)), 96)), P)
            }
            // Its inverse: the power p - 2.
            let inverse := 1
            for { let bit := shl(255, 1) } bit { bit := shr(1, bit) } {
                inverse := mulmod(inverse, inverse, P)
                if and(sub(P, 2), bit) { inverse := mulmod(inverse, product, P) }
            }
            for { let j := ENTRIES } j {} {
                j := sub(j, 1)
                let sum := add(from, shl(7, j))
                let entry := add(to, shl(6, j))
                // 1 / ZZZ
                let one := mulmod(inverse, mload(entry), P)
                inverse := mulmod(inverse, mload(add(sum, 96)), P)
                mstore(add(entry, 32), mulmod(mload(add(sum, 32)), one, P))
                // ZZ / ZZZ, whose square is 1 / ZZ
                one := mulmod(one, mload(add(sum, 64)), P)
                mstore(entry, sub(P, mulmod(mload(sum), mulmod(one, one, P), P)))
            }
        }
    }
}
