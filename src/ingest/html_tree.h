// A parsed page as a flat list of nodes in document order, so that every walk is a loop: a page
// nested a million deep costs memory, never stack. Owns Gumbo's tree, which lives in one arena.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gumbo.h>

#include "absl/status/statusor.h"

namespace weir::ingest {

struct HtmlNode {
  const GumboNode* node = nullptr;
  int parent = -1;
  int end = 0;  // one past the last node below
  // Of the visible text below, in bytes without white space; filled by MeasureHtml.
  int text = 0;
  int link_text = 0;   // inside <a>
  int links = 0;       // <a> elements
  int prose = 0;       // in long paragraphs with few links
  bool hidden = false;      // by attribute or style
  bool boilerplate = false; // navigation, scripts, forms, sharing, comments
};

class HtmlTree {
 public:
  // kResourceExhausted when the tree would take more than `max_bytes`.
  static absl::StatusOr<std::unique_ptr<HtmlTree>> Parse(std::string_view utf8, int64_t max_bytes);
  ~HtmlTree();
  HtmlTree(const HtmlTree&) = delete;
  HtmlTree& operator=(const HtmlTree&) = delete;

  const std::vector<HtmlNode>& nodes() const { return nodes_; }
  std::vector<HtmlNode>& nodes() { return nodes_; }

 private:
  struct Arena;
  HtmlTree();
  void Flatten(const GumboNode* root);
  std::unique_ptr<Arena> arena_;
  std::vector<HtmlNode> nodes_;
};

bool IsElement(const GumboNode* node);
GumboTag TagOf(const GumboNode* node);  // GUMBO_TAG_UNKNOWN for text
bool IsText(const GumboNode* node);     // text, CDATA, white space
// "" when the element has no such attribute.
std::string_view Attribute(const GumboNode* node, const char* name);

}  // namespace weir::ingest
