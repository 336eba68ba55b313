// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IRegistry} from "../registry/IRegistry.sol";
import {KeyRecord} from "./Act.sol";
import {ActBase} from "./ActBase.sol";

/// @title A contract whose signers the registry knows
/// @notice Base of the three chains and the logs.
abstract contract RegistryUser is ActBase {
    /// @notice Departments, persons and keys
    IRegistry public immutable REGISTRY;

    constructor(IRegistry registry_) ActBase(registry_.sm()) {
        REGISTRY = registry_;
    }

    function _keyRecord(bytes32 keyId) internal view override returns (KeyRecord memory) {
        return REGISTRY.keyRecord(keyId);
    }

    function _threshold() internal view override returns (uint256) {
        return REGISTRY.threshold();
    }
}
