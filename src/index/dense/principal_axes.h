// Eigenvalues and eigenvectors of a symmetric matrix, for the axes along which vectors vary.
// Householder's reduction to a tridiagonal matrix, then implicit QL steps (Bowdler, Martin, Reinsch
// and Wilkinson, The QR and QL algorithms for symmetric matrices, Numerische Mathematik 11, 1968).
// In double precision, one thread, a fixed order: the same bits for the same matrix.
#pragma once

#include <cstddef>
#include <vector>

namespace weir::index {

struct PrincipalAxes {
  std::vector<double> values;   // descending
  std::vector<double> vectors;  // [n, n], row i belongs to values[i]
};

// symmetric: [n, n]; takes some 10 n^3 operations.
PrincipalAxes FindPrincipalAxes(std::vector<double> symmetric, size_t n);

}  // namespace weir::index
