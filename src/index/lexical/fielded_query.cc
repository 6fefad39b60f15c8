#include "index/lexical/fielded_query.h"

#include "absl/strings/str_cat.h"
#include "text/fields.h"

namespace weir::index {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// As a value in an expression.
std::string Quoted(std::string_view value) {
  std::string out = "\"";
  for (char c : value) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

// A value that is one word of an expression, and no text: a number, a date, a range, a bound.
bool IsPlain(std::string_view value) {
  return value.find_first_not_of("0123456789.-+:TZ<>=") == value.npos;
}

}  // namespace

FieldedQuery SplitFieldedQuery(std::string_view query,
                               const std::function<bool(const std::string& name)>& is_field) {
  FieldedQuery out;
  size_t at = 0;
  while (at < query.size()) {
    size_t word = at;
    if (IsSpace(query[at])) {
      out.text.push_back(query[at++]);
      continue;
    }
    if (query[at] == '"') {  // a phrase of the query itself
      const size_t close = query.find('"', at + 1);
      const size_t end = close == query.npos ? query.size() : close + 1;
      out.text.append(query.substr(at, end - at));
      at = end;
      continue;
    }
    const char sign = query[word] == '+' || query[word] == '-' ? query[word++] : '\0';
    size_t end = word;
    while (end < query.size() && !IsSpace(query[end]) && query[end] != '"') ++end;
    const size_t colon = query.substr(word, end - word).find(':');
    std::string_view value;
    size_t next = end;
    bool quoted = false;
    if (colon != query.npos) {
      value = query.substr(word + colon + 1, end - word - colon - 1);
      if (value.empty() && end < query.size() && query[end] == '"') {
        const size_t close = query.find('"', end + 1);
        quoted = close != query.npos;
        if (quoted) value = query.substr(end + 1, close - end - 1);
        if (quoted) next = close + 1;
      }
    }
    const std::string name =
        colon == query.npos ? "" : text::FieldName(query.substr(word, colon));
    const bool behind_space = at == 0 || IsSpace(query[at - 1]);
    if (name.empty() || value.empty() || value.starts_with("//") || value.starts_with(':') ||
        !behind_space || !is_field(name)) {
      out.text.append(query.substr(at, end - at));
      at = end;
      continue;
    }
    absl::StrAppend(&out.where, out.where.empty() ? "" : " and ", sign == '-' ? "not " : "",
                    Quoted(name), " : ", !quoted && IsPlain(value) ? std::string(value)
                                                                   : Quoted(value));
    const size_t kept = name != "title" || sign == '-' ? next : quoted ? end : word + colon + 1;
    out.text.append(kept - at, ' ');
    out.text.append(query.substr(kept, next - kept));
    at = next;
  }
  return out;
}

}  // namespace weir::index
