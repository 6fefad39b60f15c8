#include "ingest/entities.h"

#include <gumbo.h>

#include "text/unicode.h"

namespace weir::ingest {
namespace {

constexpr size_t kLongest = 40;      // bytes; the longest name has 33
constexpr size_t kMaxKnown = 10000;  // names remembered

std::string Number(std::string_view digits) {
  const bool hex = digits.starts_with('x') || digits.starts_with('X');
  if (hex) digits.remove_prefix(1);
  char32_t c = 0;
  for (char d : digits) {
    const int v = d >= '0' && d <= '9'          ? d - '0'
                  : hex && d >= 'a' && d <= 'f' ? d - 'a' + 10
                  : hex && d >= 'A' && d <= 'F' ? d - 'A' + 10
                                                : 0;
    c = std::min<char32_t>(c * (hex ? 16 : 10) + static_cast<char32_t>(v), 0x110000);
  }
  std::string out;
  text::AppendUtf8(c == 0 ? 0xFFFD : c, out);
  return out;
}

// The text of the first text node below the parsed body.
std::string Parse(std::string_view reference) {
  GumboOutput* output =
      gumbo_parse_with_options(&kGumboDefaultOptions, reference.data(), reference.size());
  std::string out(reference);
  const GumboNode* node = output->root;
  while (node != nullptr && node->type == GUMBO_NODE_ELEMENT) {
    const GumboVector& children = node->v.element.children;
    node = children.length == 0 ? nullptr
                                : static_cast<const GumboNode*>(children.data[children.length - 1]);
  }
  if (node != nullptr && node->type == GUMBO_NODE_TEXT) out = node->v.text.text;
  if (node != nullptr && node->type == GUMBO_NODE_WHITESPACE) out = " ";
  gumbo_destroy_output(&kGumboDefaultOptions, output);
  return text::RepairUtf8(out);
}

}  // namespace

std::string Entities::Decode(std::string_view reference) {
  if (reference.size() > kLongest || reference.size() < 3) return std::string(reference);
  if (reference[1] == '#') {
    std::string_view digits = reference.substr(2);
    if (digits.ends_with(';')) digits.remove_suffix(1);
    return Number(digits);
  }
  const auto it = known_.find(reference);
  if (it != known_.end()) return it->second;
  std::string decoded = Parse(reference);
  if (known_.size() < kMaxKnown) known_.emplace(reference, decoded);
  return decoded;
}

}  // namespace weir::ingest
