// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, KeyState, Sig, Step} from "../acts/Act.sol";
import {ActBase} from "../acts/ActBase.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {ISm} from "../sm/ISm.sol";
import {DepartmentActs} from "./DepartmentActs.sol";
import {HeadKeyActs} from "./HeadKeyActs.sol";
import {RegistryState} from "./RegistryState.sol";

/// @title Departments, persons, roles and keys
/// @notice The authority registers a department with its head; only the head enrols the
/// department's persons and keys (docs/protocol.md 2 and 3.4).
contract Registry is HeadKeyActs, DepartmentActs {
    using ActBytes for bytes;

    error GenesisInvalid();

    /// @notice What the authority's department begins with
    event Genesis(
        bytes32 department,
        uint256 headX,
        uint256 headY,
        uint256[2][] authorityKeys,
        uint256 threshold,
        uint256 replacementDelay
    );
    /// @notice The act PersonEnrolled, which is its own proof (docs/protocol.md 3.2)
    event PersonEnrolled(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act PersonRolesSet, which is its own proof (docs/protocol.md 3.2)
    event PersonRolesSet(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act KeyAdded, which is its own proof (docs/protocol.md 3.2)
    event KeyAdded(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    uint256 private constant MAX_REPLACEMENT_DELAY = 365 days;
    // The authority is a city's.
    uint8 private constant AUTHORITY_LEVEL = 3;

    /// @notice Where the registry begins; the threshold changes by acts, the delay never
    /// @param sm_ SM2 and SM3
    /// @param headKey Key of the head of the authority's department
    /// @param authorityKeys Keys of the authority's persons
    /// @param threshold_ How many of them sign acts of weight
    /// @param replacementDelay_ Seconds for which a head can object to the replacement of the key
    constructor(
        ISm sm_,
        uint256[2] memory headKey,
        uint256[2][] memory authorityKeys,
        uint256 threshold_,
        uint256 replacementDelay_
    )
        ActBase(sm_)
        RegistryState(sm_.keyId(headKey[0], headKey[1]))
        HeadKeyActs(replacementDelay_)
    {
        if (
            threshold_ == 0 ||
            threshold_ > authorityKeys.length ||
            authorityKeys.length > MAX_AUTHORITY_PERSONS ||
            replacementDelay_ == 0 ||
            replacementDelay_ > MAX_REPLACEMENT_DELAY
        ) revert GenesisInvalid();
        bytes32 department = AUTHORITY;
        threshold = threshold_;
        departments[department] = 1;
        _levels[department] = AUTHORITY_LEVEL;
        _addFounder(department, department, headKey, ActTypes.ROLE_HEAD);
        for (uint256 i = 0; i < authorityKeys.length; i++) {
            uint256[2] memory key = authorityKeys[i];
            _addFounder(sm_.keyId(key[0], key[1]), department, key, ActTypes.ROLE_AUTHORITY);
        }
        authorityPersons = authorityKeys.length;
        activeAuthorityKeys = authorityKeys.length;
        emit Genesis(
            department,
            headKey[0],
            headKey[1],
            authorityKeys,
            threshold_,
            replacementDelay_
        );
    }

    /// @notice Id of the authority's department, and of its first head
    function authority() external view returns (bytes32) {
        return AUTHORITY;
    }

    function _addFounder(
        bytes32 id,
        bytes32 department,
        uint256[2] memory key,
        uint256 role
    ) private {
        if (keys[id].person != 0) revert GenesisInvalid();
        persons[id] = Person(department, 1, uint32(role), 0, role == ActTypes.ROLE_AUTHORITY);
        keys[id] = Key(key[0], key[1], id, 1, 0, 0, 0, KeyState.ACTIVE);
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.registryLayout(code);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.DEPARTMENT_REGISTERED) return _departmentRegistered(m, step);
        if (step.code == ActTypes.PERSON_ENROLLED) return _personEnrolled(m, step);
        if (step.code == ActTypes.PERSON_ROLES_SET) return _personRolesSet(m, step);
        if (step.code == ActTypes.KEY_ADDED) return _keyAdded(m, step);
        if (step.code == ActTypes.KEY_REVOKED) return _keyRevoked(m, step);
        if (step.code == ActTypes.KEY_ROTATED) return _keyRotated(m, step);
        if (step.code == ActTypes.KEY_SUSPENDED) return _keySuspended(m, step);
        if (step.code == ActTypes.KEY_RESUMED) return _keyResumed(step);
        if (step.code == ActTypes.AUTHORITY_KEY_RESUMED) return _authorityKeyResumed(step);
        if (step.code == ActTypes.HEAD_KEY_PROPOSED) return _headKeyProposed(m, step);
        if (step.code == ActTypes.HEAD_KEY_OBJECTED) return _headKeyObjected(m, step);
        if (step.code == ActTypes.HEAD_KEY_REPLACED) return _headKeyReplaced(m, step);
        if (step.code == ActTypes.THRESHOLD_SET) return _thresholdSet(m, step);
        if (step.code == ActTypes.AUTHORITY_PERSON_ADDED) return _authorityPersonAdded(m, step);
        if (step.code == ActTypes.AUTHORITY_PERSON_REMOVED) return _authorityPersonRemoved(m, step);
        if (step.code == ActTypes.CERTIFICATE_BOUND) return _certificateBound(m, step);
        if (step.code == ActTypes.DEPARTMENT_CHANGED) return _departmentChanged(m, step);
        if (step.code == ActTypes.DEPARTMENT_ENDED) return _departmentEnded(m, step);
        return _successorNamed(m, step);
    }

    function _personEnrolled(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_HEAD);
        uint256 roles = m.get(ActTypes.PERSON_ENROLLED_ROLES);
        _requireValue(roles != 0 && _isOneGroup(roles), ActTypes.PERSON_ENROLLED_ROLES);
        uint256 until = _newEnd(m, ActTypes.PERSON_ENROLLED_VALID_UNTIL);
        persons[step.actId] = Person(step.signers[0].department, 1, uint32(roles), 0, false);
        _putKey(m, step, step.actId, ActTypes.PERSON_ENROLLED_KEY_X, until);
        return (PersonEnrolled.selector, step.actId, 1);
    }

    function _personRolesSet(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Person storage person = _openPerson(step);
        if (person.roles == 0 || person.roles & ActTypes.ROLE_HEAD != 0) revert StateInvalid();
        uint256 roles = m.get(ActTypes.PERSON_ROLES_SET_ROLES);
        _requireValue(_isOneGroup(roles), ActTypes.PERSON_ROLES_SET_ROLES);
        person.roles = uint32(roles);
        return (PersonRolesSet.selector, step.target, ++person.revision);
    }

    function _keyAdded(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Person storage person = _openPerson(step);
        if (person.roles == 0) revert StateInvalid();
        uint256 until = _newEnd(m, ActTypes.KEY_ADDED_VALID_UNTIL);
        _putKey(m, step, step.target, ActTypes.KEY_ADDED_KEY_X, until);
        return (KeyAdded.selector, step.target, ++person.revision);
    }

    /// @dev A person whom the actor, as head of the same department, changes.
    function _openPerson(Step memory step) private view returns (Person storage person) {
        person = persons[step.target];
        _requireTarget(step, person.revision);
        if (_isAuthority(person)) revert AuthorityKeyProtected(step.target);
        _requireHeadOf(step, person.department);
    }

    /// @dev Roles of one person lie within one group; zero lies in each.
    function _isOneGroup(uint256 roles) private pure returns (bool) {
        return
            roles & ~(ActTypes.ROLE_OPERATOR | ActTypes.ROLE_OFFICER | ActTypes.ROLE_CDO) == 0 ||
            roles & ~(ActTypes.ROLE_AUDITOR | ActTypes.ROLE_WITNESS) == 0 ||
            roles & ~(ActTypes.ROLE_SYSADMIN | ActTypes.ROLE_SECADMIN) == 0 ||
            roles & ~(ActTypes.ROLE_SYSTEM | ActTypes.ROLE_PROVIDER) == 0 ||
            roles & ~(ActTypes.ROLE_GATEWAY | ActTypes.ROLE_PLATFORM) == 0;
    }
}
