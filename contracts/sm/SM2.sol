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

    /// @notice Whether a point with this x is the generator or its opposite.
    /// @param x First affine coordinate
    /// @return True for both
    function isGenerator(uint256 x) internal pure returns (bool) {
        return x == GX;
    }

    /// @notice Z_A of a key with the default user id. Standard: GB/T 32918.2-2016 clause 5.5.
    /// @param x First affine coordinate
    /// @param y Second affine coordinate
    /// @return 32 bytes
    function zA(uint256 x, uint256 y) internal pure returns (bytes32) {
        SM3.begin(USER_ID.length + 192);
        uint256 to = SM3.MESSAGE;
        bytes18 userId = USER_ID;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(to, userId)
            to := add(to, 18)
            mstore(to, A)
            mstore(add(to, 32), B)
            mstore(add(to, 64), GX)
            mstore(add(to, 96), GY)
            mstore(add(to, 128), x)
            mstore(add(to, 160), y)
        }
        return SM3.finish(USER_ID.length + 192);
    }

    /// @notice Whether r, s and t = r + s modulo n are in the range of a signature.
    /// Standard: GB/T 32918.2-2016 clause 7.1, steps B1, B2 and B5.
    /// @param r First half of a signature
    /// @param s Second half of a signature
    /// @return inRange False where there is no signature
    /// @return t Its t
    function checkRange(uint256 r, uint256 s) internal pure returns (bool inRange, uint256 t) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            t := addmod(r, s, N)
            // A zero becomes 2^256 - 1, which is not below n - 1.
            inRange := and(lt(sub(r, 1), sub(N, 1)), lt(sub(s, 1), sub(N, 1)))
            inRange := and(inRange, iszero(iszero(t)))
        }
    }

    /// @notice Whether r = e + x1 modulo n for x1 = x / zz.
    /// Standard: GB/T 32918.2-2016 clause 7.1, steps B6 and B7.
    /// @dev Without the division: x1 is v or, as n < p < 2n, perhaps v + n.
    /// @param e Any number
    /// @param r First half of a signature
    /// @param x X of the point, below p
    /// @param zz ZZ of the point, below p and not zero
    /// @return equal True for a signature
    function matches(
        uint256 e,
        uint256 r,
        uint256 x,
        uint256 zz
    ) internal pure returns (bool equal) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let v := addmod(r, sub(N, mod(e, N)), N)
            equal := or(
                eq(mulmod(v, zz, P), x),
                and(lt(v, sub(P, N)), eq(mulmod(add(v, N), zz, P), x))
            )
        }
    }

    /// @notice X and ZZ of sG + tQ: two bits of both numbers at a time, from the top (Strauss).
    /// @dev Complete: right for all numbers and points; ZZ = 0 for infinity.
    /// @param s Any number
    /// @param t Any number
    /// @param qx First affine coordinate of a point on the curve
    /// @param qy Second affine coordinate
    /// @return x X, below p
    /// @return zz ZZ, below p
    // solhint-disable-next-line function-max-lines
    function sumOfMultiples(
        uint256 s,
        uint256 t,
        uint256 qx,
        uint256 qy
    ) internal pure returns (uint256 x, uint256 zz) {
        uint256 base = _multiples(qx, qy);
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            // What the general formulas leave out: infinity, equal and opposite points.
            function special(x1, y1, zz1, zzz1, other, r) -> x3, y3, zz3, zzz3 {
                if iszero(mload(add(other, 64))) {
                    x3 := x1
                    y3 := y1
                    zz3 := zz1
                    zzz3 := zzz1
                    leave
                }
                // The same point, or nothing: the other one then.
                if or(iszero(zz1), iszero(r)) {
                    x3 := mload(other)
                    y3 := mload(add(other, 32))
                    zz3 := mload(add(other, 64))
                    zzz3 := mload(add(other, 96))
                    if iszero(zz1) { leave }
                    let u := addmod(y3, y3, P)
                    let v := mulmod(u, u, P)
                    u := mulmod(u, v, P)
                    let q := mulmod(sub(P, x3), v, P)
                    let m := mulmod(addmod(sub(P, zz3), x3, P), addmod(zz3, x3, P), P)
                    m := mulmod(m, 3, P)
                    zz3 := mulmod(zz3, v, P)
                    zzz3 := mulmod(zzz3, u, P)
                    x3 := addmod(mulmod(m, m, P), addmod(q, q, P), P)
                    y3 := sub(P, addmod(mulmod(addmod(x3, q, P), m, P), mulmod(y3, u, P), P))
                }
                // Otherwise opposite points, and zeros.
            }

            mstore(0, s)
            mstore(32, t)
            let y
            let zzz
            for { let i := 256 } i {} {
                i := sub(i, 2)
                // Twice: infinity gives infinity. The first turns the sign of y, the second back.
                {
                    let u := addmod(y, y, P)
                    let v := mulmod(u, u, P)
                    u := mulmod(u, v, P)
                    let q := mulmod(sub(P, x), v, P)
                    let m := mulmod(addmod(sub(P, zz), x, P), addmod(zz, x, P), P)
                    m := mulmod(m, 3, P)
                    zz := mulmod(zz, v, P)
                    zzz := mulmod(zzz, u, P)
                    x := addmod(mulmod(m, m, P), addmod(q, q, P), P)
                    y := addmod(mulmod(addmod(x, q, P), m, P), mulmod(y, u, P), P)
                }
                {
                    let u := addmod(y, y, P)
                    let v := mulmod(u, u, P)
                    u := mulmod(u, v, P)
                    let q := mulmod(sub(P, x), v, P)
                    let m := mulmod(addmod(sub(P, zz), x, P), addmod(zz, x, P), P)
                    m := mulmod(m, 3, P)
                    zz := mulmod(zz, v, P)
                    zzz := mulmod(zzz, u, P)
                    x := addmod(mulmod(m, m, P), addmod(q, q, P), P)
                    y := addmod(mulmod(addmod(x, q, P), m, P), mulmod(y, u, P), P)
                }
                let other := or(shl(2, and(shr(i, mload(0)), 3)), and(shr(i, mload(32)), 3))
                if other {
                    other := add(base, shl(7, other))
                    let zzo := mload(add(other, 64))
                    let zzzo := mload(add(other, 96))
                    // Minus X1 * ZZ2 and minus Y1 * ZZZ2.
                    let nx := sub(P, mulmod(x, zzo, P))
                    let ny := sub(P, mulmod(y, zzzo, P))
                    let h := addmod(mulmod(mload(other), zz, P), nx, P)
                    let r := addmod(mulmod(mload(add(other, 32)), zzz, P), ny, P)
                    switch h
                    case 0 {
                        x, y, zz, zzz := special(x, y, zz, zzz, other, r)
                    }
                    default {
                        let hh := mulmod(h, h, P)
                        h := mulmod(h, hh, P)
                        zz := mulmod(mulmod(zz, zzo, P), hh, P)
                        zzz := mulmod(mulmod(zzz, zzzo, P), h, P)
                        // Minus X1 * ZZ2 * HH.
                        nx := mulmod(nx, hh, P)
                        x := addmod(mulmod(r, r, P), addmod(addmod(nx, nx, P), sub(P, h), P), P)
                        // y3 = R * (X1 * HH - x3) - Y1 * HHH
                        y := addmod(
                            mulmod(r, sub(P, addmod(x, nx, P)), P),
                            mulmod(ny, h, P),
                            P
                        )
                    }
                }
            }
        }
    }

    /// @notice Twice a point. No point has order two, and infinity gives infinity.
    /// @param x X
    /// @param y Y
    /// @param zz ZZ
    /// @param zzz ZZZ
    /// @return x3 X
    /// @return y3 Y
    /// @return zz3 ZZ
    /// @return zzz3 ZZZ
    function double(
        uint256 x,
        uint256 y,
        uint256 zz,
        uint256 zzz
    ) internal pure returns (uint256 x3, uint256 y3, uint256 zz3, uint256 zzz3) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let u := addmod(y, y, P)
            let v := mulmod(u, u, P)
            u := mulmod(u, v, P)
            // Minus X * V.
            let q := mulmod(sub(P, x), v, P)
            let m := mulmod(addmod(sub(P, zz), x, P), addmod(zz, x, P), P)
            m := mulmod(m, 3, P)
            x3 := addmod(mulmod(m, m, P), addmod(q, q, P), P)
            // y3 = M * (X * V - x3) - W * Y
            y3 := sub(P, addmod(mulmod(addmod(x3, q, P), m, P), mulmod(y, u, P), P))
            zz3 := mulmod(zz, v, P)
            zzz3 := mulmod(zzz, u, P)
        }
    }

    /// @notice Write a point to 128 bytes of memory.
    /// @param to Where
    /// @param x X
    /// @param y Y
    /// @param zz ZZ
    /// @param zzz ZZZ
    function put(uint256 to, uint256 x, uint256 y, uint256 zz, uint256 zzz) internal pure {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(to, x)
            mstore(add(to, 32), y)
            mstore(add(to, 64), zz)
            mstore(add(to, 96), zzz)
        }
    }

    /// @notice Write the sum of two points in memory; right for all pairs.
    /// @param to Where
    /// @param one Where the first stands; may be the same place
    /// @param other Where the second stands
    function putSum(uint256 to, uint256 one, uint256 other) internal pure {
        uint256 x;
        uint256 y;
        uint256 zz;
        uint256 zzz;
        uint256 h;
        uint256 r;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            zz := mload(add(other, 64))
            zzz := mload(add(other, 96))
            // Minus X1 * ZZ2 and minus Y1 * ZZZ2.
            x := sub(P, mulmod(mload(one), zz, P))
            y := sub(P, mulmod(mload(add(one, 32)), zzz, P))
            h := addmod(mulmod(mload(other), mload(add(one, 64)), P), x, P)
            r := addmod(mulmod(mload(add(other, 32)), mload(add(one, 96)), P), y, P)
        }
        if (h == 0) {
            _putSpecialSum(to, one, other, r);
            return;
        }
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let hh := mulmod(h, h, P)
            h := mulmod(h, hh, P)
            zz := mulmod(mulmod(zz, mload(add(one, 64)), P), hh, P)
            zzz := mulmod(mulmod(zzz, mload(add(one, 96)), P), h, P)
            x := mulmod(x, hh, P)
            y := mulmod(y, h, P)
            let x3 := addmod(mulmod(r, r, P), addmod(addmod(x, x, P), sub(P, h), P), P)
            mstore(add(to, 32), addmod(mulmod(r, sub(P, addmod(x3, x, P)), P), y, P))
            mstore(to, x3)
            mstore(add(to, 64), zz)
            mstore(add(to, 96), zzz)
        }
    }

    /// @dev What the general formulas leave out: infinity, equal and opposite points.
    function _putSpecialSum(uint256 to, uint256 one, uint256 other, uint256 r) private pure {
        (uint256 x, uint256 y, uint256 zz, uint256 zzz) = _get(one);
        (uint256 x2, uint256 y2, uint256 zz2, uint256 zzz2) = _get(other);
        if (zz == 0) {
            put(to, x2, y2, zz2, zzz2);
        } else if (zz2 == 0) {
            put(to, x, y, zz, zzz);
        } else if (r == 0) {
            (x, y, zz, zzz) = double(x, y, zz, zzz);
            put(to, x, y, zz, zzz);
        } else {
            put(to, 0, 0, 0, 0);
        }
    }

    function _get(
        uint256 from
    ) private pure returns (uint256 x, uint256 y, uint256 zz, uint256 zzz) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            x := mload(from)
            y := mload(add(from, 32))
            zz := mload(add(from, 64))
            zzz := mload(add(from, 96))
        }
    }

    /// @dev The sixteen points iG + jQ for i, j < 4, each 128 bytes, at index 4i + j.
    function _multiples(uint256 x, uint256 y) private pure returns (uint256 base) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            base := mload(64)
            mstore(64, add(base, 2048))
        }
        put(base + 128, x, y, 1, 1);
        put(base + 512, GX, GY, 1, 1);
        put(base + 1024, G2X, G2Y, 1, 1);
        put(base + 1536, G3X, G3Y, 1, 1);
        putSum(base + 256, base + 128, base + 128);
        putSum(base + 384, base + 256, base + 128);
        for (uint256 i = base + 512; i < base + 2048; i += 512) {
            for (uint256 j = 128; j < 512; j += 128) {
                putSum(i + j, i, base + j);
            }
        }
    }
}
