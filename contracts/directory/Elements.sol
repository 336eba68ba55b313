// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryUser} from "../acts/RegistryUser.sol";
import {IRegistry} from "../registry/IRegistry.sol";
import {EntryView, IEntries} from "./IEntries.sol";

/// @title Data elements of the city and their source departments
/// @notice One source per data element: a claim ties a city-wide code to an item of an entry, a
/// second department's claim is a conflict that the authority decides (docs/protocol.md 3.4).
contract Elements is RegistryUser {
    using ActBytes for bytes;

    error EntryNotLive(bytes32 entry);
    error ItemsNotCovered(uint256 items, uint256 covered);
    error ElementAlreadyClaimed(bytes32 claim);
    error ClaimNotLive(bytes32 claim);

    /// @notice The act ElementClaimed, which is its own proof (docs/protocol.md 3.2)
    event ElementClaimed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act ElementReleased, which is its own proof (docs/protocol.md 3.2)
    event ElementReleased(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act ConflictDecided, which is its own proof (docs/protocol.md 3.2)
    event ConflictDecided(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    enum State {
        NONE,
        SOURCE,
        CONFLICT,
        REJECTED,
        RELEASED
    }

    struct Claim {
        bytes32 element;
        bytes32 entry;
        bytes32 department;
        uint64 revision;
        State state;
        uint8 item;
    }

    /// @notice Directory chain
    IEntries public immutable ENTRIES;

    /// @notice Claims by id
    mapping(bytes32 id => Claim claim) public claims;
    /// @notice The claim whose state is SOURCE, of each element
    mapping(bytes32 element => bytes32 claim) public sourceClaims;
    /// @notice The last claim of each department on each element
    mapping(bytes32 element => mapping(bytes32 department => bytes32 claim)) public lastClaims;

    /// @notice Set once, for ever
    /// @param registry_ Departments, persons and keys
    /// @param entries_ Directory chain
    constructor(IRegistry registry_, IEntries entries_) RegistryUser(registry_) {
        ENTRIES = entries_;
    }

    /// @notice The source of an element
    /// @param element City-wide code
    /// @return department Source department, zero while there is none
    /// @return claim Its claim
    function sourceOf(bytes32 element) external view returns (bytes32 department, bytes32 claim) {
        claim = sourceClaims[element];
        if (claim == 0 || !_isLive(claims[claim])) return (0, 0);
        department = claims[claim].department;
    }

    /// @notice Whether a claim counts: it is SOURCE or CONFLICT, and its item stands in the current
    /// version of a live entry
    /// @param id The claim
    function isLive(bytes32 id) external view returns (bool) {
        return _isOpen(claims[id]) && _isLive(claims[id]);
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.elementsLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.ELEMENT_CLAIMED) return _elementClaimed(m, step);
        if (step.code == ActTypes.ELEMENT_RELEASED) return _elementReleased(m, step);
        return _conflictDecided(m, step);
    }

    function _elementClaimed(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        bytes32 department = step.signers[0].department;
        _requireRole(step, 0, ActTypes.ROLE_OPERATOR);
        _requireRole(step, 1, ActTypes.ROLE_HEAD);
        _requireDepartment(step, 1, department);
        bytes32 entryId = bytes32(m.get(ActTypes.ELEMENT_CLAIMED_ENTRY));
        EntryView memory entry = ENTRIES.entryView(entryId);
        if (!entry.live) revert EntryNotLive(entryId);
        _requireDepartment(step, 0, entry.department);
        _requireNonzero(m, ActTypes.ELEMENT_CLAIMED_ELEMENT);
        uint8 item = uint8(m.get(ActTypes.ELEMENT_CLAIMED_ITEM));
        if (entry.items & (1 << item) == 0) revert ItemsNotCovered(1 << item, entry.items);
        bytes32 element = bytes32(m.get(ActTypes.ELEMENT_CLAIMED_ELEMENT));
        bytes32 last = lastClaims[element][department];
        if (_isOpen(claims[last])) {
            if (_isLive(claims[last])) revert ElementAlreadyClaimed(last);
            _close(last, State.RELEASED);
        }
        State state = State.SOURCE;
        bytes32 source = sourceClaims[element];
        if (source != 0) {
            if (_isLive(claims[source])) state = State.CONFLICT;
            else _close(source, State.RELEASED);
        }
        claims[step.actId] = Claim(element, entryId, department, 1, state, item);
        lastClaims[element][department] = step.actId;
        if (state == State.SOURCE) sourceClaims[element] = step.actId;
        return (ElementClaimed.selector, step.actId, 1);
    }

    function _elementReleased(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Claim storage claim = claims[step.target];
        _requireTarget(step, claim.revision);
        _requireRole(step, 0, ActTypes.ROLE_HEAD);
        _requireDepartment(step, 0, claim.department);
        if (!_isOpen(claim)) revert StateInvalid();
        _requireNonzero(m, ActTypes.ELEMENT_RELEASED_REASON);
        _close(step.target, State.RELEASED);
        return (ElementReleased.selector, step.target, claim.revision);
    }

    function _conflictDecided(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Claim storage claim = claims[step.target];
        _requireTarget(step, claim.revision);
        _requireRole(step, 0, ActTypes.ROLE_AUTHORITY);
        if (claim.state != State.CONFLICT) revert StateInvalid();
        if (!_isLive(claim)) revert ClaimNotLive(step.target);
        bytes32 named = bytes32(m.get(ActTypes.CONFLICT_DECIDED_SOURCE_DEPARTMENT));
        bytes32 source = sourceClaims[claim.element];
        bool held = source != 0 && _isLive(claims[source]);
        _requireValue(
            named == claim.department || (held && named == claims[source].department),
            ActTypes.CONFLICT_DECIDED_SOURCE_DEPARTMENT
        );
        _requireNonzero(m, ActTypes.CONFLICT_DECIDED_REASON);
        if (named == claim.department) {
            if (source != 0) _close(source, held ? State.REJECTED : State.RELEASED);
            claim.state = State.SOURCE;
            claim.revision++;
            sourceClaims[claim.element] = step.target;
        } else {
            _close(step.target, State.REJECTED);
        }
        return (ConflictDecided.selector, step.target, claim.revision);
    }

    /// @dev Ends a claim; what was its element's source leaves it without one.
    function _close(bytes32 id, State state) private {
        Claim storage claim = claims[id];
        if (claim.state == State.SOURCE) delete sourceClaims[claim.element];
        claim.state = state;
        claim.revision++;
    }

    function _isOpen(Claim storage claim) private view returns (bool) {
        return claim.state == State.SOURCE || claim.state == State.CONFLICT;
    }

    /// @dev Whether the claim's item stands in the current version of a live entry.
    function _isLive(Claim storage claim) private view returns (bool) {
        EntryView memory entry = ENTRIES.entryView(claim.entry);
        return entry.live && entry.items & (1 << claim.item) != 0;
    }
}
