#include "index/catalogue/sealed_vfs.h"

#include <sqlite3.h>
#include <xxhash.h>

#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace weir::index {
namespace {

constexpr int kLeastPage = 512, kMostPage = 65536;
// In the header of the database (sqlite.org/fileformat2.html).
constexpr int kHeaderBytes = 100, kPageSizeAt = 16, kReservedAt = 20, kUserVersionAt = 60;

thread_local int64_t damaged_page = 0;

// The real file stands behind it.
struct File {
  sqlite3_file base;
  sqlite3_file* real;
  bool is_database, sealed;
  int page_size;
};

File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return Of(file)->real; }

void ReadHeader(File& file, const unsigned char* header) {
  const int size = header[kPageSizeAt] << 8 | header[kPageSizeAt + 1];
  file.page_size = size == 1 ? kMostPage : size;
  const unsigned char* version = header + kUserVersionAt;
  const uint32_t number = uint32_t{version[0]} << 24 | uint32_t{version[1]} << 16 |
                          uint32_t{version[2]} << 8 | version[3];
  file.sealed = header[kReservedAt] == kSealBytes || number >= kSealedVersion;
}

uint64_t Seal(const void* page, int size) {
  return XXH3_64bits(page, static_cast<size_t>(size - kSealBytes));
}

bool IsPage(const File& file, int size, sqlite3_int64 offset) {
  return file.is_database && file.sealed && size == file.page_size && size >= kLeastPage &&
         offset % size == 0;
}

int Read(sqlite3_file* base, void* out, int size, sqlite3_int64 offset) {
  File& file = *Of(base);
  const int code = file.real->pMethods->xRead(file.real, out, size, offset);
  if (code != SQLITE_OK) return code;
  const auto* bytes = static_cast<const unsigned char*>(out);
  if (file.is_database && offset == 0 && size >= kHeaderBytes) ReadHeader(file, bytes);
  if (!IsPage(file, size, offset)) return SQLITE_OK;
  const uint64_t seal = Seal(out, size);
  if (std::memcmp(&seal, bytes + size - kSealBytes, kSealBytes) == 0) return SQLITE_OK;
  damaged_page = offset;
  return SQLITE_IOERR_DATA;
}

int Write(sqlite3_file* base, const void* in, int size, sqlite3_int64 offset) {
  File& file = *Of(base);
  if (file.is_database && offset == 0 && size >= kHeaderBytes)
    ReadHeader(file, static_cast<const unsigned char*>(in));
  if (!IsPage(file, size, offset)) return file.real->pMethods->xWrite(file.real, in, size, offset);
  thread_local std::array<char, kMostPage> page;
  const uint64_t seal = Seal(in, size);
  std::memcpy(page.data(), in, static_cast<size_t>(size - kSealBytes));
  std::memcpy(page.data() + size - kSealBytes, &seal, kSealBytes);
  return file.real->pMethods->xWrite(file.real, page.data(), size, offset);
}

// Version 2 has no memory mapping, behind which a page would go unread.
const sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = [](sqlite3_file* f) { return Real(f)->pMethods->xClose(Real(f)); },
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = [](sqlite3_file* f,
                    sqlite3_int64 size) { return Real(f)->pMethods->xTruncate(Real(f), size); },
    .xSync = [](sqlite3_file* f, int flags) { return Real(f)->pMethods->xSync(Real(f), flags); },
    .xFileSize = [](sqlite3_file* f,
                    sqlite3_int64* size) { return Real(f)->pMethods->xFileSize(Real(f), size); },
    .xLock = [](sqlite3_file* f, int lock) { return Real(f)->pMethods->xLock(Real(f), lock); },
    .xUnlock = [](sqlite3_file* f, int lock) { return Real(f)->pMethods->xUnlock(Real(f), lock); },
    .xCheckReservedLock =
        [](sqlite3_file* f, int* out) {
          return Real(f)->pMethods->xCheckReservedLock(Real(f), out);
        },
    .xFileControl =
        [](sqlite3_file* f, int what, void* argument) {
          return Real(f)->pMethods->xFileControl(Real(f), what, argument);
        },
    .xSectorSize = [](sqlite3_file* f) { return Real(f)->pMethods->xSectorSize(Real(f)); },
    .xDeviceCharacteristics =
        [](sqlite3_file* f) { return Real(f)->pMethods->xDeviceCharacteristics(Real(f)); },
    .xShmMap =
        [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
          return Real(f)->pMethods->xShmMap(Real(f), page, size, extend, out);
        },
    .xShmLock =
        [](sqlite3_file* f, int offset, int n, int flags) {
          return Real(f)->pMethods->xShmLock(Real(f), offset, n, flags);
        },
    .xShmBarrier = [](sqlite3_file* f) { Real(f)->pMethods->xShmBarrier(Real(f)); },
    .xShmUnmap = [](sqlite3_file* f,
                    int remove) { return Real(f)->pMethods->xShmUnmap(Real(f), remove); },
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

sqlite3_vfs* System() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  return vfs;
}

int Open(sqlite3_vfs*, const char* name, sqlite3_file* base, int flags, int* out_flags) {
  File& file = *Of(base);
  file = {.base = {nullptr},
          .real = reinterpret_cast<sqlite3_file*>(&file + 1),
          .is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0,
          .sealed = false,
          .page_size = 0};
  const int code = System()->xOpen(System(), name, file.real, flags, out_flags);
  if (file.real->pMethods != nullptr) file.base.pMethods = &kMethods;
  return code;
}

}  // namespace

absl::StatusOr<const char*> SealedVfs() {
  static sqlite3_vfs vfs;
  static const int code = [] {
    if (System() == nullptr || System()->iVersion < 2) return SQLITE_NOTFOUND;
    vfs = *System();  // what it does with names is the system's
    vfs.pNext = nullptr;
    vfs.zName = "weir-sealed";
    vfs.szOsFile += static_cast<int>(sizeof(File));
    vfs.xOpen = Open;
    return sqlite3_vfs_register(&vfs, /*makeDflt=*/0);
  }();
  if (code == SQLITE_OK) return vfs.zName;
  return absl::InternalError(absl::StrCat("catalogue: ", sqlite3_errstr(code)));
}

int64_t LastDamagedPage() { return damaged_page; }

}  // namespace weir::index
