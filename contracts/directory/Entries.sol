// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {EntryView, IEntries} from "./IEntries.sol";

/// @title Directory chain
/// @notice Catalogue entries and their versions: submitted by a department with its head,
/// published by the authority (docs/protocol.md 3.4).
contract Entries is RegistryUser, IEntries {
    using ActBytes for bytes;

    /// @notice The act EntrySubmitted, which is its own proof (docs/protocol.md 3.2)
    event EntrySubmitted(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act EntryPublished, which is its own proof (docs/protocol.md 3.2)
    event EntryPublished(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act EntryRetired, which is its own proof (docs/protocol.md 3.2)
    event EntryRetired(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    enum State {
        NONE,
        SUBMITTED,
        PUBLISHED,
        RETIRED
    }

    struct Entry {
        bytes32 department;
        uint64 revision;
        uint32 version;
        State state;
        uint8 sharingClass;
        uint8 pendingClass;
        uint256 items;
        uint256 pendingItems;
        bytes32 document;
        bytes32 pendingDocument;
    }

    /// @notice Entries by id; without a pending version `pendingItems` is zero
    mapping(bytes32 id => Entry entry) public entries;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    constructor(IRegistry registry_) RegistryUser(registry_) {}

    /// @inheritdoc IEntries
    function entryView(bytes32 id) external view override returns (EntryView memory) {
        Entry storage entry = entries[id];
        return
            EntryView(
                entry.department,
                entry.items,
                entry.version,
                entry.sharingClass,
                entry.state == State.PUBLISHED
            );
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.entriesLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.ENTRY_SUBMITTED) return _entrySubmitted(m, step);
        if (step.code == ActTypes.ENTRY_PUBLISHED) return _entryPublished(m, step);
        return _entryRetired(m, step);
    }

    function _entrySubmitted(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        bytes32 id = step.target == 0 ? step.actId : step.target;
        Entry storage entry = entries[id];
        bytes32 department = step.signers[0].department;
        if (step.target == 0) _requireNew(step);
        else _requireTarget(step, entry.revision);
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        _requireRole(step, 1, ActTypes.ROLE_HEAD);
        if (step.target != 0) _requireDepartment(step, 0, entry.department);
        _requireDepartment(step, 1, department);
        if (entry.state == State.RETIRED) revert StateInvalid();
        _checkVersion(m);
        if (step.target == 0) {
            entry.department = department;
            entry.state = State.SUBMITTED;
        }
        entry.pendingClass = uint8(m.get(ActTypes.ENTRY_SUBMITTED_SHARING_CLASS));
        entry.pendingItems = m.get(ActTypes.ENTRY_SUBMITTED_ITEMS);
        entry.pendingDocument = bytes32(m.get(ActTypes.ENTRY_SUBMITTED_DOCUMENT));
        return (EntrySubmitted.selector, id, ++entry.revision);
    }

    function _checkVersion(bytes calldata m) private pure {
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_SHARING_CLASS, 1, 3);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_LIBRARY, 1, 5);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_UPDATE_CYCLE, 1, 7);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_OPENNESS, 0, 2);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_MODE, 1, 4);
        _requireNonzero(m, ActTypes.ENTRY_SUBMITTED_ITEMS);
        _requireValue(
            m.get(ActTypes.ENTRY_SUBMITTED_SENSITIVE) & ~m.get(ActTypes.ENTRY_SUBMITTED_ITEMS) == 0,
            ActTypes.ENTRY_SUBMITTED_SENSITIVE
        );
        _requireNonzero(m, ActTypes.ENTRY_SUBMITTED_DOCUMENT);
        _requireNonzero(m, ActTypes.ENTRY_SUBMITTED_SECRECY_ASSESSMENT);
        _requireNonzero(m, ActTypes.ENTRY_SUBMITTED_PRIVACY_ASSESSMENT);
        _requireValue(
            (m.get(ActTypes.ENTRY_SUBMITTED_SHARING_CLASS) == 1) ==
                (m.get(ActTypes.ENTRY_SUBMITTED_BASIS) == 0),
            ActTypes.ENTRY_SUBMITTED_BASIS
        );
    }

    function _entryPublished(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Entry storage entry = entries[step.target];
        _requireTarget(step, entry.revision);
        _requireRole(step, 0, ActTypes.ROLE_AUTHORITY);
        if (entry.state == State.RETIRED || entry.pendingItems == 0) revert StateInvalid();
        _requireValue(
            bytes32(m.get(ActTypes.ENTRY_PUBLISHED_DOCUMENT)) == entry.pendingDocument,
            ActTypes.ENTRY_PUBLISHED_DOCUMENT
        );
        entry.state = State.PUBLISHED;
        entry.version++;
        entry.sharingClass = entry.pendingClass;
        entry.items = entry.pendingItems;
        entry.document = entry.pendingDocument;
        entry.pendingItems = 0;
        return (EntryPublished.selector, step.target, ++entry.revision);
    }

    function _entryRetired(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Entry storage entry = entries[step.target];
        _requireTarget(step, entry.revision);
        _requireRole(step, 0, ActTypes.ROLE_HEAD);
        _requireDepartment(step, 0, entry.department);
        if (entry.state == State.RETIRED) revert StateInvalid();
        _requireNonzero(m, ActTypes.ENTRY_RETIRED_REASON);
        entry.state = State.RETIRED;
        entry.pendingItems = 0;
        return (EntryRetired.selector, step.target, ++entry.revision);
    }
}
