// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, KeyRecord, Sig, Step} from "../acts/Act.sol";
import {ActBase} from "../acts/ActBase.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {ISm} from "../sm/ISm.sol";
import {DepartmentView, IRegistry} from "./IRegistry.sol";

/// @title Departments, persons, roles and keys
/// @notice The authority registers a department with its head; only the head enrols the
/// department's persons and keys (docs/protocol.md 2 and 3.4).
contract Registry is ActBase, IRegistry {
    using ActBytes for bytes;

    error GenesisInvalid();
    error AuthorityKeyProtected(bytes32 id);

    /// @notice What the authority's department begins with
    event Genesis(
        bytes32 department,
        uint256 headX,
        uint256 headY,
        uint256[2][] authorityKeys,
        uint256 threshold
    );
    /// @notice The act DepartmentRegistered, which is its own proof (docs/protocol.md 3.2)
    event DepartmentRegistered(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
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
    /// @notice The act KeyRevoked, which is its own proof (docs/protocol.md 3.2)
    event KeyRevoked(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    struct Person {
        bytes32 department;
        uint64 revision;
        uint32 roles;
        uint32 activeKeys;
    }

    struct Key {
        uint256 x;
        uint256 y;
        bytes32 person;
        uint64 revision;
        bool active;
    }

    uint256 private constant MAX_AUTHORITY_KEYS = 7;
    // The authority is a city's.
    uint8 private constant AUTHORITY_LEVEL = 3;
    bytes31 private constant USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY";

    uint256 private immutable THRESHOLD;
    bytes32 private immutable AUTHORITY;

    /// @notice How many of the authority's keys are active
    uint256 public activeAuthorityKeys;

    /// @notice Revision of a department, zero for an unknown one
    mapping(bytes32 id => uint64 revision) public departments;
    mapping(bytes32 id => bytes32 parent) private _parents;
    mapping(bytes32 id => uint8 level) private _levels;
    /// @notice Persons by id
    mapping(bytes32 id => Person person) public persons;
    /// @notice Keys by key id
    mapping(bytes32 keyId => Key key) public keys;

    /// @notice Set once, for ever
    /// @param sm_ SM2 and SM3
    /// @param headKey Key of the head of the authority's department
    /// @param authorityKeys Keys of the authority's persons
    /// @param threshold_ How many of them sign acts of weight
    constructor(
        ISm sm_,
        uint256[2] memory headKey,
        uint256[2][] memory authorityKeys,
        uint256 threshold_
    ) ActBase(sm_) {
        if (
            threshold_ == 0 ||
            threshold_ > authorityKeys.length ||
            authorityKeys.length > MAX_AUTHORITY_KEYS
        ) revert GenesisInvalid();
        bytes32 department = sm_.keyId(headKey[0], headKey[1]);
        THRESHOLD = threshold_;
        AUTHORITY = department;
        departments[department] = 1;
        _levels[department] = AUTHORITY_LEVEL;
        _addFounder(department, department, headKey, ActTypes.ROLE_HEAD);
        for (uint256 i = 0; i < authorityKeys.length; i++) {
            uint256[2] memory key = authorityKeys[i];
            _addFounder(sm_.keyId(key[0], key[1]), department, key, ActTypes.ROLE_AUTHORITY);
        }
        activeAuthorityKeys = authorityKeys.length;
        emit Genesis(department, headKey[0], headKey[1], authorityKeys, threshold_);
    }

    /// @inheritdoc IRegistry
    function threshold() external view override returns (uint256) {
        return THRESHOLD;
    }

    /// @notice Id of the authority's department, and of its head
    function authority() external view returns (bytes32) {
        return AUTHORITY;
    }

    /// @inheritdoc IRegistry
    function keyRecord(bytes32 keyId) external view override returns (KeyRecord memory) {
        return _keyRecord(keyId);
    }

    /// @inheritdoc IRegistry
    function departmentView(
        bytes32 id
    ) external view override returns (DepartmentView memory department) {
        return DepartmentView(_parents[id], _levels[id], departments[id] != 0);
    }

    /// @inheritdoc IRegistry
    function sm() public view override(ActBase, IRegistry) returns (ISm) {
        return SM;
    }

    function _addFounder(
        bytes32 id,
        bytes32 department,
        uint256[2] memory key,
        uint256 role
    ) private {
        if (keys[id].person != 0) revert GenesisInvalid();
        persons[id] = Person(department, 1, uint32(role), 1);
        keys[id] = Key(key[0], key[1], id, 1, true);
    }

    function _layoutOf(uint32 code) internal pure override returns (uint256) {
        return ActTypes.registryLayout(code);
    }

    function _threshold() internal view override returns (uint256) {
        return THRESHOLD;
    }

    function _keyRecord(bytes32 keyId) internal view override returns (KeyRecord memory) {
        Key storage key = keys[keyId];
        Person storage person = persons[key.person];
        return KeyRecord(key.x, key.y, key.person, person.department, person.roles, key.active);
    }

    function _apply(
        bytes calldata m,
        Step memory step
    ) internal override returns (bytes32, bytes32, uint64) {
        if (step.code == ActTypes.DEPARTMENT_REGISTERED) return _departmentRegistered(m, step);
        if (step.code == ActTypes.PERSON_ENROLLED) return _personEnrolled(m, step);
        if (step.code == ActTypes.PERSON_ROLES_SET) return _personRolesSet(m, step);
        if (step.code == ActTypes.KEY_ADDED) return _keyAdded(m, step);
        return _keyRevoked(m, step);
    }

    function _departmentRegistered(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        for (uint256 i = 0; i < step.signers.length; i++) {
            _requireRole(step, i, ActTypes.ROLE_AUTHORITY);
        }
        _requireRange(m, ActTypes.DEPARTMENT_REGISTERED_LEVEL, 1, 6);
        _requireRange(m, ActTypes.DEPARTMENT_REGISTERED_KIND, 1, 5);
        bytes32 parent = bytes32(m.get(ActTypes.DEPARTMENT_REGISTERED_PARENT));
        _requireValue(
            parent == 0 || departments[parent] != 0,
            ActTypes.DEPARTMENT_REGISTERED_PARENT
        );
        _requireRange(m, ActTypes.DEPARTMENT_REGISTERED_USCC_OVERRIDE, 0, 1);
        _requireValue(
            _isCreditCode(
                m.get(ActTypes.DEPARTMENT_REGISTERED_USCC),
                m.get(ActTypes.DEPARTMENT_REGISTERED_USCC_OVERRIDE) == 1
            ),
            ActTypes.DEPARTMENT_REGISTERED_USCC
        );
        // The name takes two words and has no leading zero unless it is empty.
        _requireValue(
            m.word((ActTypes.DEPARTMENT_REGISTERED_NAME >> 8) & 0xffff) != 0,
            ActTypes.DEPARTMENT_REGISTERED_NAME
        );
        departments[step.actId] = 1;
        if (parent != 0) _parents[step.actId] = parent;
        _levels[step.actId] = uint8(m.get(ActTypes.DEPARTMENT_REGISTERED_LEVEL));
        persons[step.actId] = Person(step.actId, 1, uint32(ActTypes.ROLE_HEAD), 0);
        _putKey(m, step, step.actId, ActTypes.DEPARTMENT_REGISTERED_KEY_X);
        return (DepartmentRegistered.selector, step.actId, 1);
    }

    function _personEnrolled(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireRole(step, 0, ActTypes.ROLE_HEAD);
        uint256 roles = m.get(ActTypes.PERSON_ENROLLED_ROLES);
        _requireValue(roles != 0 && _isOneGroup(roles), ActTypes.PERSON_ENROLLED_ROLES);
        persons[step.actId] = Person(step.signers[0].department, 1, uint32(roles), 0);
        _putKey(m, step, step.actId, ActTypes.PERSON_ENROLLED_KEY_X);
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
        _putKey(m, step, step.target, ActTypes.KEY_ADDED_KEY_X);
        return (KeyAdded.selector, step.target, ++person.revision);
    }

    /// @dev A person whom the actor, as head of the same department, changes.
    function _openPerson(Step memory step) private view returns (Person storage person) {
        person = persons[step.target];
        _requireTarget(step, person.revision);
        if (person.roles & ActTypes.ROLE_AUTHORITY != 0) revert AuthorityKeyProtected(step.target);
        _requireRole(step, 0, ActTypes.ROLE_HEAD);
        _requireDepartment(step, 0, person.department);
    }

    function _keyRevoked(
        bytes calldata m,
        Step memory step
    ) private returns (bytes32, bytes32, uint64) {
        Key storage key = keys[step.target];
        _requireTarget(step, key.revision);
        bool own = step.signers[0].keyId == step.target;
        Person storage person = persons[key.person];
        if (person.roles & ActTypes.ROLE_AUTHORITY != 0) {
            if (!own || activeAuthorityKeys <= THRESHOLD) revert AuthorityKeyProtected(step.target);
        }
        if (!own) {
            _requireRole(step, 0, ActTypes.ROLE_HEAD);
            _requireDepartment(step, 0, person.department);
        }
        if (!key.active) revert StateInvalid();
        if (key.person == AUTHORITY && person.activeKeys == 1) {
            revert AuthorityKeyProtected(step.target);
        }
        _requireRange(m, ActTypes.KEY_REVOKED_REASON_CODE, 1, 4);
        key.active = false;
        person.activeKeys--;
        if (person.roles & ActTypes.ROLE_AUTHORITY != 0) activeAuthorityKeys--;
        return (KeyRevoked.selector, step.target, ++key.revision);
    }

    function _putKey(bytes calldata m, Step memory step, bytes32 person, uint256 xField) private {
        uint256 offset = (xField >> 8) & 0xffff;
        keys[step.newKey] = Key(m.word(offset), m.word(offset + 32), person, 1, true);
        persons[person].activeKeys++;
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

    /// @dev GB 32100-2015 clause 5: 18 characters, the last a check of the first 17.
    function _isCreditCode(uint256 code, bool overridden) private pure returns (bool) {
        if (code == 0) return true;
        uint256 sum = 0;
        uint256 weight = 1;
        for (uint256 i = 0; i < 18; i++) {
            uint256 value = _creditCodeValue(uint8(code >> (8 * (17 - i))));
            if (value == 31) return false;
            if (i < 17) sum += value * weight;
            else return overridden || value == (31 - (sum % 31)) % 31;
            weight = (weight * 3) % 31;
        }
        return false;
    }

    function _creditCodeValue(uint8 character) private pure returns (uint256 value) {
        while (value < 31 && uint8(USCC_ALPHABET[value]) != character) value++;
    }
}
