#include "ingest/wire.h"

#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "text/fields.h"
#include "text/unicode.h"

namespace weir::ingest {
namespace {

constexpr uint32_t kMagic = 0x32525257;  // "WRR2"
constexpr uint64_t kMaxShortString = 1 << 20;
constexpr uint64_t kMaxMeta = 4096;
constexpr uint64_t kMaxWarnings = 4096;

class Writer {
 public:
  template <class T>
  void Number(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out.append(bytes, sizeof(T));
  }
  void String(std::string_view s) {
    Number<uint64_t>(s.size());
    out.append(s);
  }
  void SpanOf(const text::Span& s) {
    Number<int64_t>(s.start);
    Number<int64_t>(s.end);
  }
  std::string out;
};

class Parser {
 public:
  explicit Parser(std::string_view s) : left_(s) {}
  template <class T>
  T Number() {
    T value{};
    if (left_.size() < sizeof(T)) {
      ok_ = false;
      left_ = {};
      return value;
    }
    std::memcpy(&value, left_.data(), sizeof(T));
    left_.remove_prefix(sizeof(T));
    return value;
  }
  std::string String(uint64_t limit) {
    const uint64_t n = Number<uint64_t>();
    if (!ok_ || n > limit || n > left_.size()) {
      ok_ = false;
      return "";
    }
    std::string s(left_.substr(0, n));
    left_.remove_prefix(n);
    return s;
  }
  // A count of records of at least `each` bytes.
  uint64_t Count(uint64_t each, uint64_t limit) {
    const uint64_t n = Number<uint64_t>();
    if (!ok_ || n > limit || n > left_.size() / each) {
      ok_ = false;
      return 0;
    }
    return n;
  }
  text::Span SpanOf() {
    text::Span s;
    s.start = Number<int64_t>();
    s.end = Number<int64_t>();
    return s;
  }
  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && left_.empty(); }

 private:
  std::string_view left_;
  bool ok_ = true;
};

void WriteDocument(const text::Document& d, Writer& w) {
  w.String(d.format);
  w.String(d.title);
  w.String(d.text);
  w.Number<uint64_t>(d.pages.size());
  for (const text::Page& p : d.pages) {
    w.Number<int32_t>(p.number);
    w.SpanOf(p.span);
    w.Number(p.width);
    w.Number(p.height);
  }
  w.Number<uint64_t>(d.blocks.size());
  for (const text::Block& b : d.blocks) {
    w.Number<uint8_t>(static_cast<uint8_t>(b.kind));
    w.SpanOf(b.span);
    w.Number<int32_t>(b.level);
    w.Number<int32_t>(b.page);
    for (float v : {b.box.x0, b.box.y0, b.box.x1, b.box.y1}) w.Number(v);
  }
  w.Number<uint64_t>(d.meta.size());
  for (const auto& [key, value] : d.meta) {
    w.String(key);
    w.String(value);
  }
  w.Number<uint64_t>(d.fields.size());
  for (const text::Field& field : d.fields) {
    w.String(field.name);
    w.String(field.value);
  }
  w.Number<uint64_t>(d.warnings.size());
  for (const std::string& warning : d.warnings) w.String(warning);
}

text::Document ParseDocument(Parser& p, int64_t max_text_bytes) {
  text::Document d;
  d.format = p.String(64);
  d.title = p.String(kMaxShortString);
  d.text = p.String(static_cast<uint64_t>(max_text_bytes));
  d.pages.resize(p.Count(28, 1 << 24));
  for (text::Page& page : d.pages) {
    page.number = p.Number<int32_t>();
    page.span = p.SpanOf();
    page.width = p.Number<float>();
    page.height = p.Number<float>();
  }
  d.blocks.resize(p.Count(41, 1 << 26));
  for (text::Block& b : d.blocks) {
    b.kind = static_cast<text::BlockKind>(p.Number<uint8_t>());
    b.span = p.SpanOf();
    b.level = p.Number<int32_t>();
    b.page = p.Number<int32_t>();
    for (float* v : {&b.box.x0, &b.box.y0, &b.box.x1, &b.box.y1}) *v = p.Number<float>();
  }
  for (uint64_t n = p.Count(16, kMaxMeta); n > 0; --n) {
    std::string key = p.String(kMaxShortString);
    d.meta[std::move(key)] = p.String(kMaxShortString);
  }
  d.fields.resize(p.Count(16, text::kMaxFieldValues));
  for (text::Field& field : d.fields) {
    field.name = p.String(text::kMaxFieldName);
    field.value = p.String(text::kMaxFieldValue);
  }
  d.warnings.resize(p.Count(8, kMaxWarnings));
  for (std::string& warning : d.warnings) warning = p.String(kMaxShortString);
  return d;
}

bool OnBoundary(std::string_view s, int64_t at) {
  return at == static_cast<int64_t>(s.size()) || (static_cast<uint8_t>(s[at]) & 0xC0) != 0x80;
}

absl::Status Bad(std::string_view what) {
  return absl::DataLossError(absl::StrCat("document from the reader: ", what));
}

bool CleanString(std::string_view s) {
  return text::IsValidUtf8(s) && s.find('\0') == std::string_view::npos;
}

}  // namespace

std::string EncodeReply(const absl::StatusOr<text::Document>& reply) {
  Writer w;
  w.Number(kMagic);
  w.Number<int32_t>(static_cast<int32_t>(reply.status().code()));
  if (!reply.ok()) {
    w.String(reply.status().message().substr(0, kMaxShortString));
    return std::move(w.out);
  }
  w.out.reserve(reply->text.size() + reply->blocks.size() * 41 + 4096);
  WriteDocument(*reply, w);
  return std::move(w.out);
}

absl::StatusOr<text::Document> DecodeReply(std::string_view frame, int64_t max_text_bytes) {
  Parser p(frame);
  if (p.Number<uint32_t>() != kMagic) return Bad("no reply");
  const int32_t code = p.Number<int32_t>();
  if (!p.ok()) return Bad("cut short");
  if (code != 0) {
    const std::string message = text::RepairUtf8(p.String(kMaxShortString));
    if (!p.AtEnd() || code < 0 || code > 16) return Bad("malformed error");
    return absl::Status(static_cast<absl::StatusCode>(code), message);
  }
  text::Document d = ParseDocument(p, max_text_bytes);
  if (!p.AtEnd()) return Bad("malformed or over a limit");
  WEIR_RETURN_IF_ERROR(CheckDocument(d, max_text_bytes));
  return d;
}

absl::Status CheckDocument(const text::Document& d, int64_t max_text_bytes) {
  const int64_t size = static_cast<int64_t>(d.text.size());
  if (size > max_text_bytes) return Bad("text over the limit");
  if (!CleanString(d.text) || !CleanString(d.title) || !CleanString(d.format)) {
    return Bad("text is not valid UTF-8");
  }
  for (const auto& [key, value] : d.meta) {
    if (!CleanString(key) || !CleanString(value)) return Bad("meta is not valid UTF-8");
  }
  for (const text::Field& field : d.fields) {
    if (!CleanString(field.name) || !CleanString(field.value))
      return Bad("field is not valid UTF-8");
    if (field.name != text::FieldName(field.name) || field.name.empty() || field.value.empty())
      return Bad("field without a name or a value");
  }
  for (const std::string& warning : d.warnings) {
    if (!CleanString(warning)) return Bad("warning is not valid UTF-8");
  }
  const auto good_span = [&](const text::Span& s, int64_t after) {
    return s.start >= after && s.end >= s.start && s.end <= size && OnBoundary(d.text, s.start) &&
           OnBoundary(d.text, s.end);
  };
  int64_t last = 0;
  int number = 0;
  for (const text::Page& page : d.pages) {
    if (!good_span(page.span, last)) return Bad("page span out of order or range");
    if (page.number <= number) return Bad("page numbers out of order");
    if (!std::isfinite(page.width) || !std::isfinite(page.height)) return Bad("page size");
    last = page.span.end;
    number = page.number;
  }
  last = 0;
  for (const text::Block& b : d.blocks) {
    if (!good_span(b.span, last) || b.span.size() == 0)
      return Bad("block span out of order or range");
    if (b.kind > text::BlockKind::kOther) return Bad("block kind");
    if (b.level < 0 || b.level > 9 || b.page < 0 || b.page > number)
      return Bad("block level or page");
    for (float v : {b.box.x0, b.box.y0, b.box.x1, b.box.y1}) {
      if (!std::isfinite(v)) return Bad("block box");
    }
    last = b.span.end;
  }
  return absl::OkStatus();
}

}  // namespace weir::ingest
