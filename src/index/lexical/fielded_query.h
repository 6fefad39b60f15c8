// Parts of a query that ask for a field, as in Lucene: title:weir, author:"donald knuth",
// -tags:draft, year:2020..2023.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace weir::index {

struct FieldedQuery {
  // What is left, every byte at its old place, with spaces for the rest. Of title:... the value
  // is left, too: its words score.
  std::string text;
  std::string where;  // an expression of fields/where.h; "" when nothing was taken out
};

// A part is NAME:VALUE at the start or behind white space, with + or - before it if one likes
// (- negates), where `is_field` knows NAME, folded. VALUE is a word or text in double quotes; "//"
// and ":" begin none (http://x, type::name). What has another form stays text. Several parts must all pass.
FieldedQuery SplitFieldedQuery(std::string_view query,
                               const std::function<bool(const std::string& name)>& is_field);

}  // namespace weir::index
