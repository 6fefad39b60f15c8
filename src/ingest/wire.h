// How a Document passes from the reader process to its parent: one frame of little-endian integers
// and length-prefixed strings. The parent trusts nothing in it: DecodeReply checks every length
// against what is left, UTF-8, span order and number ranges.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/records.h"

namespace weir::ingest {

// A document, or the error the reader gave.
std::string EncodeReply(const absl::StatusOr<text::Document>& reply);
absl::StatusOr<text::Document> DecodeReply(std::string_view frame, int64_t max_text_bytes);

// The invariants every Document keeps: valid UTF-8 without NUL, page and block spans in range, in
// order, not overlapping and on character boundaries, finite boxes. kDataLoss says what is wrong.
absl::Status CheckDocument(const text::Document& document, int64_t max_text_bytes);

}  // namespace weir::ingest
