#include "model/safetensors_header.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "fmt/core.h"
#include "model/quoted.h"
#include "model/safetensors.h"
#include "nlohmann/json.hpp"

namespace weir::model {
namespace {

// Takes the events of {"name": {"dtype": "F32", "shape": [..], "data_offsets": [b, e]}, ...} and of
// "__metadata__": {"key": "text"}. A streaming reader, because a tree of a hostile 100 MB header
// would need gigabytes.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  absl::Status status;
  std::vector<SafetensorsEntry> entries;

  bool null() override { return Bad("null"); }
  bool boolean(bool) override { return Bad("a bool"); }
  bool number_integer(number_integer_t) override { return Bad("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Bad("a fraction"); }
  bool binary(binary_t&) override { return Bad("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (level_ != Level::kArray) return Bad("a number");
    if (field_ == Field::kShape) {
      if (entries.back().shape.size() == SafetensorsFile::kDimensions) {
        return Fail(absl::StatusCode::kDataLoss,
                    fmt::format("more than {} dimensions", SafetensorsFile::kDimensions));
      }
      entries.back().shape.push_back(value);
      return true;
    }
    if (offsets_ == 2) return Bad("a third offset");
    (offsets_++ == 0 ? entries.back().begin : entries.back().end) = value;
    return true;
  }

  bool string(string_t& value) override {
    if (level_ == Level::kMetadata) return true;
    if (level_ != Level::kTensor || field_ != Field::kType) return Bad("a string");
    entries.back().type = value;
    return true;
  }

  bool start_object(std::size_t) override {
    if (level_ == Level::kStart) {
      level_ = Level::kTop;
    } else if (level_ == Level::kTop) {
      level_ = in_metadata_ ? Level::kMetadata : Level::kTensor;
      seen_ = 0;
    } else {
      return Bad("an object");
    }
    return true;
  }

  bool key(string_t& name) override {
    if (level_ == Level::kMetadata) return true;
    return level_ == Level::kTop ? TensorKey(name) : FieldKey(name);
  }

  bool end_object() override {
    if (level_ == Level::kTensor && seen_ != 7) return Bad("no dtype, shape or data_offsets");
    level_ = level_ == Level::kTop ? Level::kEnd : Level::kTop;
    return true;
  }

  bool start_array(std::size_t) override {
    if (level_ != Level::kTensor || field_ == Field::kType) return Bad("an array");
    level_ = Level::kArray;
    offsets_ = 0;
    return true;
  }

  bool end_array() override {
    if (field_ == Field::kOffsets && offsets_ != 2) return Bad("not two offsets");
    level_ = Level::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return Fail(absl::StatusCode::kDataLoss, fmt::format("bad JSON at byte {}", position));
  }

 private:
  enum class Level { kStart, kTop, kMetadata, kTensor, kArray, kEnd };
  enum class Field { kType, kShape, kOffsets };

  bool TensorKey(const std::string& name) {
    if (name.size() > SafetensorsFile::kNameBytes) {
      return Fail(absl::StatusCode::kDataLoss, "a name of more than 1024 bytes");
    }
    if (!names_.insert(name).second) return Bad("a name given twice");
    in_metadata_ = name == "__metadata__";
    if (in_metadata_) return true;
    if (entries.size() == SafetensorsFile::kTensors) {
      return Fail(absl::StatusCode::kDataLoss, "more than 65536 tensors");
    }
    entries.emplace_back().name = name;
    return true;
  }

  bool FieldKey(const std::string& name) {
    if (name == "dtype") {
      field_ = Field::kType;
    } else if (name == "shape") {
      field_ = Field::kShape;
    } else if (name == "data_offsets") {
      field_ = Field::kOffsets;
    } else {
      return Bad("an unknown field");
    }
    const int bit = 1 << static_cast<int>(field_);
    if (seen_ & bit) return Bad("a field given twice");
    seen_ |= bit;
    return true;
  }

  bool Bad(std::string_view what) {
    const bool inside = level_ == Level::kTensor || level_ == Level::kArray;
    return Fail(absl::StatusCode::kDataLoss,
                inside ? fmt::format("tensor {}: {}", Quoted(entries.back().name), what)
                       : std::string(what));
  }
  bool Fail(absl::StatusCode code, const std::string& message) {
    if (status.ok()) status = absl::Status(code, "safetensors header: " + message);
    return false;
  }

  Level level_ = Level::kStart;
  Field field_ = Field::kType;
  bool in_metadata_ = false;
  int seen_ = 0;     // a bit a field
  int offsets_ = 0;  // read so far
  absl::flat_hash_set<std::string> names_;
};

}  // namespace

absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensorsHeader(std::string_view json) {
  HeaderReader reader;
  const bool whole = nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  if (!reader.status.ok()) return reader.status;
  if (!whole) return absl::DataLossError("safetensors header: bad JSON");
  return std::move(reader.entries);
}

}  // namespace weir::model
