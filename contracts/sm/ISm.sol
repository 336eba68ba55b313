// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title SM2 signatures and SM3 digests
/// @notice The one face through which contracts reach the national algorithms. The plain EVM
/// implementation is `Sm`; a chain with SM2 and SM3 precompiles can plug in its own.
/// @dev No answer depends on state: a table changes only the price. The functions are `view`, not `pure`, so that an implementation may
/// read precompiles or tables. Curve: the recommended one over a 256-bit prime field, GB/T 32918.5-2017.
interface ISm {
    /// @notice The coordinates are not those of a point on the curve other than infinity.
    /// @param x First affine coordinate
    /// @param y Second affine coordinate
    error PublicKeyInvalid(uint256 x, uint256 y);

    /// @notice The SM3 digest of a message. Standard: GB/T 32905-2016 clause 5.
    /// @param message Any number of bytes
    /// @return digest_ 32 bytes
    function sm3(bytes calldata message) external view returns (bytes32 digest_);

    /// @notice The id of a public key: its Z_A with the default user id `1234567812345678`.
    /// Standard: GB/T 32918.2-2016 clause 5.5; user id: GM/T 0009-2012.
    /// @dev Reverts `PublicKeyInvalid` unless both coordinates are below p and satisfy the curve
    /// equation (GB/T 32918.1-2016 clause 6.2.1; the cofactor is 1, so that is the whole check).
    /// @param x First affine coordinate
    /// @param y Second affine coordinate
    /// @return zA 32 bytes
    function keyId(uint256 x, uint256 y) external view returns (bytes32 zA);

    /// @notice The number that SM2 signs for a message: e = SM3(Z_A || M).
    /// Standard: GB/T 32918.2-2016 clause 7.1, steps B3 and B4.
    /// @param zA The signer's key id
    /// @param message The message M
    /// @return e 32 bytes, big-endian
    function digest(bytes32 zA, bytes calldata message) external view returns (bytes32 e);

    /// @notice Whether (r, s) is an SM2 signature of e under the key (x, y).
    /// Standard: GB/T 32918.2-2016 clause 7.1, steps B1, B2 and B5 to B7.
    /// @dev Complete: the answer is right for every input, also where additions degenerate. A key
    /// that is not on the curve gives false. Any e is accepted, as 2^256 exceeds n.
    /// @param e What was signed, see `digest`
    /// @param r First half of the signature
    /// @param s Second half of the signature
    /// @param x First affine coordinate of the public key
    /// @param y Second affine coordinate of the public key
    /// @return valid True for a signature, false for anything else
    function verify(
        bytes32 e,
        uint256 r,
        uint256 s,
        uint256 x,
        uint256 y
    ) external view returns (bool valid);

    /// @notice What `digest` and `verify` say, in one call.
    /// @dev The signer's key id is taken as given: a caller that did not get it from `keyId` or
    /// from a registry that did has verified nothing about whose signature this is.
    /// @param zA The signer's key id
    /// @param message The message M
    /// @param r First half of the signature
    /// @param s Second half of the signature
    /// @param x First affine coordinate of the public key
    /// @param y Second affine coordinate of the public key
    /// @return e The message's digest under this key id, also where the signature is none
    /// @return valid True for a signature, false for anything else
    function verifyMessage(
        bytes32 zA,
        bytes calldata message,
        uint256 r,
        uint256 s,
        uint256 x,
        uint256 y
    ) external view returns (bytes32 e, bool valid);

    /// @notice Whether a leaf is in a Merkle tree: RFC 6962's tree with SM3, whose leaf hash is
    /// SM3(0x00 || record) and whose node hash is SM3(0x01 || left || right).
    /// Standard: RFC 9162 clause 2.1.3.2.
    /// @dev False for an index outside the tree and for a path of any length but the right one.
    /// The leaf hash must be the hash of a record: a node's hash given as a leaf's proves nothing,
    /// so a caller that did not hash the record itself takes `isRecordIncluded`.
    /// @param leafHash SM3(0x00 || record)
    /// @param index The leaf's number, from 0
    /// @param size Number of leaves
    /// @param path Inclusion path, from the leaf upwards
    /// @param root Root hash of the tree of this size
    /// @return included True for a leaf of the tree, false for anything else
    function isIncluded(
        bytes32 leafHash,
        uint64 index,
        uint64 size,
        bytes32[] calldata path,
        bytes32 root
    ) external view returns (bool included);

    /// @notice The same for the record itself.
    /// @param record The leaf's bytes
    /// @param index The leaf's number, from 0
    /// @param size Number of leaves
    /// @param path Inclusion path, from the leaf upwards
    /// @param root Root hash of the tree of this size
    /// @return included True for a record of the tree, false for anything else
    function isRecordIncluded(
        bytes calldata record,
        uint64 index,
        uint64 size,
        bytes32[] calldata path,
        bytes32 root
    ) external view returns (bool included);

    /// @notice Compute a key's table, with which `verify` is several times cheaper. Anyone may ask;
    /// nobody has to be trusted. Where the table stands, or none is needed, nothing changes.
    /// @dev Reverts `PublicKeyInvalid` unless (x, y) is on the curve and not the generator or its
    /// opposite, whose private keys everybody knows.
    /// @param x First affine coordinate of the public key
    /// @param y Second affine coordinate of the public key
    /// @return table Its address, zero where the implementation needs none
    function buildTable(uint256 x, uint256 y) external returns (address table);

    /// @notice Where a key's table stands.
    /// @param x First affine coordinate of the public key
    /// @param y Second affine coordinate of the public key
    /// @return table Address, zero for a key without table
    function tableOf(uint256 x, uint256 y) external view returns (address table);
}
