// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What the interface chain asks the access logs
/// @notice Which key is a gateway's: the authority registered its log.
interface ILogs {
    /// @notice The key that signs a log's checkpoints
    /// @param log The log
    /// @return keyId Zero for an unknown log
    function gatewayKey(bytes32 log) external view returns (bytes32 keyId);
}
