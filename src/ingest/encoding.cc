#include "ingest/encoding.h"

#include <unicode/ucnv.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "text/unicode.h"

namespace weir::ingest {
namespace {

// Converts in slices, so memory stays near twice the input. False when ICU does not know the name.
bool Convert(std::string_view bytes, const std::string& name, std::string& out) {
  UErrorCode error = U_ZERO_ERROR;
  UConverter* from = ucnv_open(name.c_str(), &error);
  UConverter* to = ucnv_open("UTF-8", &error);
  bool ok = U_SUCCESS(error);
  if (ok) {
    UChar pivot[1024];
    UChar* pivot_source = pivot;
    UChar* pivot_target = pivot;
    const char* source = bytes.data();
    const char* const end = bytes.data() + bytes.size();
    char slice[8192];
    do {
      error = U_ZERO_ERROR;
      char* target = slice;
      ucnv_convertEx(to, from, &target, slice + sizeof(slice), &source, end, pivot, &pivot_source,
                     &pivot_target, pivot + 1024, false, true, &error);
      out.append(slice, target - slice);
    } while (error == U_BUFFER_OVERFLOW_ERROR);
    ok = U_SUCCESS(error);
  }
  if (to != nullptr) ucnv_close(to);
  if (from != nullptr) ucnv_close(from);
  return ok;
}

struct Mark {
  std::string_view bytes;
  const char* name;
};

// UTF-32LE before UTF-16LE, whose mark it begins with.
constexpr Mark kMarks[] = {{{"\xEF\xBB\xBF", 3}, "UTF-8"},
                           {{"\xFF\xFE\0\0", 4}, "UTF-32LE"},
                           {{"\0\0\xFE\xFF", 4}, "UTF-32BE"},
                           {{"\xFF\xFE", 2}, "UTF-16LE"},
                           {{"\xFE\xFF", 2}, "UTF-16BE"}};

}  // namespace

std::string ToUtf8(std::string_view bytes, std::string_view declared, std::string& encoding,
                   std::vector<std::string>& warnings) {
  for (const Mark& mark : kMarks) {
    if (bytes.substr(0, mark.bytes.size()) != mark.bytes) continue;
    encoding = mark.name;
    bytes.remove_prefix(mark.bytes.size());
    std::string out;
    if (encoding == "UTF-8" || !Convert(bytes, encoding, out)) return text::RepairUtf8(bytes);
    return text::RepairUtf8(out);
  }
  std::string name = absl::AsciiStrToLower(absl::string_view(declared.data(), declared.size()));
  // As browsers read it: latin-1 and ASCII declare windows-1252, and UTF-16 in a meta tag is UTF-8.
  if (name == "iso-8859-1" || name == "latin1" || name == "latin-1" || name == "us-ascii" ||
      name == "ascii") {
    name = "windows-1252";
  }
  const bool utf8 = name.empty() || name == "utf-8" || name == "utf8" || name.starts_with("utf-16");
  if (!utf8) {
    std::string out;
    if (Convert(bytes, name, out)) {
      encoding = name;
      return text::RepairUtf8(out);
    }
    warnings.push_back(absl::StrCat("unknown encoding ", text::RepairUtf8(name.substr(0, 40))));
  }
  if (text::IsValidUtf8(bytes)) {
    encoding = "UTF-8";
    return text::RepairUtf8(bytes);  // replaces NUL alone
  }
  // Mostly valid UTF-8 with a few broken bytes is repaired; anything else is taken as windows-1252.
  std::string repaired = text::RepairUtf8(bytes);
  size_t broken = 0, wide = 0;
  for (size_t i = 0; i < repaired.size();) {
    const char32_t c = text::NextCodePoint(repaired, i);
    broken += c == 0xFFFD;
    wide += c >= 0x80;
  }
  if (broken * 4 < wide) {
    encoding = "UTF-8";
    warnings.push_back(absl::StrCat("malformed UTF-8 replaced in ", broken, " places"));
    return repaired;
  }
  std::string out;
  encoding = "windows-1252";
  warnings.push_back("not UTF-8 and no encoding declared; read as windows-1252");
  if (!Convert(bytes, encoding, out)) return repaired;
  return text::RepairUtf8(out);
}

}  // namespace weir::ingest
