// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import { SM3 } from "./SM3.sol";

/// @title SM2
/// @notice SM2 signature verification in plain EVM, on the recommended curve y² = x³ + ax + b over
/// GF(p) with a = p - 3. Standard: GB/T 32918-2016, curve: GB/T 32918.5-2017.
/// @dev Points are in XYZZ coordinates: x = X / ZZ, y = Y / ZZZ, ZZ³ = ZZZ². Infinity has
/// X = ZZ = ZZZ = 0 modulo p, and no other X.
library SM2 {
    uint256 private constant P = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffff;
    uint256 private constant A = 0xfffffffeffffffffffffffffffffffffffffffff00000000fffffffffffffffc;
    uint256 private constant B = 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93;
    uint256 private constant N = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123;
    uint256 private constant GX = 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7;
    uint256 private constant GY = 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0;
    /// @dev 2G and 3G.
    uint256 private constant G2X = 0x56cefd60d7c87c000d58ef57fa73ba4d9c0dfa08c08a7331495c2e1da3f2bd52;
    uint256 private constant G2Y = 0x31b7e7e6cc8189f668535ce0f8eaf1bd6de84c182f6c8e716f780d3a970a23c3;
    uint256 private constant G3X = 0xa97f7cd4b3c993b4be2daa8cdb41e24ca13f6bd945302244e26918f1d0509ebf;
    uint256 private constant G3Y = 0x530b5dd88c688ef5ccc5cec08a72150f7c400ee5cd045292aaacdd037458f6e6;

    /// @dev Length in bits and text of the default user id, GM/T 0009-2012.
    bytes18 private constant USER_ID = hex"008031323334353637383132333435363738";

    /// @notice Whether (x, y) is a point on the curve other than infinity.
    /// Standard: GB/T 32918.1-2016 clause 6.2.1.
    /// @param x First affine coordinate
    /// @param y Second affine coordinate
    /// @return True for a point
    function isOnCurve(uint256 x, uint256 y) internal pure returns (bool) {
        if (x >= P || y >= P) return false;
        uint256 right = mulmod(addmod(mulmod(x, x, P), A, P), x, P);
        return mulmod(y, y, P) == addmod(right, B, P);
    }

    /// @notice Z_A of a key with the default user id. Standard: GB/T 32918.2-2016 clause 5.5.
    /// @param x First affine coordinate
    /// @param y Second affine coordinate
    /// @return 32 bytes
    function zA(uint256 x, uint256 y) internal pure returns (bytes32) {
        return SM3.digest(abi.encodePacked(USER_ID, A, B, GX, GY, x, y));
    }

    /// @notice Whether (r, s) is a signature of e under the key (x, y).
    /// Standard: GB/T 32918.2-2016 clause 7.1, steps B1, B2 and B5 to B7.
    /// @param e Any number
    /// @param r First half of the signature
    /// @param s Second half of the signature
    /// @param x First affine coordinate of the key
    /// @param y Second affine coordinate of the key
    /// @return True for a signature
    function verify(
        uint256 e,
        uint256 r,
        uint256 s,
        uint256 x,
        uint256 y
    ) internal pure returns (bool) {
        if (r == 0 || r >= N || s == 0 || s >= N) return false;
        uint256 t = addmod(r, s, N);
        if (t == 0 || !isOnCurve(x, y)) return false;
        (uint256 x1, uint256 zz) = _sumOfMultiples(s, t, _multiples(x, y));
        if (zz == 0) return false;
        // r = e + x1 mod n, without the division: x1 is v or, as n < p < 2n, perhaps v + n.
        uint256 v = addmod(r, N - (e % N), N);
        if (mulmod(v, zz, P) == x1) return true;
        return v < P - N && mulmod(v + N, zz, P) == x1;
    }

    /// @dev The sixteen points iG + jQ for i, j < 4, each 128 bytes, at index 4i + j.
    function _multiples(uint256 x, uint256 y) private pure returns (uint256[64] memory table) {
        _put(table, 1, x, y, 1, 1);
        _put(table, 4, GX, GY, 1, 1);
        _put(table, 8, G2X, G2Y, 1, 1);
        _put(table, 12, G3X, G3Y, 1, 1);
        _putSum(table, 2, 1, 1);
        _putSum(table, 3, 2, 1);
        for (uint256 i = 4; i < 16; i += 4) {
            for (uint256 j = 1; j < 4; ++j) {
                _putSum(table, i + j, i, j);
            }
        }
    }

    /// @dev Writes the sum of the points at indices i and j to index k.
    function _putSum(uint256[64] memory table, uint256 k, uint256 i, uint256 j) private pure {
        (uint256 x, uint256 y, uint256 zz, uint256 zzz) = _add(
            table[4 * i],
            table[4 * i + 1],
            table[4 * i + 2],
            table[4 * i + 3],
            _entry(table, j)
        );
        _put(table, k, x, y, zz, zzz);
    }

    function _put(
        uint256[64] memory table,
        uint256 k,
        uint256 x,
        uint256 y,
        uint256 zz,
        uint256 zzz
    ) private pure {
        table[4 * k] = x;
        table[4 * k + 1] = y;
        table[4 * k + 2] = zz;
        table[4 * k + 3] = zzz;
    }

    function _entry(uint256[64] memory table, uint256 k) private pure returns (uint256 position) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            position := add(table, shl(7, k))
        }
    }

    /// @dev X and ZZ of sG + tQ: two bits of both numbers at a time, from the top (Strauss).
    function _sumOfMultiples(
        uint256 s,
        uint256 t,
        uint256[64] memory table
    ) private pure returns (uint256 x, uint256 zz) {
        uint256 y;
        uint256 zzz;
        for (uint256 i = 256; i != 0; ) {
            unchecked {
                i -= 2;
            }
            (x, y, zz, zzz) = _double(x, y, zz, zzz);
            (x, y, zz, zzz) = _double(x, y, zz, zzz);
            uint256 k = (((s >> i) & 3) << 2) | ((t >> i) & 3);
            if (k != 0) (x, y, zz, zzz) = _add(x, y, zz, zzz, _entry(table, k));
        }
    }

    /// @dev Twice a point. No point has order two, and infinity gives infinity.
    function _double(
        uint256 x,
        uint256 y,
        uint256 zz,
        uint256 zzz
    ) private pure returns (uint256 x3, uint256 y3, uint256 zz3, uint256 zzz3) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let u := addmod(y, y, P)
            let v := mulmod(u, u, P)
            let w := mulmod(u, v, P)
            // Minus X * V.
            let q := mulmod(sub(P, x), v, P)
            let m := mulmod(3, mulmod(addmod(x, sub(P, zz), P), addmod(x, zz, P), P), P)
            x3 := addmod(mulmod(m, m, P), addmod(q, q, P), P)
            // y3 = M * (X * V - x3) - W * Y
            y3 := sub(P, addmod(mulmod(m, addmod(x3, q, P), P), mulmod(w, y, P), P))
            zz3 := mulmod(v, zz, P)
            zzz3 := mulmod(w, zzz, P)
        }
    }

    /// @dev The sum of a point and the one in memory at `other`; right for all pairs of points.
    function _add(
        uint256 x,
        uint256 y,
        uint256 zz,
        uint256 zzz,
        uint256 other
    ) private pure returns (uint256 x3, uint256 y3, uint256 zz3, uint256 zzz3) {
        uint256 h;
        uint256 r;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            zz3 := mload(add(other, 64))
            zzz3 := mload(add(other, 96))
            x3 := mulmod(x, zz3, P)
            y3 := mulmod(y, zzz3, P)
            h := addmod(mulmod(mload(other), zz, P), sub(P, x3), P)
            r := addmod(mulmod(mload(add(other, 32)), zzz, P), sub(P, y3), P)
        }
        // With an infinity on either side both products of h are zero.
        if (h == 0) {
            if (zz3 == 0) return (x, y, zz, zzz);
            if (zz != 0) {
                // The same point, or the one with the other y.
                if (r == 0) return _double(x, y, zz, zzz);
                return (0, 0, 0, 0);
            }
            // solhint-disable-next-line no-inline-assembly
            assembly ("memory-safe") {
                x3 := mload(other)
                y3 := mload(add(other, 32))
            }
            return (x3, y3, zz3, zzz3);
        }
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let hh := mulmod(h, h, P)
            let hhh := mulmod(h, hh, P)
            // Minus X1 * HH.
            let q := mulmod(sub(P, x3), hh, P)
            let minus := sub(P, hhh)
            x3 := addmod(mulmod(r, r, P), addmod(minus, addmod(q, q, P), P), P)
            // y3 = R * (X1 * HH - x3) - Y1 * HHH
            y3 := sub(P, addmod(mulmod(r, addmod(x3, q, P), P), mulmod(y3, hhh, P), P))
            zz3 := mulmod(mulmod(zz, zz3, P), hh, P)
            zzz3 := mulmod(mulmod(zzz, zzz3, P), hhh, P)
        }
    }
}
