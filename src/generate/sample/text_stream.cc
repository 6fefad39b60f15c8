#include "generate/sample/text_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "text/unicode.h"

namespace weir::generate {
namespace {

constexpr size_t kMaxStops = 64;
constexpr size_t kMaxStopBytes = 4096;

// Length that a lead byte promises; 0 for bytes that cannot lead.
size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

}  // namespace

size_t UnfinishedUtf8(std::string_view bytes) {
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const unsigned char byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;  // a continuation: its lead is further back
    return SequenceLength(byte) > back ? back : 0;
  }
  return 0;
}

absl::StatusOr<TextStream> TextStream::Make(std::vector<std::string> stops) {
  if (stops.size() > kMaxStops) {
    return absl::InvalidArgumentError(
        absl::StrCat("stop: ", stops.size(), " strings; expected at most ", kMaxStops));
  }
  for (const std::string& stop : stops) {
    if (stop.empty() || stop.size() > kMaxStopBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("stop: a string of ", stop.size(), " bytes; expected 1 to ", kMaxStopBytes));
    }
  }
  return TextStream(std::move(stops));
}

size_t TextStream::StopPosition() const {
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  return first;
}

size_t TextStream::HeldForStops() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    size_t length = std::min(stop.size() - 1, held_.size());
    for (; length > longest; --length) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, length))) break;
    }
    longest = std::max(longest, length);
  }
  return longest;
}

std::string TextStream::Push(std::string_view bytes) {
  if (stopped_) return "";
  held_.append(bytes);
  size_t certain;
  if (const size_t at = StopPosition(); at != std::string::npos) {
    stopped_ = true;
    certain = at;
  } else {
    certain = held_.size() - std::max(HeldForStops(), UnfinishedUtf8(held_));
    // A stop string may begin inside a sequence only if it is malformed itself; stay on a boundary.
    certain -= UnfinishedUtf8(std::string_view(held_).substr(0, certain));
  }
  std::string out = text::RepairUtf8(std::string_view(held_).substr(0, certain));
  held_.erase(0, stopped_ ? held_.size() : certain);
  return out;
}

std::string TextStream::Finish() {
  std::string out = stopped_ ? "" : text::RepairUtf8(held_);
  held_.clear();
  return out;
}

}  // namespace weir::generate
