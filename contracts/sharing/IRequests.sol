// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice State of a request; the grant exists from AGREED on (docs/protocol.md 3.4)
enum RequestState {
    NONE,
    FILED,
    AGREED,
    REFUSED,
    SUSPENDED,
    REVOKED,
    SUPPLEMENT,
    WITHDRAWN,
    PROVIDED,
    DISPOSED
}

/// @notice What others ask of a request
struct RequestView {
    bytes32 requester;
    bytes32 provider;
    uint256 items;
    uint64 validUntil;
    RequestState state;
    bool granted;
}

/// @title What the rest of the sharing chain asks of requests and grants
/// @notice The parties, the items and the state.
interface IRequests {
    /// @notice A request, or the grant that it became
    /// @param id The request
    /// @return request Requester zero for an unknown one; `items` and `validUntil` are those
    /// granted once it was agreed, `granted` says whether it was
    function requestView(bytes32 id) external view returns (RequestView memory request);

    /// @notice Whether a grant is live at a time
    /// @param id The grant, which is its request
    /// @param time Unix seconds
    function isLive(bytes32 id, uint64 time) external view returns (bool);

    /// @notice Items that a grant releases: grant, interface and current entry together
    /// @param id The grant, which is its request
    function effectiveItems(bytes32 id) external view returns (uint256);
}
