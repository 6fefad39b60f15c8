#include "evaluate/topics.h"

#include <memory>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace weir::evaluate {
namespace {

std::string_view Stripped(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool StartsWithFolded(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         absl::EqualsIgnoreCase(text.substr(0, prefix.size()), prefix);
}

// Gives records to `each` once only.
class Distinct {
 public:
  Distinct(const LineReader& lines, absl::FunctionRef<absl::Status(BeirRecord record)> each)
      : lines_(lines), each_(each) {}
  absl::Status Give(std::string_view id, std::string_view text) {
    if (!seen_.insert(std::string(id)).second) {
      return absl::DataLossError(
          absl::StrCat(lines_.Where(), ": id ", std::string(id), " occurs twice"));
    }
    BeirRecord record;
    record.id = id;
    record.text = text;
    return Annotate(each_(std::move(record)), lines_.Where());
  }

 private:
  const LineReader& lines_;
  absl::FunctionRef<absl::Status(BeirRecord record)> each_;
  absl::flat_hash_set<std::string> seen_;
};

absl::Status ReadTabs(LineReader& lines, Distinct& out) {
  std::string line;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, lines.Next(line));
    if (!more) return absl::OkStatus();
    if (Stripped(line).empty()) continue;
    const std::string_view whole = line;
    const size_t tab = whole.find('\t');
    const std::string_view id = Stripped(whole.substr(0, tab));
    if (tab == whole.npos || id.empty()) {
      return absl::DataLossError(
          absl::StrCat(lines.Where(), ": expected a query's id, a tab and its text"));
    }
    WEIR_RETURN_IF_ERROR(out.Give(id, Stripped(whole.substr(tab + 1))));
  }
}

class TopicReader {
 public:
  TopicReader(LineReader& lines, Distinct& out) : lines_(lines), out_(out) {}

  absl::Status Read() {
    std::string line;
    while (true) {
      WEIR_ASSIGN_OR_RETURN(const bool more, lines_.Next(line));
      if (!more) break;
      for (std::string_view rest = Stripped(line); !rest.empty();) {
        WEIR_RETURN_IF_ERROR(Take(rest));
      }
    }
    return inside_ ? Damaged("the last topic has no </top>") : absl::OkStatus();
  }

 private:
  absl::Status Damaged(std::string_view what) const {
    return absl::DataLossError(absl::StrCat(lines_.Where(), ": ", std::string(what)));
  }

  // A tag with the text behind it, or text that goes on.
  absl::Status Take(std::string_view& rest) {
    std::string_view tag;
    if (rest[0] == '<') {
      const size_t end = rest.find('>');
      if (end == rest.npos) return Damaged("a tag without its end");
      tag = rest.substr(1, end - 1);
      rest.remove_prefix(end + 1);
      WEIR_RETURN_IF_ERROR(Open(tag));
    }
    const size_t next = rest.find('<');
    Append(Stripped(rest.substr(0, next)));
    rest = next == rest.npos ? std::string_view() : rest.substr(next);
    return absl::OkStatus();
  }

  absl::Status Open(std::string_view tag) {
    field_ = nullptr;
    if (absl::EqualsIgnoreCase(tag, "top")) {
      if (inside_) return Damaged("a topic within a topic");
      inside_ = true;
      number_.clear();
      title_.clear();
    } else if (absl::EqualsIgnoreCase(tag, "/top")) {
      return Close();
    } else if (absl::EqualsIgnoreCase(tag, "num")) {
      field_ = &number_;
    } else if (absl::EqualsIgnoreCase(tag, "title")) {
      field_ = &title_;
    }
    return absl::OkStatus();
  }

  void Append(std::string_view text) {
    if (field_ == nullptr || text.empty()) return;
    absl::StrAppend(field_, field_->empty() ? "" : " ", std::string(text));
  }

  absl::Status Close() {
    if (!inside_) return Damaged("</top> without <top>");
    inside_ = false;
    std::string_view number = number_, title = title_;
    if (StartsWithFolded(number, "Number:")) number = Stripped(number.substr(7));
    if (StartsWithFolded(title, "Topic:")) title = Stripped(title.substr(6));
    if (number.empty() || number.find_first_of(" \t") != number.npos) {
      return Damaged("a topic without a number of one word");
    }
    if (title.empty()) return Damaged(absl::StrCat("topic ", number_, " has no title"));
    return out_.Give(number, title);
  }

  LineReader& lines_;
  Distinct& out_;
  bool inside_ = false;
  std::string number_, title_;
  std::string* field_ = nullptr;  // what the text goes to
};

}  // namespace

absl::StatusOr<QueryForm> FormOfQueries(LineReader& lines) {
  std::string line;
  while (true) {
    WEIR_ASSIGN_OR_RETURN(const bool more, lines.Next(line));
    if (!more) return QueryForm::kBeir;
    const std::string_view text = Stripped(line);
    if (text.empty()) continue;
    if (text[0] == '{') return QueryForm::kBeir;
    if (text[0] == '<') return QueryForm::kTopics;
    return text.find('\t') != text.npos ? QueryForm::kTabs : QueryForm::kBeir;
  }
}

absl::Status ReadQueries(LineReader& lines, QueryForm form,
                         absl::FunctionRef<absl::Status(BeirRecord record)> each) {
  if (form == QueryForm::kBeir) return ReadBeirRecords(lines, each);
  Distinct out(lines, each);
  return form == QueryForm::kTabs ? ReadTabs(lines, out) : TopicReader(lines, out).Read();
}

absl::Status ReadQueries(const std::string& path,
                         absl::FunctionRef<absl::Status(BeirRecord record)> each) {
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<LineReader> lines, LineReader::Open(path));
  WEIR_ASSIGN_OR_RETURN(const QueryForm form, FormOfQueries(*lines));
  WEIR_ASSIGN_OR_RETURN(lines, LineReader::Open(path));
  return ReadQueries(*lines, form, each);
}

}  // namespace weir::evaluate
