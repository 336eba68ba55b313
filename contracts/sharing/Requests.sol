// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {IInterfaces, InterfaceView} from "../interfaces/IInterfaces.sol";
import {IRegistry} from "../registry/IRegistry.sol";

/// @title Sharing chain
/// @notice Requests for data and the grants that they become (docs/protocol.md 3.4).
contract Requests is RegistryUser {
    using ActBytes for bytes;

    error InterfaceNotLive(bytes32 id);
    error OwnData(bytes32 department);
    error VersionNotCurrent(uint32 current);
    error ItemsNotCovered(uint256 items, uint256 covered);
    error SuspendedByOther();

    /// @notice The act RequestFiled, which is its own proof (docs/protocol.md 3.2)
    event RequestFiled(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act RequestAgreed, which is its own proof (docs/protocol.md 3.2)
    event RequestAgreed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act RequestRefused, which is its own proof (docs/protocol.md 3.2)
    event RequestRefused(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act GrantSuspended, which is its own proof (docs/protocol.md 3.2)
    event GrantSuspended(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act GrantResumed, which is its own proof (docs/protocol.md 3.2)
    event GrantResumed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act GrantRevoked, which is its own proof (docs/protocol.md 3.2)
    event GrantRevoked(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    enum State {
        NONE,
        FILED,
        AGREED,
        REFUSED,
        SUSPENDED,
        REVOKED
    }

    struct Request {
        bytes32 requester;
        bytes32 provider;
        bytes32 interfaceId;
        uint64 revision;
        State state;
        uint8 suspendedBy;
        // Asked for while FILED, granted from AGREED on.
        uint256 items;
        uint64 validFrom;
        uint64 validUntil;
        uint64 quota;
    }

    /// @notice Interface chain
    IInterfaces public immutable INTERFACES;

    /// @notice Requests by id; items and term are those asked for until it is agreed, then those
    /// granted
    mapping(bytes32 id => Request request) public requests;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param interfaces_ Interface chain
    constructor(IRegistry registry_, IInterfaces interfaces_) RegistryUser(registry_) {
        INTERFACES = interfaces_;
    }

    /// @notice Whether a grant is live at a time
    /// @param id The grant, which is its request
    /// @param time Unix seconds
    function isLive(bytes32 id, uint64 time) external view returns (bool) {
        Request storage request = requests[id];
        return
            request.state == State.AGREED &&
            request.validFrom <= time &&
            time <= request.validUntil &&
            INTERFACES.interfaceView(request.interfaceId).live;
    }

    /// @notice Items that a grant releases: grant, interface and current entry together
    /// @param id The grant, which is its request
    function effectiveItems(bytes32 id) external view returns (uint256) {
        Request storage request = requests[id];
        if (request.state != State.AGREED && request.state != State.SUSPENDED) return 0;
        return request.items & INTERFACES.interfaceView(request.interfaceId).effectiveItems;
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.requestsLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.REQUEST_FILED) return _requestFiled(m, step);
        if (step.code == ActTypes.REQUEST_AGREED) return _requestAgreed(m, step);
        if (step.code == ActTypes.REQUEST_REFUSED) return _requestRefused(m, step);
        if (step.code == ActTypes.GRANT_SUSPENDED) return _grantSuspended(m, step);
        if (step.code == ActTypes.GRANT_RESUMED) return _grantResumed(step);
        return _grantRevoked(m, step);
    }

    function _requestFiled(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        bytes32 requester = step.signers[0].department;
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        _requireRole(step, 1, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 1, requester);
        bytes32 interfaceId = bytes32(m.get(ActTypes.REQUEST_FILED_INTERFACE));
        InterfaceView memory one = INTERFACES.interfaceView(interfaceId);
        if (!one.live) revert InterfaceNotLive(interfaceId);
        if (one.department == requester) revert OwnData(requester);
        if (m.get(ActTypes.REQUEST_FILED_INTERFACE_VERSION) != one.version) {
            revert VersionNotCurrent(one.version);
        }
        uint256 from = m.get(ActTypes.REQUEST_FILED_VALID_FROM);
        uint256 until = m.get(ActTypes.REQUEST_FILED_VALID_UNTIL);
        _requireValue(
            from <= until && until > block.timestamp,
            ActTypes.REQUEST_FILED_VALID_UNTIL
        );
        _requireNonzero(m, ActTypes.REQUEST_FILED_QUOTA);
        _requireNonzero(m, ActTypes.REQUEST_FILED_ITEMS);
        _requireNonzero(m, ActTypes.REQUEST_FILED_LEGAL_BASIS);
        _requireNonzero(m, ActTypes.REQUEST_FILED_SCENARIO);
        _requireNonzero(m, ActTypes.REQUEST_FILED_CASE);
        uint256 items = m.get(ActTypes.REQUEST_FILED_ITEMS);
        if (items & ~one.items != 0) revert ItemsNotCovered(items, one.items);
        requests[step.actId] = Request(
            requester,
            one.department,
            interfaceId,
            1,
            State.FILED,
            0,
            items,
            uint64(from),
            uint64(until),
            uint64(m.get(ActTypes.REQUEST_FILED_QUOTA))
        );
        return (RequestFiled.selector, step.actId, 1);
    }

    function _requestAgreed(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Request storage request = _openByProvider(step);
        if (request.state != State.FILED) revert StateInvalid();
        InterfaceView memory one = INTERFACES.interfaceView(request.interfaceId);
        if (!one.live) revert InterfaceNotLive(request.interfaceId);
        _requireNonzero(m, ActTypes.REQUEST_AGREED_ITEMS);
        uint256 from = m.get(ActTypes.REQUEST_AGREED_VALID_FROM);
        uint256 until = m.get(ActTypes.REQUEST_AGREED_VALID_UNTIL);
        _requireValue(from >= request.validFrom, ActTypes.REQUEST_AGREED_VALID_FROM);
        _requireValue(
            from <= until && until <= request.validUntil,
            ActTypes.REQUEST_AGREED_VALID_UNTIL
        );
        _requireRange(m, ActTypes.REQUEST_AGREED_QUOTA, 1, request.quota);
        uint256 items = m.get(ActTypes.REQUEST_AGREED_ITEMS);
        uint256 covered = request.items & one.effectiveItems;
        if (items & ~covered != 0) revert ItemsNotCovered(items, covered);
        request.state = State.AGREED;
        request.items = items;
        request.validFrom = uint64(from);
        request.validUntil = uint64(until);
        request.quota = uint64(m.get(ActTypes.REQUEST_AGREED_QUOTA));
        return (RequestAgreed.selector, step.target, ++request.revision);
    }

    function _requestRefused(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Request storage request = _openByProvider(step);
        if (request.state != State.FILED) revert StateInvalid();
        _requireNonzero(m, ActTypes.REQUEST_REFUSED_REASON);
        request.state = State.REFUSED;
        return (RequestRefused.selector, step.target, ++request.revision);
    }

    function _grantSuspended(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Request storage request = requests[step.target];
        _requireTarget(step, request.revision);
        uint8 side = _side(step, request.provider);
        if (request.state != State.AGREED) revert StateInvalid();
        _requireNonzero(m, ActTypes.GRANT_SUSPENDED_REASON);
        request.state = State.SUSPENDED;
        request.suspendedBy = side;
        return (GrantSuspended.selector, step.target, ++request.revision);
    }

    function _grantResumed(Step memory step) private returns (bytes32, bytes32, uint64) {
        Request storage request = requests[step.target];
        _requireTarget(step, request.revision);
        uint8 side = _side(step, request.provider);
        if (request.state != State.SUSPENDED) revert StateInvalid();
        if (request.suspendedBy != side) revert SuspendedByOther();
        request.state = State.AGREED;
        request.suspendedBy = 0;
        return (GrantResumed.selector, step.target, ++request.revision);
    }

    function _grantRevoked(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Request storage request = requests[step.target];
        _requireTarget(step, request.revision);
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        if (step.signers[0].department != request.requester) {
            _requireDepartment(step, 0, request.provider);
        }
        if (request.state != State.AGREED && request.state != State.SUSPENDED) {
            revert StateInvalid();
        }
        _requireNonzero(m, ActTypes.GRANT_REVOKED_REASON);
        request.state = State.REVOKED;
        return (GrantRevoked.selector, step.target, ++request.revision);
    }

    function _openByProvider(Step memory step) private view returns (Request storage request) {
        request = requests[step.target];
        _requireTarget(step, request.revision);
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, request.provider);
    }
}
