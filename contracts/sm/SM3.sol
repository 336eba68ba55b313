// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title SM3
/// @notice The SM3 digest in plain EVM. Standard: GB/T 32905-2016.
library SM3 {
    /// @dev A pattern of 32 bits twice in 64, so that every rotation is one shift to the right.
    uint256 private constant TWICE = 0x100000001;
    /// @dev The same three times in 96: what a rotation leaves is still there twice.
    uint256 private constant THRICE = 0x10000000100000001;
    uint256 private constant MASK = 0xffffffff;
    /// @dev The lower half of each of four lanes of 64 bits.
    uint256 private constant LANES = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    /// @dev The lower half of each of two lanes of 128 bits.
    uint256 private constant PAIRS = 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;

    /// @dev Clause 4.1.
    uint256 private constant IV = 0x7380166f4914b2b9172442d7da8a0600a96f30bc163138aae38dee4db0fb0e4e;

    /// @notice The digest of prefix || message.
    /// @param prefix What comes first
    /// @param message What follows
    /// @return 32 bytes
    function digest(bytes memory prefix, bytes calldata message) internal pure returns (bytes32) {
        return _compress(bytes.concat(prefix, message, _padding(prefix.length + message.length)));
    }

    /// @notice The digest of a message.
    /// @param message Any number of bytes
    /// @return 32 bytes
    function digest(bytes memory message) internal pure returns (bytes32) {
        return _compress(bytes.concat(message, _padding(message.length)));
    }

    /// @dev Clause 5.2: a one bit, zeros, and the length in bits as 64 bits, to full blocks.
    function _padding(uint256 length) private pure returns (bytes memory padding) {
        uint256 size = 64 - ((length + 8) % 64) + 8;
        padding = new bytes(size);
        padding[0] = 0x80;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            // The last word starts inside or before the padding; only its 64 lowest bits change.
            let last := add(padding, size)
            mstore(last, or(mload(last), shl(3, length)))
        }
    }

    /// @dev Clause 5.3. Between steps a word may carry anything above its lowest 32 bits; a, b, e
    /// and f have their word twice in the lowest 64. Sums are cut to 32 bits before they are
    /// multiplied by TWICE or THRICE.
    /// @param blocks A multiple of 64 bytes
    // solhint-disable-next-line function-max-lines
    function _compress(bytes memory blocks) private pure returns (bytes32 state) {
        // 68 words of 64 bits each, from byte 24 on; stores reach 24 bytes over the last one.
        bytes memory words = new bytes(600);
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            // Doubled words: the lane of word j ends at w + 8 * j + 32.
            let w := add(words, 32)
            // The state lies in scratch memory during a block: the stack reaches sixteen deep.
            mstore(0, IV)

            // 1, 2: two lanes of 32 bits become two of 64, each with its word twice.
            function spread(at, four) {
                four := and(or(four, shl(64, four)), PAIRS)
                four := and(or(four, shl(32, four)), LANES)
                mstore(at, mul(four, TWICE))
            }

            mstore(32, add(add(blocks, 32), mload(blocks)))
            for { let at := add(blocks, 32) } lt(at, mload(32)) { at := add(at, 64) } {
                // Words 0 to 15.
                {
                    let eight := mload(at)
                    spread(add(w, 24), shr(128, eight))
                    spread(add(w, 56), and(eight, 0xffffffffffffffffffffffffffffffff))
                    eight := mload(add(at, 32))
                    spread(add(w, 88), shr(128, eight))
                    spread(add(w, 120), and(eight, 0xffffffffffffffffffffffffffffffff))
                }
                // Clause 5.3.2, words 16 to 67, three at a time as word j needs word j - 3. The
                // fourth lane is wrong until the next step writes it.
                for {
                    let q := add(w, 24)
                    let last := add(q, 416)
                } lt(q, last) { q := add(q, 24) } {
                    let x := xor(xor(mload(q), mload(add(q, 56))), shr(17, mload(add(q, 104))))
                    x := mul(and(x, LANES), TWICE)
                    x := xor(xor(x, shr(17, x)), shr(9, x))
                    x := xor(xor(x, shr(25, mload(add(q, 24)))), mload(add(q, 80)))
                    mstore(add(q, 128), mul(and(x, LANES), TWICE))
                }

                let a := mul(shr(224, mload(0)), TWICE)
                let b := mul(and(shr(192, mload(0)), MASK), TWICE)
                let c := shr(160, mload(0))
                let d := shr(128, mload(0))
                let e := shr(96, mload(0))
                let f := mul(and(shr(64, mload(0)), MASK), TWICE)
                let g := shr(32, mload(0))
                let h := mload(0)
                e := mul(and(e, MASK), TWICE)

                // Clause 5.3.3, steps 0 to 15. The names turn instead of the values: after four
                // steps each is back in its place. `t` is 0x79cc4519 eight times.
                for { let q := w } lt(q, add(w, 128)) { q := add(q, 32) } {
                    let t := shr(
                        sub(61, shr(3, sub(q, w))),
                        0x79cc451979cc451979cc451979cc451979cc451979cc451979cc451979cc4519
                    )
                    {
                        let r := shr(20, a)
                        let u := shr(25, mul(and(add(add(r, e), shr(3, t)), MASK), TWICE))
                        d := add(add(xor(xor(a, b), c), d), xor(u, r))
                        d := mul(and(add(d, xor(mload(q), mload(add(q, 32)))), MASK), TWICE)
                        h := add(add(xor(xor(e, f), g), h), add(u, mload(q)))
                        h := mul(and(h, MASK), THRICE)
                        h := xor(xor(h, shr(23, h)), shr(15, h))
                        b := shr(23, b)
                        f := shr(13, f)
                    }
                    {
                        let r := shr(20, d)
                        let u := shr(25, mul(and(add(add(r, h), shr(2, t)), MASK), TWICE))
                        c := add(add(xor(xor(d, a), b), c), xor(u, r))
                        c := mul(and(add(c, xor(mload(add(q, 8)), mload(add(q, 40)))), MASK), TWICE)
                        g := add(add(xor(xor(h, e), f), g), add(u, mload(add(q, 8))))
                        g := mul(and(g, MASK), THRICE)
                        g := xor(xor(g, shr(23, g)), shr(15, g))
                        a := shr(23, a)
                        e := shr(13, e)
                    }
                    {
                        let r := shr(20, c)
                        let u := shr(25, mul(and(add(add(r, g), shr(1, t)), MASK), TWICE))
                        b := add(add(xor(xor(c, d), a), b), xor(u, r))
                        b := mul(and(add(b, xor(mload(add(q, 16)), mload(add(q, 48)))), MASK), TWICE)
                        f := add(add(xor(xor(g, h), e), f), add(u, mload(add(q, 16))))
                        f := mul(and(f, MASK), THRICE)
                        f := xor(xor(f, shr(23, f)), shr(15, f))
                        d := shr(23, d)
                        h := shr(13, h)
                    }
                    {
                        let r := shr(20, b)
                        let u := shr(25, mul(and(add(add(r, f), t), MASK), TWICE))
                        a := add(add(xor(xor(b, c), d), a), xor(u, r))
                        a := mul(and(add(a, xor(mload(add(q, 24)), mload(add(q, 56)))), MASK), TWICE)
                        e := add(add(xor(xor(f, g), h), e), add(u, mload(add(q, 24))))
                        e := mul(and(e, MASK), THRICE)
                        e := xor(xor(e, shr(23, e)), shr(15, e))
                        c := shr(23, c)
                        g := shr(13, g)
                    }
                }
                // Steps 16 to 63: majority and choice instead of sums without carry.
                for { let q := add(w, 128) } lt(q, add(w, 512)) { q := add(q, 32) } {
                    let t := shr(
                        sub(61, shr(3, sub(q, w))),
                        0x7a879d8a7a879d8a7a879d8a7a879d8a7a879d8a7a879d8a7a879d8a7a879d8a
                    )
                    {
                        let r := shr(20, a)
                        let u := shr(25, mul(and(add(add(r, e), shr(3, t)), MASK), TWICE))
                        d := add(add(or(and(a, b), and(or(a, b), c)), d), xor(u, r))
                        d := mul(and(add(d, xor(mload(q), mload(add(q, 32)))), MASK), TWICE)
                        h := add(add(xor(and(xor(f, g), e), g), h), add(u, mload(q)))
                        h := mul(and(h, MASK), THRICE)
                        h := xor(xor(h, shr(23, h)), shr(15, h))
                        b := shr(23, b)
                        f := shr(13, f)
                    }
                    {
                        let r := shr(20, d)
                        let u := shr(25, mul(and(add(add(r, h), shr(2, t)), MASK), TWICE))
                        c := add(add(or(and(d, a), and(or(d, a), b)), c), xor(u, r))
                        c := mul(and(add(c, xor(mload(add(q, 8)), mload(add(q, 40)))), MASK), TWICE)
                        g := add(add(xor(and(xor(e, f), h), f), g), add(u, mload(add(q, 8))))
                        g := mul(and(g, MASK), THRICE)
                        g := xor(xor(g, shr(23, g)), shr(15, g))
                        a := shr(23, a)
                        e := shr(13, e)
                    }
                    {
                        let r := shr(20, c)
                        let u := shr(25, mul(and(add(add(r, g), shr(1, t)), MASK), TWICE))
                        b := add(add(or(and(c, d), and(or(c, d), a)), b), xor(u, r))
                        b := mul(and(add(b, xor(mload(add(q, 16)), mload(add(q, 48)))), MASK), TWICE)
                        f := add(add(xor(and(xor(h, e), g), e), f), add(u, mload(add(q, 16))))
                        f := mul(and(f, MASK), THRICE)
                        f := xor(xor(f, shr(23, f)), shr(15, f))
                        d := shr(23, d)
                        h := shr(13, h)
                    }
                    {
                        let r := shr(20, b)
                        let u := shr(25, mul(and(add(add(r, f), t), MASK), TWICE))
                        a := add(add(or(and(b, c), and(or(b, c), d)), a), xor(u, r))
                        a := mul(and(add(a, xor(mload(add(q, 24)), mload(add(q, 56)))), MASK), TWICE)
                        e := add(add(xor(and(xor(g, h), f), h), e), add(u, mload(add(q, 24))))
                        e := mul(and(e, MASK), THRICE)
                        e := xor(xor(e, shr(23, e)), shr(15, e))
                        c := shr(23, c)
                        g := shr(13, g)
                    }
                }

                a := or(shl(224, a), shl(192, and(b, MASK)))
                a := or(a, or(shl(160, and(c, MASK)), shl(128, and(d, MASK))))
                e := or(shl(96, and(e, MASK)), shl(64, and(f, MASK)))
                e := or(e, or(shl(32, and(g, MASK)), and(h, MASK)))
                mstore(0, xor(mload(0), or(a, e)))
            }
            state := mload(0)
        }
    }
}
