# minizip, zlib's reader of zip archives.
#
# Target: Minizip::Minizip.
find_path(Minizip_INCLUDE_DIR minizip/unzip.h)
find_library(Minizip_LIBRARY minizip)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Minizip REQUIRED_VARS Minizip_LIBRARY Minizip_INCLUDE_DIR)
mark_as_advanced(Minizip_INCLUDE_DIR Minizip_LIBRARY)

if(Minizip_FOUND AND NOT TARGET Minizip::Minizip)
  add_library(Minizip::Minizip INTERFACE IMPORTED)
  target_include_directories(Minizip::Minizip SYSTEM INTERFACE "${Minizip_INCLUDE_DIR}")
  target_link_libraries(Minizip::Minizip INTERFACE "${Minizip_LIBRARY}")
endif()
