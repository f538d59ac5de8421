# Arrow C++ from the pyarrow wheel: libarrow and libparquet only, as scripts/setup unpacked them.
#
# Target: Arrow::Parquet.
set(arrow_root "${PARACLIP_DEPS_DIR}/arrow")
find_path(Arrow_INCLUDE_DIR parquet/arrow/reader.h PATHS "${arrow_root}/include" NO_DEFAULT_PATH)
find_library(Arrow_ARROW_LIBRARY arrow PATHS "${arrow_root}/lib" NO_DEFAULT_PATH)
find_library(Arrow_PARQUET_LIBRARY parquet PATHS "${arrow_root}/lib" NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Arrow REQUIRED_VARS Arrow_PARQUET_LIBRARY Arrow_ARROW_LIBRARY Arrow_INCLUDE_DIR)
mark_as_advanced(Arrow_INCLUDE_DIR Arrow_ARROW_LIBRARY Arrow_PARQUET_LIBRARY)

if(Arrow_FOUND AND NOT TARGET Arrow::Parquet)
  add_library(Arrow::Parquet INTERFACE IMPORTED)
  target_include_directories(Arrow::Parquet SYSTEM INTERFACE "${Arrow_INCLUDE_DIR}")
  target_link_libraries(Arrow::Parquet INTERFACE "${Arrow_PARQUET_LIBRARY}" "${Arrow_ARROW_LIBRARY}")
endif()
