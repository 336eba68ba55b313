// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Bytes of public documents
/// @notice Carries documents in events, in pieces, named by their SM3 digest. Acts name digests;
/// here anybody supplies the bytes, and every reader checks them (docs/protocol.md 5.1).
contract Documents {
    /// @notice Largest piece, in bytes
    uint256 public constant MAX_PIECE = 16_384;
    /// @notice Most pieces of one document
    uint16 public constant MAX_COUNT = 8;

    error PieceInvalid(uint16 index, uint16 count, uint256 size);

    /// @notice A piece of a document
    event DocumentPiece(bytes32 indexed digest, uint16 index, uint16 count, bytes piece);

    /// @notice Publish one piece of a document
    /// @param digest SM3 of the whole document; not checked here
    /// @param index Number of the piece, from 0
    /// @param count Number of pieces
    /// @param piece Its bytes
    function put(bytes32 digest, uint16 index, uint16 count, bytes calldata piece) external {
        if (
            count == 0 ||
            count > MAX_COUNT ||
            index >= count ||
            piece.length == 0 ||
            piece.length > MAX_PIECE
        ) revert PieceInvalid(index, count, piece.length);
        emit DocumentPiece(digest, index, count, piece);
    }
}
