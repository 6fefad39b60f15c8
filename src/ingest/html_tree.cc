#include "ingest/html_tree.h"

#include <setjmp.h>

#include <algorithm>
#include <memory>
#include <new>

#include "absl/strings/str_cat.h"

namespace weir::ingest {

// Gumbo frees its tree by recursion and cannot report a failed allocation; an arena does without
// the first and leaves the parser by longjmp for the second (C frames only lie between).
struct HtmlTree::Arena {
  static constexpr size_t kChunk = size_t{1} << 18;

  std::vector<std::unique_ptr<char[]>> chunks;
  char* at = nullptr;
  size_t left = 0;
  int64_t budget = 0;
  jmp_buf out_of_budget;

  void* Take(size_t n) {
    n = (n + 15) & ~size_t{15};
    if (n > left) {
      const size_t size = std::max(n, kChunk);
      budget -= static_cast<int64_t>(size);
      if (budget < 0 || !Grow(size)) longjmp(out_of_budget, 1);
      char* const chunk = chunks.back().get();
      if (size > kChunk) return chunk;  // a large piece of its own; the open chunk goes on
      at = chunk;
      left = size;
    }
    char* p = at;
    at += n;
    left -= n;
    return p;
  }
  // In a frame of its own: longjmp must not pass over a destructor. Room was reserved for the
  // pointer.
  bool Grow(size_t size) {
    std::unique_ptr<char[]> chunk(new (std::nothrow) char[size]);
    if (chunk == nullptr) return false;
    chunks.push_back(std::move(chunk));
    return true;
  }
  static void* Allocate(void* self, size_t n) { return static_cast<Arena*>(self)->Take(n); }
  static void Free(void*, void*) {}
};

HtmlTree::HtmlTree() : arena_(std::make_unique<Arena>()) {}
HtmlTree::~HtmlTree() = default;

namespace {

// In a frame of its own, without objects that have destructors, because of longjmp.
const GumboNode* ParseInto(GumboOptions* options, jmp_buf* escape, const char* data, size_t size) {
  if (setjmp(*escape) != 0) return nullptr;
  return gumbo_parse_with_options(options, data, size)->document;
}

const GumboVector* ChildrenOf(const GumboNode* node) {
  switch (node->type) {
    case GUMBO_NODE_ELEMENT:
    case GUMBO_NODE_TEMPLATE:
      return &node->v.element.children;
    case GUMBO_NODE_DOCUMENT:
      return &node->v.document.children;
    default:
      return nullptr;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<HtmlTree>> HtmlTree::Parse(std::string_view utf8,
                                                          int64_t max_bytes) {
  std::unique_ptr<HtmlTree> tree(new HtmlTree);
  tree->arena_->budget = max_bytes;
  tree->arena_->chunks.reserve(static_cast<size_t>(max_bytes) / Arena::kChunk + 2);
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = Arena::Allocate;
  options.deallocator = Arena::Free;
  options.userdata = tree->arena_.get();
  options.max_errors = 0;
  const GumboNode* root =
      ParseInto(&options, &tree->arena_->out_of_budget, utf8.data(), utf8.size());
  if (root == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("HTML: the page's tree takes more than ", max_bytes >> 20, " MB"));
  }
  tree->Flatten(root);
  return tree;
}

void HtmlTree::Flatten(const GumboNode* root) {
  struct Open {
    const GumboNode* node;
    unsigned next;
    int index;
  };
  std::vector<Open> stack;
  const auto push = [&](const GumboNode* node, int parent) {
    const int index = static_cast<int>(nodes_.size());
    HtmlNode flat;
    flat.node = node;
    flat.parent = parent;
    nodes_.push_back(flat);
    stack.push_back({node, 0, index});
  };
  push(root, -1);
  while (!stack.empty()) {
    Open& open = stack.back();
    const GumboVector* children = ChildrenOf(open.node);
    if (children == nullptr || open.next >= children->length) {
      nodes_[static_cast<size_t>(open.index)].end = static_cast<int>(nodes_.size());
      stack.pop_back();
      continue;
    }
    push(static_cast<const GumboNode*>(children->data[open.next++]), open.index);
  }
}

bool IsElement(const GumboNode* node) {
  return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE;
}

GumboTag TagOf(const GumboNode* node) {
  return IsElement(node) ? node->v.element.tag : GUMBO_TAG_UNKNOWN;
}

bool IsText(const GumboNode* node) {
  return node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_CDATA ||
         node->type == GUMBO_NODE_WHITESPACE;
}

std::string_view Attribute(const GumboNode* node, const char* name) {
  if (!IsElement(node)) return "";
  const GumboAttribute* a = gumbo_get_attribute(&node->v.element.attributes, name);
  return a == nullptr ? std::string_view() : std::string_view(a->value);
}

}  // namespace weir::ingest
