#include "model/tokenizer/normal_forms.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "model/tokenizer/unicode_tables.h"
#include "text/unicode.h"

namespace weir::model {
namespace {

const icu::Normalizer2* Instance(NormalForm form) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* instance = nullptr;
  switch (form) {
    case NormalForm::kNfc:
      instance = icu::Normalizer2::getNFCInstance(error);
      break;
    case NormalForm::kNfd:
      instance = icu::Normalizer2::getNFDInstance(error);
      break;
    case NormalForm::kNfkc:
      instance = icu::Normalizer2::getNFKCInstance(error);
      break;
    case NormalForm::kNfkd:
      instance = icu::Normalizer2::getNFKDInstance(error);
      break;
  }
  return U_FAILURE(error) ? nullptr : instance;
}

}  // namespace

std::string Normalize(NormalForm form, std::string_view text) {
  const icu::Normalizer2* instance = Instance(form);
  if (instance == nullptr) return std::string(text);  // ICU without its data
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  UErrorCode error = U_ZERO_ERROR;
  instance->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
                          nullptr, error);
  return U_FAILURE(error) ? std::string(text) : out;
}

char32_t Composed(char32_t a, char32_t b) {
  static const icu::Normalizer2* nfc = Instance(NormalForm::kNfc);
  if (nfc == nullptr) return 0;
  const UChar32 pair = nfc->composePair(static_cast<UChar32>(a), static_cast<UChar32>(b));
  return pair < 0 ? 0 : static_cast<char32_t>(pair);
}

char32_t FirstOfNfd(char32_t c) {
  if (c < 0xC0) return c;
  static const icu::Normalizer2* nfd = Instance(NormalForm::kNfd);
  icu::UnicodeString parts;
  if (nfd == nullptr || !nfd->getDecomposition(static_cast<UChar32>(c), parts)) return c;
  return static_cast<char32_t>(parts.char32At(0));
}

bool IsWordCharacter(char32_t c) {
  const UChar32 u = static_cast<UChar32>(c);
  constexpr uint32_t kMask = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  const uint32_t group = U_GET_GC_MASK(u);
  if ((group & U_GC_CN_MASK) != 0) {  // perhaps newer than this ICU
    const Category category = CategoryOf(c, UnicodeVersion::kV16);
    return category == Category::kLetter || category == Category::kMark ||
           category == Category::kNonspacingMark || category == Category::kNumber;
  }
  return (group & kMask) != 0 || u_hasBinaryProperty(u, UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(u, UCHAR_JOIN_CONTROL);
}

void AppendLower(char32_t c, std::string& out) {
  text::AppendUtf8(ToLower(c, UnicodeVersion::kV17), out);
  if (c == 0x130) text::AppendUtf8(0x307, out);
}

}  // namespace weir::model
