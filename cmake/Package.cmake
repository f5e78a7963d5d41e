# `cmake --install` gives a package that find_package(tessera) finds.
include(CMakePackageConfigHelpers)
install(TARGETS tessera EXPORT tessera-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/tessera DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" PATTERN "torch" EXCLUDE REGEX "/tessera/train$" EXCLUDE
        # Bodies that a processor level is compiled from, and what shows a dependency's types.
         REGEX "/kernels/(kernel_bodies|linear_bodies|chosen_bodies|tile_codes|plane_tiles|wide_tiles|whole_lanes|lanes_.*)\.h$" EXCLUDE PATTERN "json_value.h" EXCLUDE PATTERN "ordered_json.h" EXCLUDE
         PATTERN "tokenizer_json.h" EXCLUDE PATTERN "tokenizer_text.h" EXCLUDE PATTERN "bindings" EXCLUDE)
install(FILES ${PROJECT_SOURCE_DIR}/tessera/bindings/tessera_text.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT tessera-targets NAMESPACE tessera:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tessera-config.cmake.in
  ${PROJECT_BINARY_DIR}/tessera-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tessera-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tessera-config.cmake
              ${PROJECT_BINARY_DIR}/tessera-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tessera)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(FILES ${PROJECT_BINARY_DIR}/generated/methods.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
