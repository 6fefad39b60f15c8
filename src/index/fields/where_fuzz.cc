// Bytes as an expression: a tree that keeps what where.h promises, or an error; then tests of some
// values by it.
#include <cstdint>
#include <cstdlib>

#include "index/fields/where.h"
#include "text/unicode.h"

namespace wi = weir::index;

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto where = wi::ParseWhere(text);
  if (!where.ok()) {
    Require(weir::text::IsValidUtf8(where.status().message()));
    return 0;
  }
  Require(!where->nodes.empty() && where->tests.size() <= wi::kMaxWhereTests);
  for (size_t i = 0; i < where->nodes.size(); ++i) {
    const wi::WhereNode& node = where->nodes[i];
    Require(node.children.empty() == (node.kind == wi::WhereNode::Kind::kTest));
    for (size_t child : node.children) Require(child < i);
  }
  for (const wi::WhereTest& test : where->tests) {
    Require(!test.field.empty() && test.at < text.size());
    Require((test.op == wi::WhereOperator::kHas) == test.values.empty());
    wi::SeenTypes seen;
    for (const char* value : {"2020", "2020-05-17T10:00", "Knuth", "-1.5"}) {
      const wi::FieldValue read = wi::ReadValue(value);
      (void)wi::Matches(test, read);
      (void)wi::CheckTypes(where->text, test, seen);
      seen.Add(read);
    }
    (void)wi::CheckTypes(where->text, test, seen);
  }
  return 0;
}
