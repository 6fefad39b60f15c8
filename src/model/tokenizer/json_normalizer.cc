#include "model/tokenizer/json_normalizer.h"

#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "model/quoted.h"
#include "model/tokenizer/bert_words.h"
#include "model/tokenizer/charsmap.h"
#include "model/tokenizer/json_fields.h"
#include "model/tokenizer/normal_forms.h"
#include "model/tokenizer/unicode_tables.h"
#include "model/tokenizer/vocabulary.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

constexpr int kMaxDepth = 8;  // of nested Sequences

std::string Lower(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) AppendLower(text::NextCodePoint(text, at), out);
  return out;
}

std::string WithoutMarks(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = text::NextCodePoint(text, at);
    const Category category = CategoryOf(c, UnicodeVersion::kV15_1);
    if (category == Category::kMark || category == Category::kNonspacingMark) continue;
    text::AppendUtf8(c, out);
  }
  return out;
}

std::string Stripped(std::string_view text, bool left, bool right) {
  size_t begin = 0, end = 0;  // end: after the last code point that is no white space
  bool leading = left;
  for (size_t at = 0; at < text.size();) {
    const bool space = IsWhiteSpace(text::NextCodePoint(text, at));
    if (leading && space) {
      begin = end = at;
    } else {
      leading = false;
      if (!space) end = at;
    }
  }
  if (!right) end = text.size();
  return std::string(text.substr(begin, end - begin));
}

std::string SpaceRunsReplaced(std::string_view text, std::string_view by) {  // regex " {2,}"
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && text[end] == ' ') ++end;
    if (end - at >= 2) {
      out.append(by);
      at = end;
    } else {
      out.push_back(text[at++]);
    }
  }
  return out;
}

std::string Mapped(const CharsMap& map, std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const CharsMap::Match rule = map.Longest(text.substr(at));
    if (rule.length > 0) {
      out.append(rule.replacement);
      at += rule.length;
    } else {
      const size_t start = at;
      text::NextCodePoint(text, at);
      out.append(text.substr(start, at - start));
    }
  }
  // A hostile map can cut sequences apart.
  return text::IsValidUtf8(out) ? out : text::RepairUtf8(out);
}

class Builder {
 public:
  absl::Status Add(const Json& d, int depth) {
    if (depth > kMaxDepth)
      return absl::DataLossError("tokenizer.json normalizer: nested too deeply");
    WEIR_ASSIGN_OR_RETURN(const std::string type, TextField(d, "type", ""));
    if (type == "Sequence") {
      const Json* parts = Field(d, "normalizers");
      if (parts == nullptr || !parts->is_array()) return WrongField("normalizers", "a list");
      for (const Json& part : *parts) WEIR_RETURN_IF_ERROR(Add(part, depth + 1));
      return absl::OkStatus();
    }
    if (result.byte_level) {
      return absl::UnimplementedError("tokenizer.json normalizer: steps after ByteLevel");
    }
    if (type == "BertNormalizer") return AddBert(d);
    if (type == "Replace") return AddReplace(d);
    if (type == "Prepend") return AddPrepend(d);
    if (type == "Precompiled") return AddMap(d);
    if (type == "Strip") {
      WEIR_ASSIGN_OR_RETURN(const bool left, FlagField(d, "strip_left", true));
      WEIR_ASSIGN_OR_RETURN(const bool right, FlagField(d, "strip_right", true));
      result.strips_left = result.strips_left || left;
      return Step([=](std::string_view text) { return Stripped(text, left, right); });
    }
    if (type == "ByteLevel") {
      result.byte_level = true;
      return absl::OkStatus();
    }
    return AddPlain(type);
  }

  Normalizer result;

 private:
  absl::Status Step(TextStep step) {
    result.steps.push_back(std::move(step));
    return absl::OkStatus();
  }

  absl::Status AddPlain(const std::string& type) {
    const std::pair<std::string_view, NormalForm> forms[] = {{"NFC", NormalForm::kNfc},
                                                             {"NFD", NormalForm::kNfd},
                                                             {"NFKC", NormalForm::kNfkc},
                                                             {"NFKD", NormalForm::kNfkd}};
    for (const auto& [name, form] : forms) {
      if (type == name)
        return Step([form = form](std::string_view t) { return Normalize(form, t); });
    }
    if (type == "Lowercase") return Step(Lower);
    if (type == "StripAccents") return Step(WithoutMarks);
    return absl::UnimplementedError(absl::StrCat("tokenizer.json normalizer ", Quoted(type)));
  }

  absl::Status AddBert(const Json& d) {
    BertOptions o;
    WEIR_ASSIGN_OR_RETURN(o.clean_text, FlagField(d, "clean_text", true));
    WEIR_ASSIGN_OR_RETURN(o.separate_han, FlagField(d, "handle_chinese_chars", true));
    WEIR_ASSIGN_OR_RETURN(o.lower_case, FlagField(d, "lowercase", true));
    WEIR_ASSIGN_OR_RETURN(o.strip_accents, FlagField(d, "strip_accents", o.lower_case));
    return Step([o](std::string_view text) { return BertNormalize(text, o); });
  }

  absl::Status AddReplace(const Json& d) {
    WEIR_ASSIGN_OR_RETURN(const std::string by, TextField(d, "content", ""));
    const Json* pattern = Field(d, "pattern");
    if (pattern == nullptr) return WrongField("pattern", "an object");
    WEIR_ASSIGN_OR_RETURN(const std::string text, TextField(*pattern, "String", ""));
    if (!text.empty()) {
      return Step([=](std::string_view t) { return absl::StrReplaceAll(t, {{text, by}}); });
    }
    WEIR_ASSIGN_OR_RETURN(const std::string regex, TextField(*pattern, "Regex", ""));
    if (regex == " {2,}") return Step([=](std::string_view t) { return SpaceRunsReplaced(t, by); });
    return absl::UnimplementedError(
        absl::StrCat("tokenizer.json normalizer Replace of ", Quoted(regex)));
  }

  absl::Status AddPrepend(const Json& d) {
    WEIR_ASSIGN_OR_RETURN(const std::string prefix, TextField(d, "prepend", ""));
    result.space_prefix = result.space_prefix || prefix == "\xE2\x96\x81";
    return Step([=](std::string_view text) {
      return text.empty() ? std::string() : absl::StrCat(prefix, text);
    });
  }

  absl::Status AddMap(const Json& d) {
    WEIR_ASSIGN_OR_RETURN(const std::string encoded, TextField(d, "precompiled_charsmap", ""));
    std::string bytes;
    if (!absl::Base64Unescape(encoded, &bytes)) return WrongField("precompiled_charsmap", "base64");
    WEIR_ASSIGN_OR_RETURN(CharsMap map, CharsMap::Parse(bytes));
    auto shared = std::make_shared<const CharsMap>(std::move(map));
    return Step([shared](std::string_view text) { return Mapped(*shared, text); });
  }
};

}  // namespace

absl::StatusOr<Normalizer> MakeNormalizer(const nlohmann::json* description) {
  Builder builder;
  if (description != nullptr) WEIR_RETURN_IF_ERROR(builder.Add(*description, 0));
  return std::move(builder.result);
}

}  // namespace weir::model
