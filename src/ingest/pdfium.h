// The two dozen functions of PDFium's public C interface that reading text needs, found in the
// shared library at run time, so that Weir builds and runs (without PDF) where it is not installed.
// PDFium is not thread-safe; a reader process has one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace weir::ingest {

// Opaque handles and plain structs as in PDFium's fpdfview.h and fpdf_text.h.
using FpdfDocument = struct FpdfDocumentStruct*;
using FpdfPage = struct FpdfPageStruct*;
using FpdfTextPage = struct FpdfTextPageStruct*;
using FpdfObject = struct FpdfObjectStruct*;
using FpdfFont = struct FpdfFontStruct*;

struct FpdfRect {
  float left, top, right, bottom;
};

struct FpdfLibraryConfig {
  int version;
  const char** user_font_paths;
  void* isolate;
  unsigned int v8_embedder_slot;
  void* platform;
  int renderer_type;
  int font_library_type;
  int more[6];  // later versions only; zero
};

struct Pdfium {
  void (*InitLibraryWithConfig)(const FpdfLibraryConfig*);
  FpdfDocument (*LoadMemDocument64)(const void*, size_t, const char* password);
  void (*CloseDocument)(FpdfDocument);
  unsigned long (*GetLastError)();
  int (*GetPageCount)(FpdfDocument);
  unsigned long (*GetMetaText)(FpdfDocument, const char* tag, void* utf16le, unsigned long bytes);
  FpdfPage (*LoadPage)(FpdfDocument, int);
  void (*ClosePage)(FpdfPage);
  float (*GetPageWidthF)(FpdfPage);
  float (*GetPageHeightF)(FpdfPage);
  int (*GetPageBoundingBox)(FpdfPage, FpdfRect*);
  int (*GetRotation)(FpdfPage);
  FpdfTextPage (*LoadTextPage)(FpdfPage);
  void (*CloseTextPage)(FpdfTextPage);
  int (*CountChars)(FpdfTextPage);
  unsigned int (*GetUnicode)(FpdfTextPage, int);
  int (*GetLooseCharBox)(FpdfTextPage, int, FpdfRect*);
  int (*GetCharBox)(FpdfTextPage, int, double* left, double* right, double* bottom, double* top);
  int (*GetCharOrigin)(FpdfTextPage, int, double* x, double* y);
  float (*GetCharAngle)(FpdfTextPage, int);
  FpdfObject (*GetTextObject)(FpdfTextPage, int);
  FpdfFont (*GetFont)(FpdfObject);
  int (*GetFontWeight)(FpdfFont);
  size_t (*GetBaseFontName)(FpdfFont, char*, size_t);
};

// $WEIR_PDFIUM, else $WEIR_HOME/lib/libpdfium.so.
std::string PdfiumPath();

// Loads and initialises the library once; later calls return the same table. System fonts are not
// searched: text comes out the same on every machine. kUnavailable when it is missing or too old.
absl::StatusOr<const Pdfium*> LoadPdfium(const std::string& path);

}  // namespace weir::ingest
