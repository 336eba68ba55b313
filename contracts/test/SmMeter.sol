// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Gas of a call, for bench/gas.py and the tests
contract SmMeter {
    /// @notice Call and tell what that took: execution alone, without the call's own price
    /// @param target Whom to call
    /// @param data With what
    /// @return used Gas
    /// @return answer What came back
    function measure(
        address target,
        bytes calldata data
    ) external view returns (uint256 used, bytes memory answer) {
        bool ok;
        answer = data;
        // Warm.
        uint256 size = target.code.length;
        used = gasleft();
        (ok, ) = target.staticcall(answer);
        used -= gasleft();
        if (!ok || size == 0) revert();
    }
}
