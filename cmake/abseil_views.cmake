# Lets absl::string_view and std::string_view convert into each other.
#
# Debian builds Abseil with a string_view class of its own, so that one library serves C++14 and C++17
# callers; our interfaces use std::string_view. This writes the three headers concerned, as installed,
# into build/ (one place, so that ccache serves all presets) with converting members added. They are inline and add no data, so the layout
# and the compiled library stay as they are. Where Abseil's view already is the standard one, nothing
# matches and nothing is written.
include_guard()

function(_weir_patch_header include name class members)
  file(READ ${include}/${name} text)
  set(marker "class ${class} {\n public:\n")
  string(FIND "${text}" "${marker}" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "${include}/${name}: class ${class} is not where it was; see cmake/abseil_views.cmake")
  endif()
  string(REPLACE "${marker}" "${marker}${members}" text "${text}")
  string(PREPEND text "#pragma GCC system_header\n#include <string_view>\n")
  set(target ${CMAKE_SOURCE_DIR}/build/abseil_views/${name})
  if(EXISTS ${target})
    file(READ ${target} old)
    if(old STREQUAL text)
      return()
    endif()
  endif()
  file(WRITE ${target} "${text}")
endfunction()

function(weir_unite_string_views)
  find_path(WEIR_ABSL_INCLUDE absl/base/options.h REQUIRED)
  file(STRINGS ${WEIR_ABSL_INCLUDE}/absl/base/options.h option
       REGEX "^#define ABSL_OPTION_USE_STD_STRING_VIEW ")
  if(NOT option MATCHES "VIEW 0")
    return()
  endif()
  _weir_patch_header(${WEIR_ABSL_INCLUDE} absl/strings/string_view.h string_view
"  constexpr string_view(std::string_view s) noexcept : ptr_(s.data()), length_(s.size()) {}
  constexpr operator std::string_view() const { return std::string_view(ptr_, length_); }
")
  _weir_patch_header(${WEIR_ABSL_INCLUDE} absl/strings/str_cat.h AlphaNum
"  AlphaNum(std::string_view s) : piece_(s) {}
")
  _weir_patch_header(${WEIR_ABSL_INCLUDE} absl/strings/internal/str_split_internal.h ConvertibleToStringView
"  ConvertibleToStringView(std::string_view s) : value_(s) {}
")
  include_directories(BEFORE ${CMAKE_SOURCE_DIR}/build/abseil_views)
endfunction()
