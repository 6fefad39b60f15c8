#include "ingest/pdfium.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "base/files.h"
#include "base/options.h"

namespace weir::ingest {
namespace {

struct PdfiumOptions {
  std::string pdfium;
  template <class V> void Visit(V& v) {
    v(pdfium, {.name = "pdfium", .help = "The PDFium library.", .fingerprint = false});
  }
};

template <class F>
bool Bind(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(dlsym(library, name));
  return function != nullptr;
}

// The name of a function that is missing, or null.
const char* BindAll(void* lib, Pdfium& p) {
#define WEIR_BIND(symbol, member) \
  if (!Bind(lib, symbol, p.member)) return symbol
  WEIR_BIND("FPDF_InitLibraryWithConfig", InitLibraryWithConfig);
  WEIR_BIND("FPDF_LoadMemDocument64", LoadMemDocument64);
  WEIR_BIND("FPDF_CloseDocument", CloseDocument);
  WEIR_BIND("FPDF_GetLastError", GetLastError);
  WEIR_BIND("FPDF_GetPageCount", GetPageCount);
  WEIR_BIND("FPDF_GetMetaText", GetMetaText);
  WEIR_BIND("FPDF_LoadPage", LoadPage);
  WEIR_BIND("FPDF_ClosePage", ClosePage);
  WEIR_BIND("FPDF_GetPageWidthF", GetPageWidthF);
  WEIR_BIND("FPDF_GetPageHeightF", GetPageHeightF);
  WEIR_BIND("FPDF_GetPageBoundingBox", GetPageBoundingBox);
  WEIR_BIND("FPDFPage_GetRotation", GetRotation);
  WEIR_BIND("FPDFText_LoadPage", LoadTextPage);
  WEIR_BIND("FPDFText_ClosePage", CloseTextPage);
  WEIR_BIND("FPDFText_CountChars", CountChars);
  WEIR_BIND("FPDFText_GetUnicode", GetUnicode);
  WEIR_BIND("FPDFText_GetLooseCharBox", GetLooseCharBox);
  WEIR_BIND("FPDFText_GetCharBox", GetCharBox);
  WEIR_BIND("FPDFText_GetCharOrigin", GetCharOrigin);
  WEIR_BIND("FPDFText_GetCharAngle", GetCharAngle);
  WEIR_BIND("FPDFText_GetTextObject", GetTextObject);
  WEIR_BIND("FPDFTextObj_GetFont", GetFont);
  WEIR_BIND("FPDFFont_GetWeight", GetFontWeight);
  WEIR_BIND("FPDFFont_GetBaseFontName", GetBaseFontName);
#undef WEIR_BIND
  return nullptr;
}

absl::StatusOr<const Pdfium*> LoadNow(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return absl::UnavailableError(
        absl::StrCat("PDFium library: ", why == nullptr ? path : why, "; expected at ", path));
  }
  auto table = std::make_unique<Pdfium>();
  if (const char* missing = BindAll(library, *table); missing != nullptr) {
    dlclose(library);
    return absl::UnavailableError(
        absl::StrCat("PDFium library ", path, ": too old; it has no ", missing));
  }
  static const char* no_paths[] = {nullptr};  // an empty list, as against none: no system fonts
  FpdfLibraryConfig config{};
  config.version = 2;
  config.user_font_paths = no_paths;
  table->InitLibraryWithConfig(&config);
  return table.release();  // lives as long as the library, that is, the process
}

}  // namespace

std::string PdfiumPath() {
  PdfiumOptions options;
  OptionTable table = BindOptions(options);
  if (ApplyEnvironment(table).ok() && !options.pdfium.empty()) return options.pdfium;
  return absl::StrCat(WeirHome(), "/lib/libpdfium.so");
}

absl::StatusOr<const Pdfium*> LoadPdfium(const std::string& path) {
  // The library itself can be initialised only once a process.
  static const absl::StatusOr<const Pdfium*> loaded = LoadNow(path);
  return loaded;
}

}  // namespace weir::ingest
