# Installs the build into a prefix of its own, then configures, builds and runs the consumer against it.
#   cmake -DBUILD=DIR -DSOURCE=DIR -DCOMPILER=PATH -P run.cmake
set(scratch ${BUILD}/package-test)
file(REMOVE_RECURSE ${scratch})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${scratch}/prefix
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} -G Ninja -S ${SOURCE} -B ${scratch}/build
                        -DCMAKE_PREFIX_PATH=${scratch}/prefix -DCMAKE_CXX_COMPILER=${COMPILER}
                COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${scratch}/build COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${scratch}/build/consumer COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${scratch}/prefix/bin/tessera --version COMMAND_ERROR_IS_FATAL ANY)
