// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What others ask of a catalogue entry
struct EntryView {
    bytes32 department;
    uint256 items;
    uint32 version;
    uint8 sharingClass;
    bool live;
    uint8 updateCycle;
}

/// @title What the interface chain asks the directory chain
/// @notice The current version of an entry and whether it is live.
interface IEntries {
    /// @notice An entry's current version
    /// @param id The entry
    /// @return entry Department zero for an unknown one; items zero without a current version
    function entryView(bytes32 id) external view returns (EntryView memory entry);
}
