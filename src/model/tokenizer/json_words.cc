#include "model/tokenizer/json_words.h"

#include <utility>

#include "base/status.h"
#include "model/quoted.h"
#include "model/tokenizer/bert_words.h"
#include "model/tokenizer/json_fields.h"
#include "model/tokenizer/normal_forms.h"
#include "model/tokenizer/split.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

constexpr int kMaxDepth = 8;  // of nested Sequences

// What becomes of the code points that match.
enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

absl::StatusOr<Behavior> BehaviorField(const Json& d, Behavior otherwise) {
  WEIR_ASSIGN_OR_RETURN(const std::string name, TextField(d, "behavior", ""));
  if (name.empty()) return otherwise;
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  return WrongField("behavior", "Removed, Isolated, MergedWith... or Contiguous");
}

struct Part {
  Range range;  // bytes
  bool match;
};

void Join(const std::vector<Part>& parts, Behavior behavior, std::vector<Range>& out) {
  bool open = false;  // the last range of `out` takes the next part
  bool last_match = false, first = true;
  for (const Part& part : parts) {
    if (part.range.begin == part.range.end) continue;
    if (behavior == Behavior::kRemoved) {
      if (!part.match) out.push_back(part.range);
      continue;
    }
    const bool joins =
        !first && ((behavior == Behavior::kMergedWithPrevious && part.match && !last_match) ||
                   (behavior == Behavior::kContiguous && part.match == last_match) ||
                   (behavior == Behavior::kMergedWithNext && open && !part.match));
    if (joins) {
      out.back().end = part.range.end;
    } else {
      out.push_back(part.range);
    }
    open = part.match;
    last_match = part.match;
    first = false;
  }
}

// Applies `parts_of(text)` to each word; ranges inside a word are relative to it.
template <class PartsOf>
WordStep SplitStep(Behavior behavior, PartsOf parts_of) {
  return [behavior, parts_of = std::move(parts_of)](Words& words) {
    std::vector<Range> out;
    std::vector<Part> parts;
    for (const Range& word : words.ranges) {
      parts.clear();
      parts_of(std::string_view(words.text).substr(word.begin, word.end - word.begin), parts);
      for (Part& part : parts) {
        part.range.begin += word.begin;
        part.range.end += word.begin;
      }
      Join(parts, behavior, out);
    }
    words.ranges = std::move(out);
  };
}

// Each code point of which `matches(c)` is a match of its own.
template <class Matches>
WordStep CodePointStep(Behavior behavior, Matches matches) {
  return SplitStep(behavior, [matches](std::string_view text, std::vector<Part>& parts) {
    uint32_t gap = 0;
    for (size_t at = 0; at < text.size();) {
      const uint32_t start = static_cast<uint32_t>(at);
      if (!matches(text::NextCodePoint(text, at))) continue;
      parts.push_back({{gap, start}, false});
      gap = static_cast<uint32_t>(at);
      parts.push_back({{start, gap}, true});
    }
    parts.push_back({{gap, static_cast<uint32_t>(text.size())}, false});
  });
}

WordStep RuleStep(SplitRule rule) {
  return [rule](Words& words) {
    std::vector<Range> out, pieces;
    for (const Range& word : words.ranges) {
      const std::string_view text =
          std::string_view(words.text).substr(word.begin, word.end - word.begin);
      const Scan scan(text, UnicodeVersion::kV16);
      pieces.clear();
      Split(rule, scan, {0, scan.size()}, pieces);
      for (const Range& p : pieces) {
        out.push_back({word.begin + scan.offset(p.begin), word.begin + scan.offset(p.end)});
      }
    }
    words.ranges = std::move(out);
  };
}

// Rewrites every word by `rewrite(word, opens_text)`.
template <class Rewrite>
WordStep RewriteStep(Rewrite rewrite) {
  return [rewrite](Words& words) {
    std::string text;
    bool first = words.opens_text;
    for (Range& word : words.ranges) {
      const uint32_t begin = static_cast<uint32_t>(text.size());
      text += rewrite(std::string_view(words.text).substr(word.begin, word.end - word.begin),
                      first && word.begin == 0);
      first = false;
      word = {begin, static_cast<uint32_t>(text.size())};
    }
    words.text = std::move(text);
  };
}

// \w+|[^\w\s]+ : runs of word characters, runs of the others, white space gone.
void WhitespaceParts(std::string_view text, std::vector<Part>& parts) {
  const auto kind = [](char32_t c) { return IsWhiteSpace(c) ? 0 : IsWordCharacter(c) ? 1 : 2; };
  int last = 0;
  for (size_t at = 0; at < text.size();) {
    const uint32_t start = static_cast<uint32_t>(at);
    const int k = kind(text::NextCodePoint(text, at));
    const uint32_t end = static_cast<uint32_t>(at);
    if (k != 0 && k == last) {
      parts.back().range.end = end;
    } else if (k != 0) {
      parts.push_back({{start, end}, false});
    }
    last = k;
  }
}

class Builder {
 public:
  absl::Status Add(const Json& d, int depth) {
    if (depth > kMaxDepth) {
      return absl::DataLossError("tokenizer.json pre_tokenizer: nested too deeply");
    }
    WEIR_ASSIGN_OR_RETURN(const std::string type, TextField(d, "type", ""));
    if (type == "Sequence") {
      const Json* parts = Field(d, "pretokenizers");
      if (parts == nullptr || !parts->is_array()) return WrongField("pretokenizers", "a list");
      for (const Json& part : *parts) WEIR_RETURN_IF_ERROR(Add(part, depth + 1));
      return absl::OkStatus();
    }
    if (result.byte_level) {
      return absl::UnimplementedError("tokenizer.json pre_tokenizer: steps after ByteLevel");
    }
    if (type == "ByteLevel") return AddByteLevel(d);
    if (type == "Split") return AddSplit(d);
    if (type == "Metaspace") return AddMetaspace(d);
    if (type == "Digits") {
      WEIR_ASSIGN_OR_RETURN(const bool each, FlagField(d, "individual_digits", false));
      return Step(CodePointStep(each ? Behavior::kIsolated : Behavior::kContiguous, [](char32_t c) {
        return CategoryOf(c, UnicodeVersion::kV17) == Category::kNumber;
      }));
    }
    if (type == "Punctuation") {
      WEIR_ASSIGN_OR_RETURN(const Behavior behavior, BehaviorField(d, Behavior::kIsolated));
      return Step(CodePointStep(behavior, IsBertPunctuation));
    }
    if (type == "BertPreTokenizer") {
      WEIR_RETURN_IF_ERROR(Step(CodePointStep(Behavior::kRemoved, IsWhiteSpace)));
      return Step(CodePointStep(Behavior::kIsolated, IsBertPunctuation));
    }
    if (type == "WhitespaceSplit") return Step(CodePointStep(Behavior::kRemoved, IsWhiteSpace));
    if (type == "Whitespace") return Step(SplitStep(Behavior::kIsolated, WhitespaceParts));
    return absl::UnimplementedError(absl::StrCat("tokenizer.json pre_tokenizer ", Quoted(type)));
  }

  PreTokenizer result;

 private:
  absl::Status Step(WordStep step) {
    result.steps.push_back(std::move(step));
    return absl::OkStatus();
  }

  absl::Status AddByteLevel(const Json& d) {
    WEIR_ASSIGN_OR_RETURN(const bool prefix, FlagField(d, "add_prefix_space", true));
    WEIR_ASSIGN_OR_RETURN(const bool split, FlagField(d, "use_regex", true));
    if (prefix) {
      result.space_prefix = true;
      WEIR_RETURN_IF_ERROR(Step(RewriteStep([](std::string_view word, bool) {
        return word.starts_with(' ') ? std::string(word) : absl::StrCat(" ", word);
      })));
    }
    if (split) WEIR_RETURN_IF_ERROR(Step(RuleStep(SplitRule::kGpt2)));
    result.byte_level = true;
    return absl::OkStatus();
  }

  absl::Status AddSplit(const Json& d) {
    WEIR_ASSIGN_OR_RETURN(const Behavior behavior, BehaviorField(d, Behavior::kIsolated));
    WEIR_ASSIGN_OR_RETURN(const bool invert, FlagField(d, "invert", false));
    const Json* pattern = Field(d, "pattern");
    if (pattern == nullptr) return WrongField("pattern", "an object");
    WEIR_ASSIGN_OR_RETURN(const std::string text, TextField(*pattern, "String", ""));
    if (!text.empty()) return AddStringSplit(text, behavior, invert);
    WEIR_ASSIGN_OR_RETURN(const std::string regex, TextField(*pattern, "Regex", ""));
    if (regex == "\\s+" && behavior == Behavior::kRemoved && !invert) {
      return Step(CodePointStep(behavior, IsWhiteSpace));
    }
    WEIR_ASSIGN_OR_RETURN(const SplitRule rule, RuleOfRegex(regex));
    // Patterns that match everything cut alike in these two forms; the others only in the first.
    const bool covers =
        rule == SplitRule::kGpt2 || rule == SplitRule::kLlama3 || rule == SplitRule::kQwen2;
    const bool isolated = behavior == Behavior::kIsolated && (covers || !invert);
    if (!isolated && !(covers && behavior == Behavior::kRemoved && invert)) {
      return absl::UnimplementedError(
          "tokenizer.json Split: this behavior of a regular expression");
    }
    return Step(RuleStep(rule));
  }

  absl::Status AddStringSplit(const std::string& text, Behavior behavior, bool invert) {
    return Step(SplitStep(behavior, [=](std::string_view word, std::vector<Part>& parts) {
      size_t gap = 0;
      for (size_t at; (at = word.find(text, gap)) != std::string_view::npos;
           gap = at + text.size()) {
        parts.push_back({{static_cast<uint32_t>(gap), static_cast<uint32_t>(at)}, invert});
        parts.push_back(
            {{static_cast<uint32_t>(at), static_cast<uint32_t>(at + text.size())}, !invert});
      }
      parts.push_back({{static_cast<uint32_t>(gap), static_cast<uint32_t>(word.size())}, invert});
    }));
  }

  absl::Status AddMetaspace(const Json& d) {
    WEIR_ASSIGN_OR_RETURN(const std::string mark, TextField(d, "replacement", "\xE2\x96\x81"));
    WEIR_ASSIGN_OR_RETURN(const bool old_prefix, FlagField(d, "add_prefix_space", true));
    WEIR_ASSIGN_OR_RETURN(const std::string scheme,
                          TextField(d, "prepend_scheme", old_prefix ? "always" : "never"));
    WEIR_ASSIGN_OR_RETURN(const bool split, FlagField(d, "split", true));
    if (mark.empty()) return WrongField("replacement", "a character");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      return WrongField("prepend_scheme", "always, first or never");
    }
    const bool always = scheme == "always", first = scheme == "first";
    result.space_prefix = always || first;
    WEIR_RETURN_IF_ERROR(Step(RewriteStep([=](std::string_view word, bool opens_text) {
      std::string out;
      for (const char c : word) {
        if (c == ' ') {
          out += mark;
        } else {
          out.push_back(c);
        }
      }
      const bool prefix = (always || (first && opens_text)) && !out.starts_with(mark);
      return prefix ? mark + out : out;
    })));
    return split ? AddStringSplit(mark, Behavior::kMergedWithNext, false) : absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<PreTokenizer> MakePreTokenizer(const nlohmann::json* description) {
  Builder builder;
  if (description != nullptr) WEIR_RETURN_IF_ERROR(builder.Add(*description, 0));
  return std::move(builder.result);
}

}  // namespace weir::model
