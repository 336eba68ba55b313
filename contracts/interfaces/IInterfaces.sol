// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What others ask of an interface
struct InterfaceView {
    bytes32 department;
    uint256 items;
    uint256 effectiveItems;
    uint32 version;
    bool live;
    uint8 sharingClass;
}

/// @title What the sharing chain asks the interface chain
/// @notice The current version of an interface and whether it is live.
interface IInterfaces {
    /// @notice An interface's current version
    /// @param id The interface
    /// @return one Department zero for an unknown one; `effectiveItems` are its items that the
    /// entry's current version still has
    function interfaceView(bytes32 id) external view returns (InterfaceView memory one);
}
