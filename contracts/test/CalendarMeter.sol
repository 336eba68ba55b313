// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import { Bits } from "../registry/Bits.sol";
import { CivilDays } from "../registry/CivilDays.sol";
import { Deadlines } from "../registry/Deadlines.sol";

/// @title The calendar's arithmetic, many values in one call
/// @notice For tests; never deployed.
contract CalendarMeter {
    /// @notice Places of days in a row
    /// @param first The first day
    /// @param count How many
    /// @return found year * 1000 + index for each
    function places(uint256 first, uint256 count) external pure returns (uint32[] memory found) {
        found = new uint32[](count);
        for (uint256 i = 0; i < count; ++i) {
            (uint256 year, uint256 index) = CivilDays.place(first + i);
            found[i] = uint32(year * 1000 + index);
        }
    }

    /// @notice Number of set bits of each word
    /// @param words The words
    /// @return counts 0 to 256 each
    function ones(uint256[] calldata words) external pure returns (uint256[] memory counts) {
        counts = new uint256[](words.length);
        for (uint256 i = 0; i < words.length; ++i) counts[i] = Bits.ones(words[i]);
    }

    /// @notice Places of all set bits of a word
    /// @param word The word
    /// @return bits From the lowest
    function all(uint256 word) external pure returns (uint256[] memory bits) {
        bits = new uint256[](Bits.ones(word));
        for (uint256 i = 0; i < bits.length; ++i) bits[i] = Bits.nth(word, i + 1);
    }

    /// @notice The deadlines in the order of the source, then the day of the block
    /// @return numbers Working days, and the day
    function deadlines() external view returns (uint32[9] memory numbers) {
        return [
            Deadlines.ENTRY_UPDATE,
            Deadlines.ENTRY_UPDATE_EXTENSION,
            Deadlines.ENTRY_REVIEW,
            Deadlines.ANSWER_UNCONDITIONAL,
            Deadlines.ANSWER_CONDITIONAL,
            Deadlines.ANSWER_EXTENSION,
            Deadlines.PROVISION,
            Deadlines.CORRECTION,
            Deadlines.today()
        ];
    }
}
