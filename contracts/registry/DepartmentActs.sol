// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ActBytes, Sig, Step} from "../acts/Act.sol";
import {ActTypes} from "../acts/ActTypes.sol";
import {RegistryState} from "./RegistryState.sol";

/// @title Departments: registered, changed and ended by m of n authority persons
/// @notice What stands above a department has a higher level, or is the government of its own
/// level. Level and being a government never change, so no department comes to stand above itself
/// (docs/protocol.md 2 and 3.4).
abstract contract DepartmentActs is RegistryState {
    using ActBytes for bytes;

    /// @notice The act DepartmentRegistered, which is its own proof (docs/protocol.md 3.2)
    event DepartmentRegistered(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act DepartmentChanged, which is its own proof (docs/protocol.md 3.2)
    event DepartmentChanged(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );
    /// @notice The act DepartmentEnded, which is its own proof (docs/protocol.md 3.2)
    event DepartmentEnded(
        bytes32 indexed actId,
        bytes32 indexed target,
        uint64 revision,
        bytes m,
        Sig[] signatures
    );

    uint256 private constant GOVERNMENT = 2;
    bytes31 private constant USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY";

    function _departmentRegistered(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        _requireNew(step);
        _requireAuthority(step);
        _requireRange(m, ActTypes.DEPARTMENT_REGISTERED_LEVEL, 1, 6);
        _requireRange(m, ActTypes.DEPARTMENT_REGISTERED_KIND, 1, 5);
        uint256 level = m.get(ActTypes.DEPARTMENT_REGISTERED_LEVEL);
        bool government = m.get(ActTypes.DEPARTMENT_REGISTERED_KIND) == GOVERNMENT;
        bytes32 parent = bytes32(m.get(ActTypes.DEPARTMENT_REGISTERED_PARENT));
        _requireValue(
            parent == 0 || _isAbove(parent, level, government),
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
        _requireText(m, ActTypes.DEPARTMENT_REGISTERED_NAME);
        uint256 until = _newEnd(m, ActTypes.DEPARTMENT_REGISTERED_VALID_UNTIL);
        departments[step.actId] = 1;
        if (parent != 0) _parents[step.actId] = parent;
        _levels[step.actId] = uint8(level);
        _governments[step.actId] = government;
        persons[step.actId] = Person(step.actId, 1, uint32(ActTypes.ROLE_HEAD), 0, false);
        _putKey(m, step, step.actId, ActTypes.DEPARTMENT_REGISTERED_KEY_X, until);
        return (DepartmentRegistered.selector, step.actId, 1);
    }

    function _departmentChanged(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        _openDepartment(step);
        bytes32 id = step.target;
        uint256 level = _levels[id];
        bool government = _governments[id];
        _requireRange(m, ActTypes.DEPARTMENT_CHANGED_LEVEL, level, level);
        _requireRange(m, ActTypes.DEPARTMENT_CHANGED_KIND, 1, 5);
        _requireValue(
            (m.get(ActTypes.DEPARTMENT_CHANGED_KIND) == GOVERNMENT) == government,
            ActTypes.DEPARTMENT_CHANGED_KIND
        );
        bytes32 parent = bytes32(m.get(ActTypes.DEPARTMENT_CHANGED_PARENT));
        _requireValue(
            parent == 0 || _isAbove(parent, level, government),
            ActTypes.DEPARTMENT_CHANGED_PARENT
        );
        _requireRange(m, ActTypes.DEPARTMENT_CHANGED_USCC_OVERRIDE, 0, 1);
        _requireValue(
            _isCreditCode(
                m.get(ActTypes.DEPARTMENT_CHANGED_USCC),
                m.get(ActTypes.DEPARTMENT_CHANGED_USCC_OVERRIDE) == 1
            ),
            ActTypes.DEPARTMENT_CHANGED_USCC
        );
        _requireText(m, ActTypes.DEPARTMENT_CHANGED_NAME);
        _requireNonzero(m, ActTypes.DEPARTMENT_CHANGED_REASON);
        _parents[id] = parent;
        return (DepartmentChanged.selector, id, ++departments[id]);
    }

    function _departmentEnded(
        bytes calldata m,
        Step memory step
    ) internal returns (bytes32, bytes32, uint64) {
        _openDepartment(step);
        bytes32 successor = bytes32(m.get(ActTypes.DEPARTMENT_ENDED_SUCCESSOR));
        _requireValue(
            successor == 0 || (successor != step.target && _isLive(successor)),
            ActTypes.DEPARTMENT_ENDED_SUCCESSOR
        );
        _requireNonzero(m, ActTypes.DEPARTMENT_ENDED_REASON);
        _ended[step.target] = true;
        return (DepartmentEnded.selector, step.target, ++departments[step.target]);
    }

    /// @dev A department that has not ended, other than the authority's: without it nobody acts.
    function _openDepartment(Step memory step) private view {
        _requireTarget(step, departments[step.target]);
        _requireAuthority(step);
        if (_ended[step.target] || step.target == AUTHORITY) revert StateInvalid();
    }

    /// @dev What may stand above: one that is live, of a higher level or the government of its own.
    function _isAbove(bytes32 parent, uint256 level, bool government) private view returns (bool) {
        if (!_isLive(parent)) return false;
        return
            _levels[parent] < level ||
            (_levels[parent] == level && _governments[parent] && !government);
    }

    /// @dev A text of two words has no leading zero unless it is empty.
    function _requireText(bytes calldata m, uint256 field) private pure {
        _requireValue(m.word((field >> 8) & 0xffff) != 0, field);
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
