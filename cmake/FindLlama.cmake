# llama.cpp as scripts/setup built it: static, CPU only.
#
# Target: Llama::Llama.
set(llama_root "${PARACLIP_DEPS_DIR}/llama.cpp")
find_path(Llama_INCLUDE_DIR llama.h PATHS "${llama_root}/include" NO_DEFAULT_PATH)
set(llama_libraries)
foreach(name llama ggml ggml-cpu ggml-base)
  find_library(Llama_${name}_LIBRARY ${name} PATHS "${llama_root}/lib" NO_DEFAULT_PATH)
  mark_as_advanced(Llama_${name}_LIBRARY)
  list(APPEND llama_libraries "${Llama_${name}_LIBRARY}")
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Llama REQUIRED_VARS
  Llama_INCLUDE_DIR Llama_llama_LIBRARY Llama_ggml_LIBRARY Llama_ggml-cpu_LIBRARY Llama_ggml-base_LIBRARY)
mark_as_advanced(Llama_INCLUDE_DIR)

if(Llama_FOUND AND NOT TARGET Llama::Llama)
  add_library(Llama::Llama INTERFACE IMPORTED)
  target_include_directories(Llama::Llama SYSTEM INTERFACE "${Llama_INCLUDE_DIR}")
  target_link_libraries(Llama::Llama INTERFACE ${llama_libraries} Threads::Threads ${CMAKE_DL_LIBS})
endif()
