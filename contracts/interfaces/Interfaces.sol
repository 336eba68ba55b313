// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {EntryView, IEntries} from "../directory/IEntries.sol";
import {ILogs} from "../log/ILogs.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {IInterfaces, InterfaceView} from "./IInterfaces.sol";

/// @title Interface chain
/// @notice Interfaces that serve published entries, and their versions (docs/protocol.md 3.4).
contract Interfaces is RegistryUser, IInterfaces {
    using ActBytes for bytes;

    error EntryNotLive(bytes32 entry);
    error EntryNotShared(bytes32 entry);
    error VersionNotCurrent(uint32 current);
    error ItemsNotCovered(uint256 items, uint256 covered);
    error SuspendedByOther();
    error InterfaceNotTested();

    /// @notice The act InterfaceRegistered, which is its own proof (docs/protocol.md 3.2)
    event InterfaceRegistered(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act InterfaceOnline, which is its own proof (docs/protocol.md 3.2)
    event InterfaceOnline(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act InterfaceSuspended, which is its own proof (docs/protocol.md 3.2)
    event InterfaceSuspended(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act InterfaceResumed, which is its own proof (docs/protocol.md 3.2)
    event InterfaceResumed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act InterfaceRetired, which is its own proof (docs/protocol.md 3.2)
    event InterfaceRetired(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    /// @notice The act InterfaceTested, which is its own proof (docs/protocol.md 3.2)
    event InterfaceTested(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    enum State {
        NONE,
        REGISTERED,
        ONLINE,
        SUSPENDED,
        RETIRED
    }

    struct Interface {
        bytes32 department;
        bytes32 entry;
        uint64 revision;
        uint32 version;
        State state;
        uint8 suspendedBy;
        uint256 items;
        uint256 pendingItems;
        bytes32 document;
        bytes32 pendingDocument;
        // Of the pending version: 0 not tested, 1 passed, 2 failed.
        uint8 testResult;
    }

    uint256 private constant NOT_SHARED = 3;
    uint256 private constant PASSED = 1;
    uint256 private constant FAILED = 2;

    /// @notice Directory chain
    IEntries public immutable ENTRIES;

    /// @notice Access logs, which name the gateways
    ILogs public immutable LOGS;

    /// @notice Interfaces by id; without a pending version `pendingItems` is zero
    mapping(bytes32 id => Interface one) public interfaces;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param entries_ Directory chain
    /// @param logs_ Access logs
    constructor(IRegistry registry_, IEntries entries_, ILogs logs_) RegistryUser(registry_) {
        ENTRIES = entries_;
        LOGS = logs_;
    }

    /// @inheritdoc IInterfaces
    function interfaceView(bytes32 id) external view override returns (InterfaceView memory) {
        Interface storage one = interfaces[id];
        EntryView memory entry = ENTRIES.entryView(one.entry);
        return
            InterfaceView(
                one.department,
                one.items,
                one.items & entry.items,
                one.version,
                one.state == State.ONLINE && entry.live && entry.sharingClass != NOT_SHARED,
                entry.sharingClass
            );
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.interfacesLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.INTERFACE_REGISTERED) return _interfaceRegistered(m, step);
        if (step.code == ActTypes.INTERFACE_ONLINE) return _interfaceOnline(m, step);
        if (step.code == ActTypes.INTERFACE_SUSPENDED) return _interfaceSuspended(m, step);
        if (step.code == ActTypes.INTERFACE_RESUMED) return _interfaceResumed(step);
        if (step.code == ActTypes.INTERFACE_RETIRED) return _interfaceRetired(m, step);
        return _interfaceTested(m, step);
    }

    function _interfaceRegistered(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        bytes32 id = step.target == 0 ? step.actId : step.target;
        Interface storage one = interfaces[id];
        if (step.target == 0) _requireNew(step);
        else _requireTarget(step, one.revision);
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        if (step.target != 0) _requireDepartment(step, 0, one.department);
        if (one.state == State.RETIRED) revert StateInvalid();
        bytes32 entryId = bytes32(m.get(ActTypes.INTERFACE_REGISTERED_ENTRY));
        _requireValue(
            step.target == 0 || entryId == one.entry,
            ActTypes.INTERFACE_REGISTERED_ENTRY
        );
        EntryView memory entry = ENTRIES.entryView(entryId);
        if (!entry.live) revert EntryNotLive(entryId);
        _requireDepartment(step, 0, entry.department);
        if (entry.sharingClass == NOT_SHARED) revert EntryNotShared(entryId);
        if (m.get(ActTypes.INTERFACE_REGISTERED_ENTRY_VERSION) != entry.version) {
            revert VersionNotCurrent(entry.version);
        }
        _requireNonzero(m, ActTypes.INTERFACE_REGISTERED_ITEMS);
        uint256 items = m.get(ActTypes.INTERFACE_REGISTERED_ITEMS);
        if (items & ~entry.items != 0) revert ItemsNotCovered(items, entry.items);
        _requireNonzero(m, ActTypes.INTERFACE_REGISTERED_DOCUMENT);
        _requireNonzero(m, ActTypes.INTERFACE_REGISTERED_NODE);
        if (step.target == 0) {
            one.department = entry.department;
            one.entry = entryId;
            one.state = State.REGISTERED;
        }
        one.pendingItems = items;
        one.pendingDocument = bytes32(m.get(ActTypes.INTERFACE_REGISTERED_DOCUMENT));
        one.testResult = 0;
        return (InterfaceRegistered.selector, id, ++one.revision);
    }

    function _interfaceOnline(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Interface storage one = _openByOfficer(step);
        if (one.state == State.RETIRED || one.pendingItems == 0) revert StateInvalid();
        _requireValue(
            bytes32(m.get(ActTypes.INTERFACE_ONLINE_DOCUMENT)) == one.pendingDocument,
            ActTypes.INTERFACE_ONLINE_DOCUMENT
        );
        if (one.testResult != PASSED) revert InterfaceNotTested();
        EntryView memory entry = ENTRIES.entryView(one.entry);
        if (!entry.live) revert EntryNotLive(one.entry);
        if (entry.sharingClass == NOT_SHARED) revert EntryNotShared(one.entry);
        if (one.pendingItems & ~entry.items != 0) {
            revert ItemsNotCovered(one.pendingItems, entry.items);
        }
        if (one.state == State.REGISTERED) one.state = State.ONLINE;
        one.version++;
        one.items = one.pendingItems;
        one.document = one.pendingDocument;
        one.pendingItems = 0;
        return (InterfaceOnline.selector, step.target, ++one.revision);
    }

    function _interfaceSuspended(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Interface storage one = interfaces[step.target];
        _requireTarget(step, one.revision);
        uint8 side = _side(step, one.department);
        if (one.state != State.ONLINE) revert StateInvalid();
        _requireNonzero(m, ActTypes.INTERFACE_SUSPENDED_REASON);
        one.state = State.SUSPENDED;
        one.suspendedBy = side;
        return (InterfaceSuspended.selector, step.target, ++one.revision);
    }

    function _interfaceResumed(Step memory step) private returns (bytes32, bytes32, uint64) {
        Interface storage one = interfaces[step.target];
        _requireTarget(step, one.revision);
        uint8 side = _side(step, one.department);
        if (one.state != State.SUSPENDED) revert StateInvalid();
        if (one.suspendedBy != side) revert SuspendedByOther();
        one.state = State.ONLINE;
        one.suspendedBy = 0;
        return (InterfaceResumed.selector, step.target, ++one.revision);
    }

    function _interfaceRetired(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Interface storage one = _openByOfficer(step);
        if (one.state == State.RETIRED) revert StateInvalid();
        _requireNonzero(m, ActTypes.INTERFACE_RETIRED_REASON);
        one.state = State.RETIRED;
        one.pendingItems = 0;
        return (InterfaceRetired.selector, step.target, ++one.revision);
    }

    function _interfaceTested(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Interface storage one = interfaces[step.target];
        _requireTarget(step, one.revision);
        _requireRole(step, 0, ActTypes.ROLE_GATEWAY);
        if (one.pendingItems == 0) revert StateInvalid();
        _requireValue(
            bytes32(m.get(ActTypes.INTERFACE_TESTED_DOCUMENT)) == one.pendingDocument,
            ActTypes.INTERFACE_TESTED_DOCUMENT
        );
        _requireRange(m, ActTypes.INTERFACE_TESTED_TEST_RESULT, PASSED, FAILED);
        // Any head can enrol a gateway; only the authority registers a gateway's log.
        _requireValue(
            LOGS.gatewayKey(bytes32(m.get(ActTypes.INTERFACE_TESTED_LOG))) == step.signers[0].keyId,
            ActTypes.INTERFACE_TESTED_LOG
        );
        _requireNonzero(m, ActTypes.INTERFACE_TESTED_REPORT);
        one.testResult = uint8(m.get(ActTypes.INTERFACE_TESTED_TEST_RESULT));
        return (InterfaceTested.selector, step.target, ++one.revision);
    }

    function _openByOfficer(Step memory step) private view returns (Interface storage one) {
        one = interfaces[step.target];
        _requireTarget(step, one.revision);
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, one.department);
    }
}
