// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Statutory deadlines of State Council Order 809, in working days
/// @notice The same numbers as protocol/deadlines.py; a test holds the two together.
library Deadlines {
    /// @notice Art 16: the department updates an entry after its duty or data changed
    uint32 internal constant ENTRY_UPDATE = 10;
    /// @notice Art 16: at most this much longer, with the authority's consent
    uint32 internal constant ENTRY_UPDATE_EXTENSION = 5;
    /// @notice Art 17: the authority reviews and publishes a submitted update
    uint32 internal constant ENTRY_REVIEW = 2;
    /// @notice Art 21: the provider answers a request for an entry of unconditional sharing
    uint32 internal constant ANSWER_UNCONDITIONAL = 1;
    /// @notice Art 21: the provider answers a request for an entry of conditional sharing
    uint32 internal constant ANSWER_CONDITIONAL = 10;
    /// @notice Art 21: at most this much longer, with the authority's consent
    uint32 internal constant ANSWER_EXTENSION = 10;
    /// @notice Art 22: the provider provides the data after it consented
    uint32 internal constant PROVISION = 20;
    /// @notice Art 26: the provider verifies, corrects and reports on a correction
    uint32 internal constant CORRECTION = 10;

    /// @dev Asia/Shanghai is eight hours ahead of UTC all year, in law since 1949 but for the
    /// summers of 1986 to 1991, long before the first day that is counted here.
    uint256 private constant OFFSET = 8 hours;

    /// @notice Day of the block, as ICalendar counts days
    function today() internal view returns (uint32) {
        // A day number fits 32 bits for eleven million years.
        return uint32((block.timestamp + OFFSET) / 1 days);
    }
}
