# libtessera-workshop.so: what needs gradients or a graphics processor. libtorch comes from an
# unpacked torch wheel; its libraries are imported by path, because the wheel's own CMake package
# would ask for the compiler's CUDA.
option(TESSERA_CUDA "Link the workshop library to libtorch's CUDA build" OFF)
if(TESSERA_CUDA)
  set(tessera_torch_kind cuda)
  set(tessera_torch_folder libtorch-2.13.0-cuda)
else()
  set(tessera_torch_kind workshop)
  set(tessera_torch_folder libtorch-2.13.0)
endif()
if(NOT TESSERA_TORCH_DIR)  # where scripts/setup.sh puts it
  set(TESSERA_TORCH_DIR $ENV{XDG_CACHE_HOME})
  if(NOT TESSERA_TORCH_DIR)
    set(TESSERA_TORCH_DIR $ENV{HOME}/.cache)
  endif()
  string(APPEND TESSERA_TORCH_DIR /tessera/${tessera_torch_folder}/torch)
endif()
foreach(file lib/libc10.so lib/libtorch_cpu.so include/ATen/ATen.h)
  if(NOT EXISTS ${TESSERA_TORCH_DIR}/${file})
    message(FATAL_ERROR "TESSERA_WORKSHOP needs libtorch: ${TESSERA_TORCH_DIR}/${file} is missing. "
                        "scripts/setup.sh --${tessera_torch_kind} fetches it.")
  endif()
endforeach()

add_library(tessera_torch INTERFACE)
target_include_directories(tessera_torch SYSTEM INTERFACE ${TESSERA_TORCH_DIR}/include
                           ${TESSERA_TORCH_DIR}/include/torch/csrc/api/include)
target_link_libraries(tessera_torch INTERFACE ${TESSERA_TORCH_DIR}/lib/libtorch_cpu.so
                      ${TESSERA_TORCH_DIR}/lib/libc10.so)
target_link_options(tessera_torch INTERFACE -Wl,--allow-shlib-undefined)
# A CUDA build registers its kernels when its library is loaded; nothing of ours names one of them.
if(EXISTS ${TESSERA_TORCH_DIR}/lib/libtorch_cuda.so)
  target_link_options(tessera_torch INTERFACE -Wl,--push-state,--no-as-needed
                      ${TESSERA_TORCH_DIR}/lib/libtorch_cuda.so ${TESSERA_TORCH_DIR}/lib/libc10_cuda.so
                      -Wl,--pop-state)
endif()

file(GLOB_RECURSE workshop_sources CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/tessera/torch/*.cc
     ${PROJECT_SOURCE_DIR}/tessera/train/*.cc
     ${PROJECT_SOURCE_DIR}/tessera/transplant/*.cc)
add_library(tessera_workshop SHARED ${workshop_sources})
set_target_properties(tessera_workshop PROPERTIES OUTPUT_NAME tessera-workshop
  BUILD_RPATH "${TESSERA_TORCH_DIR}/lib" INSTALL_RPATH "$ORIGIN;${TESSERA_TORCH_DIR}/lib")
target_link_libraries(tessera_workshop PUBLIC tessera tessera_torch PRIVATE tessera_flags)
# The wheel brings headers of another fmt than the system's, without its library.
target_compile_definitions(tessera_workshop PRIVATE FMT_HEADER_ONLY)
target_compile_options(tessera_workshop PRIVATE ${TESSERA_PRECOMPILED_OPTIONS})
target_precompile_headers(tessera_workshop PRIVATE <ATen/ATen.h>)
install(TARGETS tessera_workshop LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
