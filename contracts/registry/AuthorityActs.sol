// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, KeyState, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {KeyActs} from "./KeyActs.sol";

/// @title The authority's persons, their threshold, and successors
/// @notice What m of n authority persons decide about themselves (docs/protocol.md 3.4).
abstract contract AuthorityActs is KeyActs {
    using ActBytes for bytes;

    /// @notice The act ThresholdSet, which is its own proof (docs/protocol.md 3.2)
    event ThresholdSet(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act AuthorityPersonAdded, which is its own proof (docs/protocol.md 3.2)
    event AuthorityPersonAdded(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act AuthorityPersonRemoved, which is its own proof (docs/protocol.md 3.2)
    event AuthorityPersonRemoved(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act AuthorityKeyResumed, which is its own proof (docs/protocol.md 3.2)
    event AuthorityKeyResumed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act SuccessorNamed, which is its own proof (docs/protocol.md 3.2)
    event SuccessorNamed(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    /// @notice Successor of a contract, zero while none is named
    mapping(address contractAddress => address successor) public successors;

    function _thresholdSet(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        _requireTarget(step, departments[step.target]);
        _requireAuthority(step);
        if (step.target != AUTHORITY) revert StateInvalid();
        _requireRange(m, ActTypes.THRESHOLD_SET_THRESHOLD, 1, activeAuthorityKeys);
        threshold = m.get(ActTypes.THRESHOLD_SET_THRESHOLD);
        return (ThresholdSet.selector, step.target, ++departments[step.target]);
    }

    function _authorityPersonAdded(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireAuthority(step);
        if (authorityPersons >= MAX_AUTHORITY_PERSONS) revert StateInvalid();
        uint256 until = m.get(ActTypes.AUTHORITY_PERSON_ADDED_VALID_UNTIL);
        _requireValue(until == 0, ActTypes.AUTHORITY_PERSON_ADDED_VALID_UNTIL);
        persons[step.actId] = Person(AUTHORITY, 1, uint32(ActTypes.ROLE_AUTHORITY), 0, true);
        _putKey(m, step, step.actId, ActTypes.AUTHORITY_PERSON_ADDED_KEY_X, 0);
        authorityPersons++;
        activeAuthorityKeys++;
        return (AuthorityPersonAdded.selector, step.actId, 1);
    }

    function _authorityPersonRemoved(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        Person storage person = persons[step.target];
        _requireTarget(step, person.revision);
        _requireAuthority(step);
        if (!_isAuthority(person)) revert StateInvalid();
        if (person.hasActiveKey) {
            if (activeAuthorityKeys <= threshold) revert AuthorityKeyProtected(step.target);
            activeAuthorityKeys--;
        }
        _requireRange(m, ActTypes.AUTHORITY_PERSON_REMOVED_REASON_CODE, 2, 4);
        person.roles = 0;
        person.hasActiveKey = false;
        authorityPersons--;
        return (AuthorityPersonRemoved.selector, step.target, ++person.revision);
    }

    function _authorityKeyResumed(Step memory step) internal returns (bytes32, bytes32, uint64) {
        (Key storage key, Person storage person) = _openKey(step);
        _requireAuthority(step);
        if (!_isAuthority(person) || key.state != KeyState.SUSPENDED) revert StateInvalid();
        key.state = KeyState.ACTIVE;
        person.hasActiveKey = true;
        activeAuthorityKeys++;
        return (AuthorityKeyResumed.selector, step.target, ++key.revision);
    }

    /// @dev The address is not asked whether it is of this deployment: readers look up their own.
    function _successorNamed(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireAuthority(step);
        address old = address(uint160(m.get(ActTypes.SUCCESSOR_NAMED_CONTRACT)));
        address successor = address(uint160(m.get(ActTypes.SUCCESSOR_NAMED_SUCCESSOR)));
        if (successors[old] != address(0)) revert StateInvalid();
        _requireValue(old != address(0), ActTypes.SUCCESSOR_NAMED_CONTRACT);
        _requireValue(
            successor != address(0) && successor != old,
            ActTypes.SUCCESSOR_NAMED_SUCCESSOR
        );
        successors[old] = successor;
        return (SuccessorNamed.selector, step.actId, 1);
    }
}
