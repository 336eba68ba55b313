// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice One signature on an act (docs/protocol.md 3.2)
struct Sig {
    bytes32 keyId;
    uint256 r;
    uint256 s;
}

/// @notice A signer whose signature holds
struct Signer {
    bytes32 keyId;
    bytes32 person;
    bytes32 department;
    uint256 roles;
}

/// @notice State of a key at a time; EXPIRED is derived from the time
enum KeyState {
    NONE,
    ACTIVE,
    SUSPENDED,
    REVOKED,
    EXPIRED
}

/// @notice What the registry knows of a key, at the time of the block
struct KeyRecord {
    uint256 x;
    uint256 y;
    bytes32 person;
    bytes32 department;
    uint256 roles;
    KeyState state;
}

/// @notice An act before its type's own rules: its form, nonce and signatures hold
struct Step {
    uint32 code;
    bytes32 actId;
    bytes32 target;
    uint64 revision;
    Signer[] signers;
    bytes32 newKey;
}

/// @title Reading the bytes of an act
/// @notice Header and words of docs/protocol.md 3.1.
library ActBytes {
    uint256 internal constant HEADER = 128;
    uint256 internal constant MAX_SIZE = 128 + 16 * 32;
    bytes8 internal constant TAG = "sanlian\x01";

    /// @notice One 32-byte word
    /// @param m The act
    /// @param offset Where it begins
    function word(bytes calldata m, uint256 offset) internal pure returns (uint256 value) {
        // A checked slice would cost a third of the reading; callers checked the length.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            value := calldataload(add(m.offset, offset))
        }
    }

    /// @notice The value of a field, see ActTypes
    /// @param m The act; its length fits its type
    /// @param field Constant of ActTypes
    function get(bytes calldata m, uint256 field) internal pure returns (uint256 value) {
        value = word(m, (field >> 8) & 0xffff) >> (256 - 8 * (field & 0xff));
    }

    /// @notice Whether the words have the form of their layout: unused bytes are zero, texts are
    /// padded with zeros, have no control characters and are of their kind
    /// @param m The act; its length fits the layout
    /// @param layout Constant of ActTypes
    function fits(bytes calldata m, uint256 layout) internal pure returns (bool) {
        uint256 words = layout >> 248;
        for (uint256 i = 0; i < words; i++) {
            uint256 unused = (layout >> (8 * (27 - i))) & 0xff;
            if (word(m, HEADER + 32 * i) & ((1 << (8 * unused)) - 1) != 0) return false;
        }
        for (uint256 i = 0; i < 3; i++) {
            uint256 text = (layout >> (32 * (2 - i))) & 0xffffffff;
            uint256 size = (text >> 8) & 0xff;
            if (size == 0) continue;
            if (!_isText(m[HEADER + (text >> 16):][:size], text & 0xff == 2)) return false;
        }
        return true;
    }

    function _isText(bytes calldata text, bool utf8) private pure returns (bool) {
        uint256 i = 0;
        while (i < text.length && text[i] != 0) {
            uint256 c = uint8(text[i]);
            uint256 size = 1;
            if (c < 0x20 || c == 0x7f) return false;
            if (c >= 0x80) {
                size = utf8 ? _sequence(text[i:]) : 0;
                if (size == 0) return false;
            }
            i += size;
        }
        for (; i < text.length; i++) {
            if (text[i] != 0) return false;
        }
        return true;
    }

    /// @dev Length of the well-formed UTF-8 sequence at the start, RFC 3629 section 4; 0 if none.
    function _sequence(bytes calldata text) private pure returns (uint256 size) {
        uint256 c = uint8(text[0]);
        uint256 low = 0x80;
        uint256 high = 0xbf;
        if (c >= 0xc2 && c <= 0xdf) {
            size = 2;
        } else if (c >= 0xe0 && c <= 0xef) {
            size = 3;
            if (c == 0xe0) low = 0xa0;
            if (c == 0xed) high = 0x9f;
        } else if (c >= 0xf0 && c <= 0xf4) {
            size = 4;
            if (c == 0xf0) low = 0x90;
            if (c == 0xf4) high = 0x8f;
        }
        if (size > text.length) return 0;
        for (uint256 i = 1; i < size; i++) {
            uint256 d = uint8(text[i]);
            if (d < low || d > high) return 0;
            (low, high) = (0x80, 0xbf);
        }
    }
}
