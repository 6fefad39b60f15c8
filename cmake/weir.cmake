# Build rules of the project: weir_room, weir_technique, weir_write_registry.
#
#   weir_room(index ROOMS base tensor text LIBS SQLite::SQLite3)
#       One static library weir_<room> of every .cc below the folder, one test binary of every *_test.cc,
#       and with WEIR_FUZZ one fuzz target of each *_fuzz.cc. Suffixes decide; nothing is listed twice.
#   weir_technique(bm25 RetrievalStage)
#       Registers a technique: the folder holds bm25.h with a card, and bm25.cc defines
#       `void Register<Slug>(Registry&)` in namespace weir::<room>, with Slug in PascalCase.
#   weir_write_registry()
#       Makes the library weir_registry: one sorted file that calls all of them and carries the cards'
#       text (weir list). It links the rooms that hold techniques; binaries that list or make link it.
include_guard()

# A room's find_package is good for the rooms that link it, too.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(absl REQUIRED)
find_package(Threads REQUIRED)
find_package(GTest REQUIRED)
find_package(nlohmann_json REQUIRED)

find_program(WEIR_CCACHE ccache)
if(WEIR_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${WEIR_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WEIR_CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -ffp-contract=off)
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
if(WEIR_SANITIZE)
  add_compile_options(-fsanitize=${WEIR_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${WEIR_SANITIZE})
endif()
if(WEIR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
include_directories(${CMAKE_SOURCE_DIR}/src)
include(abseil_views)
weir_unite_string_views()

function(weir_room room)
  cmake_parse_arguments(R "" "" "ROOMS;LIBS" ${ARGN})
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz)\\.cc$")
  if(room STREQUAL "cli")
    list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  endif()
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${all})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(TRANSFORM R_ROOMS PREPEND weir_)
  if(NOT sources)  # a room whose first file is still to come
    file(WRITE ${CMAKE_BINARY_DIR}/generated/empty.cc "")
    set(sources ${CMAKE_BINARY_DIR}/generated/empty.cc)
  endif()
  add_library(weir_${room} STATIC ${sources})
  set_target_properties(weir_${room} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(weir_${room} PUBLIC ${R_ROOMS} ${R_LIBS} absl::status absl::statusor
                        absl::strings absl::flat_hash_map absl::flat_hash_set absl::span
                        Threads::Threads)
  if(tests)
    add_executable(${room}_test ${tests})
    if(WEIR_FUZZ)  # built by name: ./test runs those of rooms with parsers
      set_target_properties(${room}_test PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
    target_link_libraries(${room}_test PRIVATE weir_${room} GTest::gmock GTest::gtest GTest::gtest_main)
    target_compile_definitions(${room}_test PRIVATE
                               WEIR_SOURCE_DIR="${CMAKE_SOURCE_DIR}" WEIR_BINARY_DIR="${CMAKE_BINARY_DIR}")
    add_test(NAME ${room} COMMAND ${room}_test)
  endif()
  if(WEIR_FUZZ)
    foreach(source ${fuzzers})
      get_filename_component(stem ${source} NAME_WE)
      add_executable(${stem} ${source})
      target_link_libraries(${stem} PRIVATE weir_${room})
      target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()

function(weir_technique slug kind)
  get_filename_component(room ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  file(RELATIVE_PATH inside ${CMAKE_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR})
  string(REGEX REPLACE "/.*" "" room ${inside})
  set_property(GLOBAL APPEND PROPERTY WEIR_TECHNIQUES "${slug}|${kind}|${room}|${CMAKE_CURRENT_SOURCE_DIR}")
endfunction()

# Reads one labelled line of a card ("// Source: ..."), continued lines included, as one C string body.
function(_weir_card_line header label out)
  # Not file(STRINGS): brackets and semicolons in prose would glue or split the list's lines.
  file(READ ${header} lines)
  string(REPLACE ";" "<semicolon>" lines "${lines}")
  string(REPLACE "[" "<bracket>" lines "${lines}")
  string(REPLACE "]" "<unbracket>" lines "${lines}")
  string(REPLACE "\n" ";" lines "${lines}")
  set(text "")
  set(inside OFF)
  foreach(line IN LISTS lines)
    if(NOT line MATCHES "^//")
      break()  # the card ends with the opening comment
    elseif(line MATCHES "^// ${label}: *(.*)$")
      set(text "${CMAKE_MATCH_1}")
      set(inside ON)
    elseif(line MATCHES "^// [A-Z][a-z ]*:" OR line STREQUAL "//")
      set(inside OFF)
    elseif(inside AND line MATCHES "^// +(.*)$")
      string(APPEND text " ${CMAKE_MATCH_1}")
    endif()
  endforeach()
  string(REPLACE "<semicolon>" ";" text "${text}")
  string(REPLACE "<bracket>" "[" text "${text}")
  string(REPLACE "<unbracket>" "]" text "${text}")
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

function(weir_write_registry)
  get_property(techniques GLOBAL PROPERTY WEIR_TECHNIQUES)
  list(SORT techniques)
  set(declarations "")
  set(calls "")
  set(rooms "")
  foreach(entry IN LISTS techniques)
    string(REPLACE "|" ";" parts "${entry}")
    list(GET parts 0 slug)
    list(GET parts 1 kind)
    list(GET parts 2 room)
    list(GET parts 3 folder)
    string(REGEX REPLACE "[-_]" ";" words ${slug})
    set(pascal "")
    foreach(word IN LISTS words)
      string(SUBSTRING ${word} 0 1 head)
      string(SUBSTRING ${word} 1 -1 tail)
      string(TOUPPER ${head} head)
      string(APPEND pascal "${head}${tail}")
    endforeach()
    string(REPLACE "-" "_" stem ${slug})
    set(header ${folder}/${stem}.h)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    _weir_card_line(${header} Source source)
    _weir_card_line(${header} Idea idea)
    list(APPEND rooms weir_${room})
    string(APPEND declarations "namespace weir::${room} { void Register${pascal}(Registry&); }\n")
    string(APPEND calls "  registry.BeginCard({\"${slug}\", \"${kind}\", \"${source}\", \"${idea}\"});\n"
                        "  ${room}::Register${pascal}(registry);\n")
  endforeach()
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/generated/registry_all.cc CONTENT
"// Written by cmake/weir.cmake from the weir_technique lines and the cards. Do not edit.
#include \"base/registry.h\"
${declarations}
namespace weir {
void RegisterAll(Registry& registry) {
${calls}}
}  // namespace weir
")
  add_library(weir_registry STATIC ${CMAKE_BINARY_DIR}/generated/registry_all.cc)
  list(REMOVE_DUPLICATES rooms)
  target_link_libraries(weir_registry PUBLIC weir_base ${rooms})
endfunction()
