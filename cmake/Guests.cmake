# Generates the tables of guests from the rooms' guests.list files.
#
# A list declares its seams and names its guests, one a line, fields between bars:
#   seam  | SEAM | interface header | interface type
#   guest | SEAM | name | summary | system | source | equals the default at | header | factory
# No field holds a semicolon. The factory is `std::unique_ptr<Interface> factory(const Options&)`, declared in the header.
#
# tessera_guest_tables(OUT FOLDER [LIST..]) writes the tables into FOLDER and their names into OUT, and FOLDER/methods.md,
# a page of all guests. Lists that are given are read after the rooms' own: guests from elsewhere (examples/guest).
function(tessera_guest_tables out folder)
  set(sources)
  file(GLOB lists CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tessera/*/guests.list)
  list(APPEND lists ${ARGN})
  foreach(list ${lists})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${list})
    file(STRINGS ${list} lines ENCODING UTF-8)
    foreach(line IN LISTS lines)
      if(line MATCHES "^[ \t]*(#.*)?$")
        continue()
      endif()
      string(REPLACE "|" ";" fields "${line}")
      set(clean)
      foreach(field IN LISTS fields)
        string(STRIP "${field}" field)
        if(field STREQUAL "")
          set(field "-")
        endif()
        list(APPEND clean "${field}")
      endforeach()
      list(GET clean 0 kind)
      list(GET clean 1 seam)
      string(REPLACE "-" "_" seam_id "${seam}")
      if(kind STREQUAL "seam")
        list(GET clean 2 header)
        list(GET clean 3 interface)
        list(APPEND seams ${seam})
        set(includes_${seam_id} "#include \"tessera/base/guest.h\"\n#include \"${header}\"\n")
        set(interface_${seam_id} ${interface})
        set(rows_${seam_id} "")
        set(page_${seam_id} "")
      elseif(kind STREQUAL "guest")
        list(LENGTH clean count)
        if(NOT count EQUAL 9 OR NOT DEFINED interface_${seam_id})
          message(FATAL_ERROR "${list}: a guest has 9 fields and a seam declared above it: ${line}")
        endif()
        list(GET clean 2 name)
        list(GET clean 3 summary)
        list(GET clean 4 system)
        list(GET clean 5 source)
        list(GET clean 6 limit)
        list(GET clean 7 header)
        list(GET clean 8 factory)
        foreach(optional system source limit)
          if(${optional} STREQUAL "-")
            set(${optional} "")
          endif()
        endforeach()
        string(APPEND page_${seam_id} "| [${name}](${seam}/${name}.md) | ${summary} | ${source} |\n")
        string(APPEND includes_${seam_id} "#include \"${header}\"\n")
        string(APPEND rows_${seam_id} "      guest<${interface_${seam_id}}>({\"${seam}\", \"${name}\", \"${summary}\", \"${system}\", \"${source}\", \"${limit}\"}, ${factory}),\n")
      else()
        message(FATAL_ERROR "${list}: a line begins with 'seam' or 'guest': ${line}")
      endif()
    endforeach()
  endforeach()
  set(all "#include \"tessera/base/guest.h\"\n\n")
  set(body "")
  set(declared "")
  set(page "# Methods\n")
  foreach(seam IN LISTS seams)
    string(REPLACE "-" "_" seam_id "${seam}")
    set(file ${folder}/guests_${seam_id}.cc)
    file(CONFIGURE OUTPUT ${file} @ONLY CONTENT
"// Generated from guests.list.
${includes_${seam_id}}
namespace tessera {
template <>
const std::vector<Guest<${interface_${seam_id}}>>& guests<${interface_${seam_id}}>() {
  static const std::vector<Guest<${interface_${seam_id}}>> table = {
${rows_${seam_id}}  };
  return table;
}
std::vector<GuestEntry> guest_entries_${seam_id}() {
  std::vector<GuestEntry> out;
  for (const auto& g : guests<${interface_${seam_id}}>()) out.push_back(entry_of(g));
  return out;
}
}  // namespace tessera
")
    list(APPEND sources ${file})
    string(APPEND page "\n## ${seam}\n| name | what it does | source |\n|---|---|---|\n${page_${seam_id}}")
    string(APPEND declared "std::vector<GuestEntry> guest_entries_${seam_id}();\n")
    string(APPEND body "  for (auto& e : guest_entries_${seam_id}()) out.push_back(std::move(e));\n")
  endforeach()
  file(CONFIGURE OUTPUT ${folder}/guests_all.cc @ONLY CONTENT
"// Generated from guests.list.
#include \"tessera/base/guest.h\"

namespace tessera {
${declared}
std::vector<GuestEntry> all_guests() {
  std::vector<GuestEntry> out;
${body}  return out;
}
}  // namespace tessera
")
  list(APPEND sources ${folder}/guests_all.cc)
  file(CONFIGURE OUTPUT ${folder}/methods.md @ONLY CONTENT "${page}")
  set(${out} ${sources} PARENT_SCOPE)
endfunction()
