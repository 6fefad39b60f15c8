// What a question asks for, as far as its words show it.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weir::answer {

enum class AnswerType { kAny, kNumber, kDate, kPerson, kReason, kDefinition };

struct Question {
  std::string text;
  AnswerType type = AnswerType::kAny;
  std::vector<std::string> stems;        // content stems in order, without question words
  std::vector<std::string> names;        // as written: capitalised (not first) or with digits
};

Question ReadQuestion(std::string_view text);

// Does `sentence` hold something of the type? kAny is always held.
bool HoldsType(AnswerType type, std::string_view sentence);

// Porter stems of the content words of a text, in order.
std::vector<std::string> ContentStems(std::string_view text);
// The same, each once.
std::set<std::string> ContentStemSet(std::string_view text);

}  // namespace weir::answer
