// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Set bits of a word
/// @notice How many, and where.
library Bits {
    /// @notice How many bits are set
    /// @param word The word
    /// @return count 0 to 256
    function ones(uint256 word) internal pure returns (uint256 count) {
        unchecked {
            // Sums of neighbours in 2, 4, 8 and 16 bits; the product adds up the 16 sums.
            uint256 x = word - ((word >> 1) & (type(uint256).max / 3));
            uint256 pairs = type(uint256).max / 5;
            x = (x & pairs) + ((x >> 2) & pairs);
            x = (x + (x >> 4)) & (type(uint256).max / 17);
            x = (x + (x >> 8)) & (type(uint256).max / 257);
            return (x * (type(uint256).max / 65_535)) >> 240;
        }
    }

    /// @notice The place of the n-th set bit, counted from the lowest
    /// @param word The word
    /// @param n 1 to ones(word)
    /// @return bit 0 to 255
    function nth(uint256 word, uint256 n) internal pure returns (uint256 bit) {
        for (uint256 width = 128; width > 0; width >>= 1) {
            uint256 lower = word & ((1 << width) - 1);
            uint256 found = ones(lower);
            if (n > found) {
                n -= found;
                word >>= width;
                bit += width;
            } else {
                word = lower;
            }
        }
    }
}
