// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, KeyRecord, KeyState, Step} from "../acts/Act.sol";
import {ActBase} from "../acts/ActBase.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {ISm} from "../sm/ISm.sol";
import {DepartmentView, IRegistry} from "./IRegistry.sol";

/// @title What the registry keeps, and what all its rules ask of it
/// @notice Whether a key counts is derived at the time of the block, never stored: from its state,
/// its two ends and the generation of its person's keys.
abstract contract RegistryState is ActBase, IRegistry {
    using ActBytes for bytes;

    error AuthorityKeyProtected(bytes32 id);
    error NotOwnKey(bytes32 keyId);

    struct Person {
        bytes32 department;
        uint64 revision;
        uint32 roles;
        uint32 generation;
        // Of an authority person: whether the one key is ACTIVE. False for everybody else.
        bool hasActiveKey;
    }

    struct Key {
        uint256 x;
        uint256 y;
        bytes32 person;
        uint64 revision;
        uint64 validUntil;
        uint64 certificateUntil;
        uint32 generation;
        KeyState state;
    }

    uint256 internal constant MAX_AUTHORITY_PERSONS = 7;

    bytes32 internal immutable AUTHORITY;

    /// @inheritdoc IRegistry
    uint256 public override threshold;
    /// @notice Number of authority persons
    uint256 public authorityPersons;
    /// @notice How many of them have an active key; never below the threshold
    uint256 public activeAuthorityKeys;

    /// @notice Revision of a department, zero for an unknown one
    mapping(bytes32 id => uint64 revision) public departments;
    mapping(bytes32 id => bytes32 parent) internal _parents;
    mapping(bytes32 id => uint8 level) internal _levels;
    mapping(bytes32 id => bool government) internal _governments;
    mapping(bytes32 id => bool ended) internal _ended;
    /// @notice Persons by id
    mapping(bytes32 id => Person person) public persons;
    /// @notice Keys by key id, with the stored state
    mapping(bytes32 keyId => Key key) public keys;

    constructor(bytes32 authority_) {
        AUTHORITY = authority_;
    }

    /// @inheritdoc IRegistry
    function keyRecord(bytes32 keyId) external view override returns (KeyRecord memory) {
        return _keyRecord(keyId);
    }

    /// @inheritdoc IRegistry
    function departmentView(
        bytes32 id
    ) external view override returns (DepartmentView memory department) {
        return DepartmentView(_parents[id], _levels[id], _isLive(id));
    }

    /// @inheritdoc IRegistry
    function sm() public view override(ActBase, IRegistry) returns (ISm) {
        return SM;
    }

    function _putKey(
        bytes calldata m,
        Step memory step,
        bytes32 personId,
        uint256 xField,
        uint256 validUntil
    ) internal {
        uint256 offset = (xField >> 8) & 0xffff;
        keys[step.newKey] = Key(
            m.word(offset),
            m.word(offset + 32),
            personId,
            1,
            uint64(validUntil),
            0,
            persons[personId].generation,
            KeyState.ACTIVE
        );
    }

    function _threshold() internal view override returns (uint256) {
        return threshold;
    }

    function _keyRecord(bytes32 keyId) internal view override returns (KeyRecord memory) {
        Key storage key = keys[keyId];
        Person storage person = persons[key.person];
        return
            KeyRecord(
                key.x,
                key.y,
                key.person,
                person.department,
                person.roles,
                _stateOf(key, person)
            );
    }

    /// @dev Whether a department exists and has not ended.
    function _isLive(bytes32 id) internal view returns (bool) {
        return departments[id] != 0 && !_ended[id];
    }

    /// @dev State of a key now. A head's replacement ends all keys of the generation before, and
    /// the end of a department all of its persons' keys.
    function _stateOf(Key storage key, Person storage person) internal view returns (KeyState) {
        if (key.generation != person.generation || _ended[person.department]) {
            return KeyState.REVOKED;
        }
        if (key.state != KeyState.ACTIVE) return key.state;
        if (_isPast(key.validUntil) || _isPast(key.certificateUntil)) return KeyState.EXPIRED;
        return KeyState.ACTIVE;
    }

    /// @dev Whether an end lies in the past; zero is no end.
    function _isPast(uint256 until) internal view returns (bool) {
        return until != 0 && block.timestamp > until;
    }

    /// @dev The end of a new key's validity, from the act's words: none, or in the future.
    function _newEnd(bytes calldata m, uint256 field) internal view returns (uint256 until) {
        until = m.get(field);
        _requireValue(until == 0 || until > block.timestamp, field);
    }

    function _isAuthority(Person storage person) internal view returns (bool) {
        return person.roles & ActTypes.ROLE_AUTHORITY != 0;
    }

    function _requireHeadOf(Step memory step, bytes32 department) internal pure {
        _requireRole(step, 0, ActTypes.ROLE_HEAD);
        _requireDepartment(step, 0, department);
    }

    /// @dev Every signer that stands before a new key is an authority person.
    function _requireAuthority(Step memory step) internal pure {
        for (uint256 i = 0; i < step.signers.length; i++) {
            _requireRole(step, i, ActTypes.ROLE_AUTHORITY);
        }
    }
}
