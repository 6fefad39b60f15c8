// Bytes as the file of a tenant tree behind a header that fits.
#include <cstdint>
#include <string>
#include <vector>

#include "index/segment_image.h"
#include "index/tenants/tenant_tree.h"

namespace wi = weir::index;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string image =
      wi::FuzzImage(data, size, wi::SegmentKind::kTenants, wi::kTenantTreeSections);
  if (image.empty()) return 0;
  const auto file =
      wi::SegmentFile::FromBytes(std::as_bytes(std::span(image)), "fuzz",
                                 wi::SegmentKind::kTenants, wi::kTenantTreeSections);
  if (!file.ok()) return 0;
  auto tree = wi::TenantTree::FromFile(**file);
  if (!tree.ok()) return 0;
  const std::vector<float> query((*tree)->dimensions(), 0.1f);
  for (uint32_t tenant = 0; tenant < 4; ++tenant) {
    (void)(*tree)->Search(query, 3, tenant);
    for (const int64_t label : (*tree)->LabelsOf(tenant)) (void)(*tree)->Revoke(label, tenant);
  }
  return 0;
}
