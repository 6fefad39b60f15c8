// The scalar twins of the quantised products, written apart from the shared templates: the
// reference that every target must equal bit for bit.
#pragma once

#include "tensor/kernels.h"

namespace weir::tensor::scalar {

void QuantizeRow(const float* x, size_t columns, const ActivationRow& out);
void Multiply(const PackedMatrix& w, size_t begin, size_t end, const Activations& a, float* y);
void Unpack(DType type, const std::byte* super, size_t blocks, UnpackedSuper* out);

}  // namespace weir::tensor::scalar
