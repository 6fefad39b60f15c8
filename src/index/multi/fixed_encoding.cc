#include "index/multi/fixed_encoding.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "index/multi/gaussian.h"
#include "tensor/matmul.h"
#include "tensor/ops.h"
#include "tensor/vector.h"

namespace weir::index {
namespace {

constexpr size_t kColumns = 32;  // a matrix has whole blocks of them
enum Stream : uint64_t { kPlanesStream, kSketchStream, kFinalStream };
// What the whole set's product counts beside the mean over the repetitions.
constexpr float kWholeWeight = 1;

void ToUnitLength(float* x, size_t n) {
  const float square = tensor::Dot(x, x, n);
  if (!(square > 0)) return;
  const float scale = 1 / std::sqrt(square);
  for (size_t i = 0; i < n; ++i) x[i] *= scale;
}

}  // namespace

std::string FixedEncodingParameters::ToString() const {
  return absl::StrCat("dimensions=", dimensions, " reps=", reps, " bits=", bits, " dim=", dim,
                      " final=", final_dim, " seed=", seed, " fill=", fill_empty ? 1 : 0,
                      " means=", unit_means ? "unit" : "paper", " whole=", whole ? 1 : 0);
}

absl::Status CheckParameters(const FixedEncodingParameters& p) {
  const auto outside = [](const char* name, uint64_t value, uint64_t least, uint64_t most) {
    return absl::InvalidArgumentError(absl::StrCat("fixed dimensional encoding: ", name, " ",
                                                   value, "; expected ", least, " to ", most));
  };
  if (p.dimensions < 1 || p.dimensions > kLongestEncoding) {
    return outside("dimensions", p.dimensions, 1, kLongestEncoding);
  }
  if (p.reps < 1 || p.reps > kMostEncodingReps)
    return outside("reps", p.reps, 1, kMostEncodingReps);
  if (p.bits > kMostEncodingBits) return outside("bits", p.bits, 0, kMostEncodingBits);
  if (p.dim > p.dimensions) return outside("dim", p.dim, 0, p.dimensions);
  if (p.final_dim > kLongestEncoding) return outside("final", p.final_dim, 0, kLongestEncoding);
  if (p.raw_length() > kLongestRawEncoding) {
    return outside("reps * 2^bits * dim", p.raw_length(), 1, kLongestRawEncoding);
  }
  if (uint64_t{p.reps} * p.bits * p.dimensions > kLongestRawEncoding) {
    return outside("reps * bits * dimensions", uint64_t{p.reps} * p.bits * p.dimensions, 0,
                   kLongestRawEncoding);
  }
  if (p.parts() * p.dimensions > kLongestRawEncoding) {
    return outside("2^bits * dimensions", p.parts() * p.dimensions, 1, kLongestRawEncoding);
  }
  if (p.length() > kLongestEncoding) return outside("length", p.length(), 1, kLongestEncoding);
  return absl::OkStatus();
}

absl::StatusOr<FixedEncodingParameters> ResolveParameters(const FixedEncodingOptions& options,
                                                          uint32_t dimensions,
                                                          const FixedEncodingParameters* stored) {
  FixedEncodingParameters made;
  const auto follow = [&](bool paper) {
    made.unit_means = made.whole = !paper;
    made.fill_empty = paper;
  };
  follow(false);
  if (stored != nullptr) made = *stored;
  made.dimensions = dimensions;
  const auto set = [](int64_t value, auto& field) {
    if (value >= 0) field = static_cast<std::decay_t<decltype(field)>>(value);
  };
  set(options.reps, made.reps);
  set(options.bits, made.bits);
  set(options.dim, made.dim);
  set(options.final_dim, made.final_dim);
  set(options.seed, made.seed);
  if (!options.means.empty()) follow(options.means == "paper");
  WEIR_RETURN_IF_ERROR(CheckParameters(made));
  if (stored != nullptr && made != *stored) {
    return absl::FailedPreconditionError(absl::StrCat(
        "fixed dimensional encoding: asked for ", made.ToString(), "; the store's passages have ",
        stored->ToString(), ": leave the options out, or index into a new store"));
  }
  return made;
}

uint32_t GrayPart(uint32_t pattern, uint32_t bits) {
  uint32_t part = 0;
  for (uint32_t i = bits; i-- > 0;) part = 2 * part + (((pattern >> i) & 1) ^ (part & 1));
  return part;
}

// The hyperplanes of all repetitions in one matrix.
struct FixedEncoder::Planes {
  size_t columns = 0;
  tensor::Matrix matrix;
};

FixedEncoder::FixedEncoder(const FixedEncodingParameters& parameters) : parameters_(parameters) {}
FixedEncoder::~FixedEncoder() = default;

absl::StatusOr<std::unique_ptr<const FixedEncoder>> FixedEncoder::Make(
    const FixedEncodingParameters& p) {
  WEIR_RETURN_IF_ERROR(CheckParameters(p));
  std::unique_ptr<FixedEncoder> made(new FixedEncoder(p));
  const auto draw = [](uint64_t seed, Stream stream, size_t n, uint32_t slots) {
    PortableRandom random(seed, stream);
    Sketch sketch;
    for (size_t i = 0; i < n; ++i) {
      sketch.slots.push_back(random.Below(slots));
      sketch.signs.push_back(random.Sign());
    }
    return sketch;
  };
  auto planes = std::make_unique<Planes>();
  planes->columns = (p.dimensions + kColumns - 1) / kColumns * kColumns;
  std::vector<float> normals(p.reps * p.bits * planes->columns);
  for (uint32_t r = 0; r < p.reps; ++r) {
    PortableRandom random(p.seed + r, kPlanesStream);
    for (uint32_t b = 0; b < p.bits; ++b) {
      float* plane = &normals[(r * p.bits + b) * planes->columns];
      for (uint32_t i = 0; i < p.dimensions; ++i) plane[i] = static_cast<float>(random.Gaussian());
    }
    if (p.dim > 0) made->sketches_.push_back(draw(p.seed + r, kSketchStream, p.dimensions, p.dim));
  }
  if (!normals.empty()) {
    WEIR_ASSIGN_OR_RETURN(
        planes->matrix,
        tensor::Matrix::Pack({tensor::DType::kF32, reinterpret_cast<const std::byte*>(&normals[0]),
                              p.reps * p.bits, planes->columns},
                             nullptr));
  }
  made->planes_ = std::move(planes);
  if (p.final_dim > 0) made->final_ = draw(p.seed, kFinalStream, p.raw_length(), p.final_dim);
  return made;
}

std::vector<uint32_t> FixedEncoder::Parts(std::span<const float> tokens) const {
  const FixedEncodingParameters& p = parameters_;
  const size_t n = tokens.size() / p.dimensions, planes = p.reps * p.bits;
  std::vector<uint32_t> parts(n * p.reps);
  if (p.bits == 0 || n == 0) return parts;
  std::vector<float> padded, products(n * planes);
  const float* x = tokens.data();
  if (planes_->columns != p.dimensions) {
    padded.resize(n * planes_->columns);
    for (size_t t = 0; t < n; ++t) {
      std::copy_n(x + t * p.dimensions, p.dimensions, &padded[t * planes_->columns]);
    }
    x = padded.data();
  }
  planes_->matrix.Multiply(x, n, products.data(), nullptr);
  for (size_t i = 0; i < parts.size(); ++i) {
    uint32_t pattern = 0;
    for (uint32_t b = 0; b < p.bits; ++b) pattern = 2 * pattern + (products[i * p.bits + b] > 0);
    parts[i] = GrayPart(pattern, p.bits);
  }
  return parts;
}

void FixedEncoder::Apply(const Sketch& sketch, const float* x, float* out) const {
  for (size_t i = 0; i < sketch.slots.size(); ++i) out[sketch.slots[i]] += sketch.signs[i] * x[i];
}

// Each empty part gets the vector whose bits differ least from its own, the first of equals.
void FixedEncoder::FillEmpty(size_t rep, std::span<const float> tokens,
                             std::span<const uint32_t> parts, std::span<const uint32_t> counts,
                             float* blocks) const {
  const FixedEncodingParameters& p = parameters_;
  const size_t n = tokens.size() / p.dimensions;
  std::vector<uint32_t> patterns(n);
  for (size_t t = 0; t < n; ++t) patterns[t] = GrayPattern(parts[t * p.reps + rep]);
  for (size_t j = 0; j < counts.size(); ++j) {
    if (counts[j] > 0) continue;
    const uint32_t own = GrayPattern(static_cast<uint32_t>(j));
    size_t best = 0;
    int least = std::popcount(patterns[0] ^ own);
    for (size_t t = 1; t < n && least > 1; ++t) {  // no vector has the part's own pattern
      const int apart = std::popcount(patterns[t] ^ own);
      if (apart < least) least = apart, best = t;
    }
    std::copy_n(&tokens[best * p.dimensions], p.dimensions, blocks + j * p.dimensions);
  }
}

absl::Status FixedEncoder::Encode(std::span<const float> tokens, bool query,
                                  std::span<float> out) const {
  const FixedEncodingParameters& p = parameters_;
  const size_t d = p.dimensions, n = tokens.size() / d;
  if (tokens.size() % d != 0 || out.size() != length()) {
    return absl::InvalidArgumentError(
        absl::StrCat("fixed dimensional encoding: ", tokens.size(), " numbers into ", out.size(),
                     "; expected whole vectors of ", d, " into ", length()));
  }
  const std::vector<uint32_t> parts = Parts(tokens);
  std::vector<float> raw(p.final_dim == 0 ? 0 : p.raw_length()), blocks(p.parts() * d);
  float* whole = p.final_dim == 0 ? out.data() : raw.data();
  std::fill_n(whole, p.raw_length(), 0.0f);
  std::vector<uint32_t> counts(p.parts());
  for (size_t r = 0; r < p.reps; ++r) {
    std::fill(blocks.begin(), blocks.end(), 0.0f);
    std::fill(counts.begin(), counts.end(), 0u);
    for (size_t t = 0; t < n; ++t) {
      const uint32_t part = parts[t * p.reps + r];
      tensor::Add(&blocks[part * d], &tokens[t * d], d);
      ++counts[part];
    }
    for (size_t j = 0; j < counts.size() && !query; ++j) {
      if (counts[j] < 2) continue;
      const float share = 1.0f / static_cast<float>(counts[j]);
      for (size_t i = 0; i < d; ++i) blocks[j * d + i] *= share;
      if (p.unit_means) ToUnitLength(&blocks[j * d], d);
    }
    const bool fill = !query && p.fill_empty;
    if (fill) FillEmpty(r, tokens, parts, counts, blocks.data());
    for (size_t j = 0; j < counts.size(); ++j) {
      if (counts[j] == 0 && !fill) continue;
      float* to = whole + (r * counts.size() + j) * p.block();
      if (sketches_.empty()) {
        std::copy_n(&blocks[j * d], d, to);
      } else {
        Apply(sketches_[r], &blocks[j * d], to);
      }
    }
  }
  if (p.whole) {
    float* to = whole + p.raw_length() - d;
    for (size_t t = 0; t < n; ++t) tensor::Add(to, &tokens[t * d], d);
    if (!query) ToUnitLength(to, d);
    const float weight = std::sqrt(kWholeWeight * static_cast<float>(p.reps));
    for (size_t i = 0; i < d; ++i) to[i] *= weight;
  }
  if (p.final_dim > 0) {
    std::fill(out.begin(), out.end(), 0.0f);
    Apply(final_, whole, out.data());
  }
  return absl::OkStatus();
}

absl::Status FixedEncoder::EncodeQuery(std::span<const float> tokens, std::span<float> out) const {
  return Encode(tokens, true, out);
}

absl::Status FixedEncoder::EncodePassage(std::span<const float> tokens,
                                         std::span<float> out) const {
  if (tokens.empty()) {
    return absl::InvalidArgumentError(
        "fixed dimensional encoding: a passage without vectors has none to fill from");
  }
  return Encode(tokens, false, out);
}

}  // namespace weir::index
