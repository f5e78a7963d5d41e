# libtessera.so: everything that runs on a CPU, without libtorch. Room source lists are globs, so that
# adding a guest edits nothing but its room's guests.list.
include(Guests)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(simdjson REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(HUNSPELL REQUIRED hunspell)

set(TESSERA_ENGINE_ROOMS base kernels files text tokenizer network context decode use eval bindings)
set(TESSERA_TEXT_ROOMS base kernels files text tokenizer)
if(TESSERA_SANITIZE MATCHES thread)
  list(REMOVE_ITEM TESSERA_ENGINE_ROOMS eval)  # starts no thread, and nothing below it asks for it
endif()
set(engine_sources)
set(text_sources)
foreach(room ${TESSERA_ENGINE_ROOMS})
  file(GLOB_RECURSE room_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tessera/${room}/*.cc)
  list(APPEND engine_sources ${room_sources})
  if(room IN_LIST TESSERA_TEXT_ROOMS)
    list(APPEND text_sources ${room_sources})
  endif()
endforeach()
tessera_guest_tables(guest_sources ${PROJECT_BINARY_DIR}/generated)

execute_process(COMMAND git -C ${PROJECT_SOURCE_DIR} rev-parse --short HEAD
                OUTPUT_VARIABLE TESSERA_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT TESSERA_COMMIT)
  set(TESSERA_COMMIT "unknown")
endif()
configure_file(${PROJECT_SOURCE_DIR}/tessera/base/version.cc.in
               ${PROJECT_BINARY_DIR}/generated/version.cc @ONLY)

# The objects without the guests' tables, from which a library with more guests can be linked (examples/guest).
add_library(tessera_objects OBJECT ${engine_sources} ${PROJECT_BINARY_DIR}/generated/version.cc)
# What turns text into tokens and back, alone and static, for who asks for it (python/).
add_library(tessera_text STATIC EXCLUDE_FROM_ALL ${text_sources} ${PROJECT_BINARY_DIR}/generated/version.cc)
foreach(target tessera_objects tessera_text)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PUBLIC tessera_flags fmt::fmt simdjson::simdjson
                        nlohmann_json::nlohmann_json PkgConfig::PCRE2 PkgConfig::ZSTD PkgConfig::ZLIB
                        Threads::Threads)
endforeach()

# Of the measures of tokens alone: the static library of texts goes without.
target_link_libraries(tessera_objects PUBLIC ${HUNSPELL_LINK_LIBRARIES})
set_property(SOURCE ${PROJECT_SOURCE_DIR}/tessera/eval/spelling.cc APPEND PROPERTY
             INCLUDE_DIRECTORIES ${HUNSPELL_INCLUDE_DIRS})

# What nearly every source includes, parsed once. tessera_text goes without it: there each source has to name what it uses.
target_compile_options(tessera_objects PRIVATE ${TESSERA_PRECOMPILED_OPTIONS})
target_precompile_headers(tessera_objects PRIVATE <algorithm> <array> <cmath> <functional> <map> <memory> <optional>
                          <span> <string> <unordered_map> <vector> <fmt/format.h>)
# clang maps what it needs of such a header; g++ pays for all of it in each source, and few read or write JSON.
target_precompile_headers(tessera_objects PRIVATE $<$<CXX_COMPILER_ID:Clang>:<nlohmann/json.hpp$<ANGLE-R>>
                          $<$<CXX_COMPILER_ID:Clang>:<simdjson.h$<ANGLE-R>>)
# These are compiled for other processors.
foreach(level reference avx2 avx512 neon neon_dotprod)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tessera/kernels/level_${level}.cc PROPERTIES
                              SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
endforeach()

if(TESSERA_SANITIZE)
  # Sources of a folder with the same initial, or nearly, as one: half the time to compile. What they keep to themselves
  # needs names that differ.
  set_target_properties(tessera_objects PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  foreach(source ${engine_sources})
    get_filename_component(folder ${source} DIRECTORY)
    get_filename_component(name ${source} NAME)
    foreach(initials a-d e-h i-l m-p q-t u-z)
      if(name MATCHES "^[${initials}]" AND NOT name MATCHES "^repro_")
        string(MAKE_C_IDENTIFIER "${folder}_${initials}" group)
        set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
      endif()
    endforeach()
  endforeach()
endif()

if(TESSERA_FUZZ)
  target_compile_options(tessera_objects PRIVATE -fsanitize=fuzzer-no-link)
endif()

add_library(tessera SHARED ${guest_sources})
add_library(tessera::tessera ALIAS tessera)
target_include_directories(tessera PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(tessera PUBLIC cxx_std_20)
target_link_libraries(tessera PRIVATE $<BUILD_INTERFACE:tessera_objects> PUBLIC Threads::Threads)
set_target_properties(tessera PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})

# One file a processor level: compiled for that level, entered only after a check at run time.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tessera/kernels/level_avx2.cc PROPERTIES
    COMPILE_OPTIONS "-mavx2;-mfma;-mf16c;-mbmi;-mbmi2;-mpopcnt")
  # g++ 12 warns about its own intrinsics headers (GCC bug 105593).
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tessera/kernels/level_avx512.cc PROPERTIES
    COMPILE_OPTIONS "-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mfma;-mf16c;-mbmi;-mbmi2;-mpopcnt;-mprefer-vector-width=512;$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>;-Wno-uninitialized")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/tessera/kernels/level_neon_dotprod.cc PROPERTIES
    COMPILE_OPTIONS "-march=armv8.2-a+dotprod")
endif()

# -O3 takes g++ more than twice as long, a sixth of the whole build, and decodes a quarter faster, on processors that few
# have.
set_property(SOURCE ${PROJECT_SOURCE_DIR}/tessera/kernels/level_reference.cc APPEND PROPERTY
             COMPILE_OPTIONS "$<$<CXX_COMPILER_ID:GNU>:-O2;-fvect-cost-model=dynamic;-fpeel-loops>")

# g++ 12 takes the short buffer of a string that was moved away for all that it had (its bug 105329).
set_property(SOURCE ${PROJECT_SOURCE_DIR}/tessera/tokenizer/train/training_texts.cc APPEND PROPERTY
             COMPILE_OPTIONS $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds>)

# Behind what sets their other options.
if(TESSERA_SANITIZE MATCHES undefined)
  # Three in four of the checks, at every access of unrolled loops, and nothing that AddressSanitizer would not see.
  set_property(SOURCE ${PROJECT_SOURCE_DIR}/tessera/kernels/level_reference.cc APPEND PROPERTY
               COMPILE_OPTIONS -fno-sanitize=null,pointer-overflow,object-size,alignment)
  # Of intrinsics there is little left for UndefinedBehaviorSanitizer to see, and there is much to compile.
  foreach(level avx2 avx512)
    set_property(SOURCE ${PROJECT_SOURCE_DIR}/tessera/kernels/level_${level}.cc APPEND PROPERTY
                 COMPILE_OPTIONS -fno-sanitize=undefined)
  endforeach()
endif()
