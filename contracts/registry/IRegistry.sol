// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {KeyRecord} from "../acts/Act.sol";
import {ISm} from "../sm/ISm.sol";

/// @notice Where a department stands; live: it exists and has not ended
struct DepartmentView {
    bytes32 parent;
    uint8 level;
    bool live;
}

/// @title What the other contracts ask the registry
/// @notice Keys with the persons, roles and departments behind them.
interface IRegistry {
    /// @notice SM2 and SM3
    function sm() external view returns (ISm);

    /// @notice How many authority persons sign an act of weight now
    function threshold() external view returns (uint256);

    /// @notice A key with its person, department and roles
    /// @param keyId The key's id
    /// @return key Its person is zero for an unknown key
    function keyRecord(bytes32 keyId) external view returns (KeyRecord memory key);

    /// @notice The department above another one, and its level
    /// @param id The department
    /// @return department Its parent is zero where there is none
    function departmentView(bytes32 id) external view returns (DepartmentView memory department);
}
