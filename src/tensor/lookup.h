// Scores of many rows by table look-up: a row is a few 4-bit codes, each picks one of sixteen bytes
// of its part's table, and the bytes are added (fast-scan: André, Kermarrec and Le Scouarnec, Cache
// locality is not enough: high-performance nearest neighbor search with product quantization fast
// scan, VLDB 2015). And the other direction: which codeword is nearest to a row's part.
// All integers or fixed sequences of f32 operations, so targets give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::tensor {

inline constexpr size_t kLookupRows = 64;   // rows of a block
inline constexpr size_t kCodewords = 16;    // of a part
inline constexpr size_t kPartWidth = 6;     // numbers of a vector that share a code
inline constexpr uint8_t kLargestEntry = 63;  // four of them fit a byte

struct LookupScan {
  // [blocks][parts / 2][64]: byte r of a line belongs to row r; its low half is the code of part
  // 2i, its high half that of part 2i + 1.
  const uint8_t* codes = nullptr;
  const uint8_t* tables = nullptr;  // [parts][16], each at most kLargestEntry
  size_t parts = 0;                 // a multiple of 4; parts * largest entry < 65536
  size_t blocks = 0;
  const uint16_t* least = nullptr;  // [blocks][64]
  uint64_t* found = nullptr;        // [blocks] bit r: the sum of row r is at least its least
};
void ScanLookup(const LookupScan& scan);

// x: [rows][parts][6]; codebooks: [parts][6][16], half_norms: [parts][16] half the squared length
// of each codeword; codes: [rows][parts], the nearest codeword (the first of equals).
void NearestCodewords(const float* x, size_t rows, size_t parts, const float* codebooks,
                      const float* half_norms, uint8_t* codes);

// The tables of a query: entry = round((x's part . codeword - least of the part) / step), at most
// `most`; base = the sum of what was taken off. x: [parts][6].
struct LookupTables {
  const float* x = nullptr;
  size_t parts = 0;
  const float* codebooks = nullptr;
  uint8_t most = kLargestEntry;
  float* products = nullptr;   // [parts][16], working memory
  uint8_t* tables = nullptr;   // [parts][16]
  float base = 0, step = 1;    // set
};
void MakeLookupTables(LookupTables& made);

// Where the largest of x stands, the first of equals. n at least 1; 0 when none is a number.
size_t FirstLargest(const float* x, size_t n);

}  // namespace weir::tensor
