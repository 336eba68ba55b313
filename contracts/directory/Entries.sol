// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {Deadlines} from "../registry/Deadlines.sol";
import {ICalendar} from "../registry/ICalendar.sol";
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

    /// @notice The act EntryReturned, which is its own proof (docs/protocol.md 3.2)
    event EntryReturned(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act ChangeNoted, which is its own proof (docs/protocol.md 3.2)
    event ChangeNoted(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act UpdateExtended, which is its own proof (docs/protocol.md 3.2)
    event UpdateExtended(
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
        uint8 updateCycle;
        uint8 pendingCycle;
    }

    /// @notice Days from which an entry's clocks run, counted as ICalendar does; zero for none
    struct Clock {
        uint32 pendingDay;
        uint32 currentDay;
        uint32 changeDay;
        uint32 extendedDay;
    }

    uint256 private constant GENERAL_DATA = 1;

    /// @notice Working days
    ICalendar public immutable CALENDAR;

    /// @notice Entries by id; without a pending version `pendingItems` is zero
    mapping(bytes32 id => Entry entry) public entries;
    /// @notice Submission of the pending and of the current version, change and extension, by entry
    mapping(bytes32 id => Clock clock) public clocks;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param calendar_ Working days
    constructor(IRegistry registry_, ICalendar calendar_) RegistryUser(registry_) {
        CALENDAR = calendar_;
    }

    /// @inheritdoc IEntries
    function entryView(bytes32 id) external view override returns (EntryView memory) {
        Entry storage entry = entries[id];
        return
            EntryView(
                entry.department,
                entry.items,
                entry.version,
                entry.sharingClass,
                entry.state == State.PUBLISHED && REGISTRY.departmentView(entry.department).live,
                entry.updateCycle
            );
    }

    /// @notice Last day for the authority to publish or return the pending version (Art 17)
    /// @param id The entry
    /// @return day Zero while no version is pending
    function reviewDue(bytes32 id) public view returns (uint32 day) {
        if (entries[id].pendingItems == 0) return 0;
        return CALENDAR.dueDay(clocks[id].pendingDay, Deadlines.ENTRY_REVIEW);
    }

    /// @notice Whether the authority is late with its review today
    /// @param id The entry
    function isReviewLate(bytes32 id) external view returns (bool) {
        uint32 due = reviewDue(id);
        return due != 0 && Deadlines.today() > due;
    }

    /// @notice Last day for the department to submit the update that a change demands (Art 16)
    /// @param id The entry
    /// @return day Zero while no change waits for its update
    function updateDue(bytes32 id) public view returns (uint32 day) {
        Clock storage clock = clocks[id];
        if (clock.changeDay == 0) return 0;
        day = CALENDAR.dueDay(clock.changeDay, Deadlines.ENTRY_UPDATE);
        // Consent that comes when the time has run out does not undo the lateness.
        if (clock.extendedDay != 0 && clock.extendedDay <= day) {
            day = CALENDAR.dueDay(day, Deadlines.ENTRY_UPDATE_EXTENSION);
        }
    }

    /// @notice Whether the update that a change demands is late; a version that was submitted since
    /// and waits for its review counts with the day of its submission
    /// @param id The entry
    function isUpdateLate(bytes32 id) external view returns (bool) {
        uint32 due = updateDue(id);
        Clock storage clock = clocks[id];
        bool submitted = entries[id].pendingItems != 0 && clock.pendingDay >= clock.changeDay;
        return due != 0 && (submitted ? clock.pendingDay : Deadlines.today()) > due;
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
        if (step.code == ActTypes.ENTRY_RETIRED) return _entryRetired(m, step);
        if (step.code == ActTypes.ENTRY_RETURNED) return _entryReturned(m, step);
        if (step.code == ActTypes.CHANGE_NOTED) return _changeNoted(m, step);
        return _updateExtended(m, step);
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
        entry.pendingCycle = uint8(m.get(ActTypes.ENTRY_SUBMITTED_UPDATE_CYCLE));
        clocks[id].pendingDay = Deadlines.today();
        return (EntrySubmitted.selector, id, ++entry.revision);
    }

    function _checkVersion(bytes calldata m) private pure {
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_SHARING_CLASS, 1, 3);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_LIBRARY, 1, 5);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_UPDATE_CYCLE, 1, 7);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_OPENNESS, 0, 2);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_MODE, 1, 4);
        _requireRange(m, ActTypes.ENTRY_SUBMITTED_GRADING, 1, 3);
        // Important and core data are never for everybody (Data Security Law Art 21).
        _requireValue(
            m.get(ActTypes.ENTRY_SUBMITTED_GRADING) == GENERAL_DATA ||
                (m.get(ActTypes.ENTRY_SUBMITTED_SHARING_CLASS) != 1 &&
                    m.get(ActTypes.ENTRY_SUBMITTED_OPENNESS) == 0),
            ActTypes.ENTRY_SUBMITTED_GRADING
        );
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
        entry.updateCycle = entry.pendingCycle;
        entry.pendingItems = 0;
        Clock storage clock = clocks[step.target];
        clock.currentDay = clock.pendingDay;
        // What was submitted before the change does not answer it.
        if (clock.pendingDay >= clock.changeDay) (clock.changeDay, clock.extendedDay) = (0, 0);
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
        (clocks[step.target].changeDay, clocks[step.target].extendedDay) = (0, 0);
        return (EntryRetired.selector, step.target, ++entry.revision);
    }

    function _entryReturned(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Entry storage entry = entries[step.target];
        _requireTarget(step, entry.revision);
        _requireRole(step, 0, ActTypes.ROLE_AUTHORITY);
        if (entry.state == State.RETIRED || entry.pendingItems == 0) revert StateInvalid();
        _requireValue(
            bytes32(m.get(ActTypes.ENTRY_RETURNED_DOCUMENT)) == entry.pendingDocument,
            ActTypes.ENTRY_RETURNED_DOCUMENT
        );
        _requireNonzero(m, ActTypes.ENTRY_RETURNED_REASON);
        entry.pendingItems = 0;
        return (EntryReturned.selector, step.target, ++entry.revision);
    }

    function _changeNoted(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Entry storage entry = entries[step.target];
        _requireTarget(step, entry.revision);
        if (step.signers[0].roles & ActTypes.ROLE_AUTHORITY == 0) {
            _requireRole(step, 0, ActTypes.ROLE_OFFICER | ActTypes.ROLE_HEAD);
            _requireDepartment(step, 0, entry.department);
        }
        if (entry.state != State.PUBLISHED) revert StateInvalid();
        Clock storage clock = clocks[step.target];
        uint256 day = m.get(ActTypes.CHANGE_NOTED_CHANGE_DAY);
        _requireValue(
            day >= clock.currentDay &&
                day <= Deadlines.today() &&
                (clock.changeDay == 0 || day < clock.changeDay),
            ActTypes.CHANGE_NOTED_CHANGE_DAY
        );
        _requireNonzero(m, ActTypes.CHANGE_NOTED_REASON);
        clock.changeDay = uint32(day);
        return (ChangeNoted.selector, step.target, ++entry.revision);
    }

    function _updateExtended(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Entry storage entry = entries[step.target];
        _requireTarget(step, entry.revision);
        _requireRole(step, 0, ActTypes.ROLE_HEAD);
        _requireRole(step, 1, ActTypes.ROLE_AUTHORITY);
        _requireDepartment(step, 0, entry.department);
        Clock storage clock = clocks[step.target];
        if (clock.changeDay == 0 || clock.extendedDay != 0) revert StateInvalid();
        _requireNonzero(m, ActTypes.UPDATE_EXTENDED_REASON);
        clock.extendedDay = Deadlines.today();
        return (UpdateExtended.selector, step.target, ++entry.revision);
    }
}
