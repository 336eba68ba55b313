// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {EntryView, IEntries} from "../directory/IEntries.sol";
import {Deadlines} from "../registry/Deadlines.sol";
import {ICalendar} from "../registry/ICalendar.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {IRequests, RequestView} from "./IRequests.sol";

/// @title Corrections
/// @notice Errors that a department finds in data of another one, and what became of them
/// (docs/protocol.md 3.4; Order 809 Art 26).
contract Corrections is RegistryUser {
    using ActBytes for bytes;

    error OwnData(bytes32 department);
    error ItemsNotCovered(uint256 items, uint256 covered);

    /// @notice The act CorrectionFiled, which is its own proof (docs/protocol.md 3.2)
    event CorrectionFiled(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act CorrectionVerified, which is its own proof (docs/protocol.md 3.2)
    event CorrectionVerified(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act CorrectionClosed, which is its own proof (docs/protocol.md 3.2)
    event CorrectionClosed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    enum State {
        NONE,
        FILED,
        VERIFIED,
        CORRECTED,
        REJECTED
    }

    struct Correction {
        bytes32 requester;
        bytes32 provider;
        uint64 revision;
        State state;
        uint32 filedDay;
        uint32 closedDay;
    }

    uint256 private constant GRANT = 1;
    uint256 private constant ENTRY = 2;
    uint256 private constant CORRECTED = 1;
    uint256 private constant REJECTED = 2;

    /// @notice Requests and grants
    IRequests public immutable REQUESTS;
    /// @notice Directory chain
    IEntries public immutable ENTRIES;
    /// @notice Working days
    ICalendar public immutable CALENDAR;

    /// @notice Corrections by id
    mapping(bytes32 id => Correction correction) public corrections;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param requests_ Requests and grants
    /// @param entries_ Directory chain
    /// @param calendar_ Working days
    constructor(
        IRegistry registry_,
        IRequests requests_,
        IEntries entries_,
        ICalendar calendar_
    ) RegistryUser(registry_) {
        REQUESTS = requests_;
        ENTRIES = entries_;
        CALENDAR = calendar_;
    }

    /// @notice Whether the provider is or was late, as seen from a day
    /// @param id The correction
    /// @param day The day; what happened after it counts as not done yet
    function isLate(bytes32 id, uint32 day) external view returns (bool) {
        uint32 closed = corrections[id].closedDay;
        if (closed != 0 && closed < day) day = closed;
        return day > correctionDue(id);
    }

    /// @notice Last day on which the provider has verified, corrected and reported in time
    /// @param id The correction
    function correctionDue(bytes32 id) public view returns (uint32) {
        if (corrections[id].revision == 0) revert TargetUnknown(id);
        return CALENDAR.dueDay(corrections[id].filedDay, Deadlines.CORRECTION);
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.correctionsLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32 topic, bytes32 target, uint64 revision) {
        if (step.code == ActTypes.CORRECTION_FILED) return _correctionFiled(m, step);
        Correction storage correction = corrections[step.target];
        _requireTarget(step, correction.revision);
        if (step.code == ActTypes.CORRECTION_VERIFIED) topic = _verified(m, step, correction);
        else topic = _closed(m, step, correction);
        return (topic, step.target, ++correction.revision);
    }

    function _correctionFiled(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        _requireRange(m, ActTypes.CORRECTION_FILED_SUBJECT_KIND, GRANT, ENTRY);
        (bytes32 provider, uint256 covered) = m.get(ActTypes.CORRECTION_FILED_SUBJECT_KIND) == GRANT
            ? _ofGrant(m, step)
            : _ofEntry(m, step);
        _requireNonzero(m, ActTypes.CORRECTION_FILED_ITEMS);
        uint256 items = m.get(ActTypes.CORRECTION_FILED_ITEMS);
        if (items & ~covered != 0) revert ItemsNotCovered(items, covered);
        _requireNonzero(m, ActTypes.CORRECTION_FILED_ERRORS);
        corrections[step.actId] = Correction(
            step.signers[0].department,
            provider,
            1,
            State.FILED,
            Deadlines.today(),
            0
        );
        return (CorrectionFiled.selector, step.actId, 1);
    }

    /// @dev Whoever was granted the data may say that they are wrong, also after the grant's end.
    function _ofGrant(
        bytes calldata m,
        Step memory step
    ) private view returns (bytes32 provider, uint256 items) {
        RequestView memory grant = REQUESTS.requestView(
            bytes32(m.get(ActTypes.CORRECTION_FILED_SUBJECT))
        );
        _requireValue(grant.requester != 0, ActTypes.CORRECTION_FILED_SUBJECT);
        _requireDepartment(step, 0, grant.requester);
        if (!grant.granted) revert StateInvalid();
        return (grant.provider, grant.items);
    }

    function _ofEntry(
        bytes calldata m,
        Step memory step
    ) private view returns (bytes32 provider, uint256 items) {
        EntryView memory entry = ENTRIES.entryView(
            bytes32(m.get(ActTypes.CORRECTION_FILED_SUBJECT))
        );
        _requireValue(entry.version != 0, ActTypes.CORRECTION_FILED_SUBJECT);
        if (step.signers[0].department == entry.department) revert OwnData(entry.department);
        return (entry.department, entry.items);
    }

    function _verified(
        bytes calldata m,
        Step memory step,
        Correction storage correction
    ) private returns (bytes32) {
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        _requireDepartment(step, 0, correction.provider);
        if (correction.state != State.FILED) revert StateInvalid();
        _requireNonzero(m, ActTypes.CORRECTION_VERIFIED_FINDING);
        correction.state = State.VERIFIED;
        return CorrectionVerified.selector;
    }

    function _closed(
        bytes calldata m,
        Step memory step,
        Correction storage correction
    ) private returns (bytes32) {
        _requireRole(step, 0, ActTypes.ROLE_OFFICER);
        _requireDepartment(step, 0, correction.provider);
        if (correction.state != State.VERIFIED) revert StateInvalid();
        _requireRange(m, ActTypes.CORRECTION_CLOSED_RESULT, CORRECTED, REJECTED);
        _requireNonzero(m, ActTypes.CORRECTION_CLOSED_REPORT);
        correction.state = m.get(ActTypes.CORRECTION_CLOSED_RESULT) == CORRECTED
            ? State.CORRECTED
            : State.REJECTED;
        correction.closedDay = Deadlines.today();
        return CorrectionClosed.selector;
    }
}
