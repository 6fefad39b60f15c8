#include "model/tokenizer/vocabulary.h"

#include <array>
#include <cstring>

#include "text/unicode.h"

namespace weir::model {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool StandsForItself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

struct Letters {
  std::array<char32_t, 256> of_byte;
  std::array<int16_t, 0x144> of_letter;

  Letters() {
    of_letter.fill(-1);
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      of_byte[b] = StandsForItself(b) ? static_cast<char32_t>(b) : next++;
      of_letter[of_byte[b]] = static_cast<int16_t>(b);
    }
  }
};

const Letters& Table() {
  static const Letters& table = *new Letters();
  return table;
}

}  // namespace

Vocabulary::Vocabulary(std::span<const std::string_view> texts) {
  size_t bytes = 0;
  for (std::string_view text : texts) bytes += text.size();
  arena_ = std::make_unique<char[]>(bytes + 1);
  texts_.reserve(texts.size());
  kinds_.assign(texts.size(), PieceKind::kNormal);
  ids_.reserve(texts.size());
  char* to = arena_.get();
  for (std::string_view text : texts) {
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    texts_.emplace_back(to, text.size());
    to += text.size();
    if (!text.empty()) ids_.emplace(texts_.back(), static_cast<int32_t>(texts_.size() - 1));
  }
}

int ByteOfPiece(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  const int high = HexDigit(text[3]), low = HexDigit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::vector<int32_t> BytePieces(const Vocabulary& vocabulary) {
  std::vector<int32_t> ids(256, -1);
  constexpr char kHex[] = "0123456789ABCDEF";
  char text[] = "<0x00>";
  for (int b = 0; b < 256; ++b) {
    text[3] = kHex[b >> 4];
    text[4] = kHex[b & 15];
    ids[b] = vocabulary.Find(std::string_view(text, 6));
  }
  return ids;
}

char32_t LetterOfByte(uint8_t byte) { return Table().of_byte[byte]; }

int ByteOfLetter(char32_t letter) {
  return letter < Table().of_letter.size() ? Table().of_letter[letter] : -1;
}

std::string BytesOfLetters(std::string_view letters) {
  std::string out;
  for (size_t at = 0; at < letters.size();) {
    const size_t start = at;
    const int byte = ByteOfLetter(text::NextCodePoint(letters, at));
    if (byte >= 0) {
      out.push_back(static_cast<char>(byte));
    } else {
      out.append(letters.substr(start, at - start));
    }
  }
  return out;
}

std::string LettersOfBytes(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) text::AppendUtf8(LetterOfByte(static_cast<uint8_t>(c)), out);
  return out;
}

}  // namespace weir::model
